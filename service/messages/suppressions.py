"""Addresses we must not mail: put on, taken off, looked up. A suppression also ends the member's standing."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, ColumnElement, String, any_, bindparam
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from service.db import is_sqlite
from service.members.models import Member
from service.members.rules import MemberStatus, email_key
from service.members.standing import set_status
from service.messages.models import Suppression
from service.messages.rules import Stop, SuppressionPurpose, SuppressionReason

LOOKUP_CHUNK = 10_000
"""SQLite takes 32,766 values at most in a statement."""

_STANDING_AFTER = {
    SuppressionReason.UNSUBSCRIBE: MemberStatus.UNSUBSCRIBED,
    SuppressionReason.MANUAL: MemberStatus.UNSUBSCRIBED,
    SuppressionReason.COMPLAINT: MemberStatus.UNSUBSCRIBED,
    SuppressionReason.HARD_BOUNCE: MemberStatus.CLEANED,
    SuppressionReason.SOFT_BOUNCES: MemberStatus.CLEANED,
    SuppressionReason.INVALID: MemberStatus.CLEANED,
    SuppressionReason.PROVIDER: MemberStatus.CLEANED,
}


def suppression_hash(key: str) -> str:
    """What is kept of an address: enough to know it again, not enough to write to it."""
    return hashlib.sha256(f"kindling suppression {key}".encode()).hexdigest()


async def suppress(
    session: AsyncSession, email: str, *, purpose: SuppressionPurpose, reason: SuppressionReason, source: str, now: datetime
) -> bool:
    """Stop mail for this purpose to this address from now on. True when that is news. The member's standing follows:
    a full stop ends it, a partial one withdraws the preference.
    """
    key = email_key(email)
    digest = suppression_hash(key)
    known = (
        await session.exec(
            select(Suppression).where(Suppression.email_hash == digest, Suppression.purpose == purpose, Suppression.reason == reason)
        )
    ).one_or_none()
    news = known is None or known.lifted_at is not None
    if known is None:
        session.add(Suppression(email_hash=digest, purpose=purpose, reason=reason, source=source, at=now))
    elif news:
        known.lifted_at, known.at, known.source, known.mirrored_at = None, now, source, None
        session.add(known)
    member = (await session.exec(select(Member).where(Member.email_key == key))).one_or_none()
    if member is not None:
        await _end_standing(session, member, purpose=purpose, reason=reason, source=source, now=now)
    await session.flush()
    return news


async def _end_standing(
    session: AsyncSession, member: Member, *, purpose: SuppressionPurpose, reason: SuppressionReason, source: str, now: datetime
) -> None:
    if purpose is SuppressionPurpose.NEWSLETTER:
        member.wants_newsletter = False
    elif purpose is SuppressionPurpose.NUDGES:
        member.wants_nudges = False
    elif reason in _STANDING_AFTER and member.status != MemberStatus.ERASED:
        await set_status(session, member, _STANDING_AFTER[reason], source=source, reason=reason, now=now)
        return
    member.updated_at = now
    member.audience_due_at = now
    session.add(member)


async def lift(
    session: AsyncSession,
    email: str,
    *,
    reasons: Sequence[SuppressionReason],
    now: datetime,
    purposes: Sequence[SuppressionPurpose] = tuple(SuppressionPurpose),
) -> int:
    """The person asked to come back: these reasons no longer stop mail for these purposes. How many were lifted."""
    rows = await session.exec(
        select(Suppression).where(
            Suppression.email_hash == suppression_hash(email_key(email)),
            col(Suppression.reason).in_(reasons),
            col(Suppression.purpose).in_(purposes),
            col(Suppression.lifted_at).is_(None),
        )
    )
    found = rows.all()
    for row in found:
        row.lifted_at = now
        session.add(row)
    return len(found)


def _in_force(those: ColumnElement[bool]) -> Select[str, str, str]:
    query: Select[str, str, str] = select(Suppression.email_hash, Suppression.purpose, Suppression.reason)
    return query.where(those, col(Suppression.lifted_at).is_(None))


_HASH = col(Suppression.email_hash)
_IN_FORCE = {
    True: _in_force(_HASH.in_(bindparam("hashes", expanding=True))),
    False: _in_force(any_(bindparam("hashes", type_=ARRAY(String))) == _HASH),  # one statement, however many
}
"""By whether it is SQLite. Built once: it is asked for every few mails."""


async def stops_for(session: AsyncSession, email_keys: Sequence[str]) -> dict[str, tuple[Stop, ...]]:
    """The suppressions in force, by folded address; addresses without any are absent."""
    by_hash = {suppression_hash(key): key for key in email_keys}
    hashes = list(by_hash)
    found: dict[str, tuple[Stop, ...]] = {}
    for start in range(0, len(hashes), LOOKUP_CHUNK):
        given = {"hashes": hashes[start : start + LOOKUP_CHUNK]}
        for digest, purpose, reason in await session.exec(_IN_FORCE[is_sqlite(session)], params=given):
            key = by_hash[digest]
            found[key] = (*found.get(key, ()), Stop(SuppressionPurpose(purpose), SuppressionReason(reason)))
    return found


async def stopped_keys(session: AsyncSession, email_keys: Sequence[str]) -> set[str]:
    """Which of these folded addresses have a full stop: an import never subscribes them."""
    stops = await stops_for(session, email_keys)
    return {key for key, found in stops.items() if any(stop.purpose is SuppressionPurpose.ALL for stop in found)}


async def erased_keys(session: AsyncSession, email_keys: Sequence[str]) -> set[str]:
    """Which of these folded addresses belong to people who were erased and have not come back: nothing of them is kept."""
    stops = await stops_for(session, email_keys)
    return {key for key, found in stops.items() if any(stop.reason is SuppressionReason.ERASURE for stop in found)}
