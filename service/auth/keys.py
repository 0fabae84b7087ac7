"""Making, checking and revoking API keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.models import ApiKey
from service.auth.rules import SCOPES_OF, Role, Scope, hash_of, make_key, prefix_of
from service.errors import Conflict, InvalidInput, NotFound

LAST_USE_STEP = timedelta(minutes=5)
BOOTSTRAP_NAME = "bootstrap"


async def create_key(
    session: AsyncSession,
    *,
    name: str,
    role: Role,
    now: datetime,
    scopes: Sequence[Scope] = (),
    expires_at: datetime | None = None,
    secret: str | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is shown once and never stored. `scopes` narrow the role; `secret` is given only for the
    bootstrap key. Raises InvalidInput for a time in the past and for scopes that the role does not have.
    """
    beyond = sorted(set(scopes) - SCOPES_OF[role])
    if beyond:
        raise InvalidInput.field("scopes", f"go beyond the role {role}: leave out {', '.join(beyond)}, or choose a larger role")
    if expires_at is not None and expires_at <= now:
        raise InvalidInput.field("expires_at", "is in the past; give a later time or leave it out")
    key = secret or make_key()
    row = ApiKey(
        name=name,
        role=role,
        scopes=sorted(set(scopes)),
        prefix=prefix_of(key),
        key_hash=hash_of(key),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    return row, key


async def find_key(session: AsyncSession, key: str, *, now: datetime) -> ApiKey | None:
    """The key's row if it counts now; None for unknown, revoked and expired alike. Looked up by hash: nothing to time."""
    row = (await session.exec(select(ApiKey).where(ApiKey.key_hash == hash_of(key)))).one_or_none()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return row


def use_is_old(row: ApiKey, *, now: datetime) -> bool:
    """Is the time of last use worth writing again? (Not at every call.)"""
    return row.last_used_at is None or now - row.last_used_at > LAST_USE_STEP


async def note_use(session: AsyncSession, key_id: UUID, *, now: datetime) -> None:
    """The key was used now."""
    row = await session.get(ApiKey, key_id)
    if row is not None:
        row.last_used_at = now
        session.add(row)


async def rotate_key(session: AsyncSession, key_id: UUID, *, grace: timedelta, now: datetime) -> tuple[ApiKey, str]:
    """A new key in place of this one, with its name, role, scopes and length of life; the old one counts for `grace` longer.

    Both are listed until then: the old one's last use tells whether everybody has changed over. Raises NotFound, and Conflict for a key
    that no longer counts.
    """
    old = (await session.exec(select(ApiKey).where(ApiKey.id == key_id).with_for_update())).one_or_none()
    if old is None:
        raise NotFound("There is no such key.")
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
        raise Conflict("This key no longer counts; make a new one.")
    expires_at = now + (old.expires_at - old.created_at) if old.expires_at is not None else None
    scopes = [Scope(scope) for scope in old.scopes]
    new, key = await create_key(session, name=old.name, role=Role(old.role), scopes=scopes, now=now, expires_at=expires_at)
    last_day = now + grace
    old.expires_at = min(last_day, old.expires_at) if old.expires_at is not None else last_day
    session.add(old)
    return new, key


async def revoke_key(session: AsyncSession, key_id: UUID, *, now: datetime) -> ApiKey:
    """The key stops counting at once. Raises NotFound."""
    row = await session.get(ApiKey, key_id)
    if row is None:
        raise NotFound("There is no such key.")
    row.revoked_at = row.revoked_at or now
    session.add(row)
    return row


async def has_admin_key(session: AsyncSession) -> bool:
    """Is there any admin key that could count?"""
    found = await session.exec(select(ApiKey.id).where(ApiKey.role == Role.ADMIN, col(ApiKey.revoked_at).is_(None)).limit(1))
    return found.first() is not None


async def ensure_bootstrap_key(session: AsyncSession, secret: str, *, now: datetime) -> bool:
    """The admin key given by ADMIN_KEY exists; a changed one replaces the earlier bootstrap key. False: this one was revoked or
    replaced before, and stays so.
    """
    if (await session.exec(select(ApiKey.id).where(ApiKey.key_hash == hash_of(secret)))).first() is not None:
        return await find_key(session, secret, now=now) is not None
    old = await session.exec(select(ApiKey).where(ApiKey.name == BOOTSTRAP_NAME, col(ApiKey.revoked_at).is_(None)))
    for row in old:
        row.revoked_at = now
        session.add(row)
    await create_key(session, name=BOOTSTRAP_NAME, role=Role.ADMIN, now=now, secret=secret)
    return True
