"""Sessions: a random cookie, kept as a hash; ended by the person, by time, or with the key or person behind it."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.auth.models import ApiKey
from service.auth.rules import Role, Scope, granted
from service.console.models import ConsolePerson, ConsoleSession, SignInLink
from service.console.people import LINK_MAX_AGE, person_of_link
from service.parts import Parts

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
SEEN_STEP = timedelta(minutes=5)
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in. `actor` is what the audit trail keeps, `name` what pages say, `csrf` what every form must bring."""

    session_id: UUID
    actor: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    csrf: str
    seen_at: datetime

    @property
    def may_change(self) -> bool:
        """Facilitators and admins run the community; viewers read."""
        return Scope.EDIT in self.scopes

    @property
    def is_admin(self) -> bool:
        """Keys, people, erasure, settings, audit."""
        return Scope.ADMIN in self.scopes


def hash_of_token(token: str) -> str:
    """What is kept of a cookie. SHA-256 without salt is enough for 256 random bits."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def csrf_of(token: str) -> str:
    """What a form must bring back: only who holds the cookie's page can know it, and it opens nothing by itself."""
    return hmac.new(token.encode(errors="replace"), b"kindling console form", hashlib.sha256).hexdigest()[:32]


async def start_with_key(session: AsyncSession, key: ApiKey, *, now: datetime) -> str:
    """A session for the holder of a key that counts; the cookie's value."""
    return await _start(session, ConsoleSession(token_hash="", key_id=key.id, started_at=now, seen_at=now), f"key:{key.prefix}", now=now)


async def start_with_link(session: AsyncSession, parts: Parts, token: str, *, now: datetime) -> str:
    """A session for whom the mailed link lets in, once; the cookie's value. Raises InvalidInput."""
    link, person = await person_of_link(session, parts, token, now=now, lock=True)
    link.used_at = now
    session.add(link)
    row = ConsoleSession(token_hash="", person_id=person.id, started_at=now, seen_at=now)
    return await _start(session, row, f"person:{person.id}", now=now)


async def _start(session: AsyncSession, row: ConsoleSession, actor: str, *, now: datetime) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row.token_hash = hash_of_token(token)
    session.add(row)
    record(session, actor=actor, action="sign_in", subject_type="session", subject_id=row.id, now=now)
    return token


async def signed_in(session: AsyncSession, token: str, *, now: datetime) -> SignedIn | None:
    """Who holds this cookie; None when it does not count (any more). The role is read now, so that a change counts at once."""
    query = (
        select(ConsoleSession, ConsolePerson, ApiKey)
        .outerjoin(ConsolePerson, col(ConsolePerson.id) == col(ConsoleSession.person_id))
        .outerjoin(ApiKey, col(ApiKey.id) == col(ConsoleSession.key_id))
        .where(ConsoleSession.token_hash == hash_of_token(token))
    )
    found = (await session.exec(query)).one_or_none()
    if found is None:
        return None
    row, person, key = found
    if row.ended_at is not None or now - row.seen_at > IDLE or now - row.started_at > LONGEST:
        return None
    if person is not None and person.removed_at is None:
        role = Role(person.role)
        return SignedIn(row.id, f"person:{person.id}", person.name, role, granted(role, ()), csrf_of(token), row.seen_at)
    if key is not None and key.revoked_at is None and (key.expires_at is None or key.expires_at > now):
        role = Role(key.role)
        return SignedIn(row.id, f"key:{key.prefix}", key.name, role, granted(role, map(Scope, key.scopes)), csrf_of(token), row.seen_at)
    return None


async def note_seen(session: AsyncSession, session_id: UUID, *, now: datetime) -> None:
    """The person is still there."""
    mine = col(ConsoleSession.id) == session_id
    await session.exec(update(ConsoleSession).where(mine).values(seen_at=now).execution_options(synchronize_session=False))


async def end(session: AsyncSession, who: SignedIn, *, now: datetime) -> None:
    """Signed out; the cookie is worth nothing from now on."""
    row = await session.get(ConsoleSession, who.session_id)
    if row is not None and row.ended_at is None:
        row.ended_at = now
        session.add(row)
        record(session, actor=who.actor, action="sign_out", subject_type="session", subject_id=row.id, now=now)


async def forget_old_sessions(session: AsyncSession, *, now: datetime) -> int:
    """Sessions and links that can't open anything any more go; the audit trail keeps that they were. How many went."""
    connection = await session.connection()
    old = delete(ConsoleSession).where(col(ConsoleSession.started_at) < now - LONGEST)
    used = delete(SignInLink).where(col(SignInLink.made_at) < now - LINK_MAX_AGE)
    return sum([int((await connection.execute(statement)).rowcount) for statement in (old, used)])
