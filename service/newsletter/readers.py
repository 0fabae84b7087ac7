"""Who an edition goes to, and who is left out and why: every member looked at, in portions, with the suppressions in force."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.members.models import Member
from service.members.rules import NewsletterRhythm
from service.messages.models import Delivery
from service.messages.once_a_day import MAILED_TODAY, mailed_before_edition
from service.messages.rules import NEVER_WENT, MessageKind, RecipientFacts, may_send
from service.messages.suppressions import stops_for

PORTION = 5000
A_MONTH = timedelta(days=27)
"""A day short of four weeks: of a weekly newsletter every fourth comes, though one may leave some hours earlier than the last."""
HAD_THIS_MONTHS = "had_this_months_edition"


@dataclass(frozen=True, slots=True)
class Reader:
    """One member who gets the edition; `measured` when they allow their opens and clicks to be counted."""

    member_id: UUID
    email: str
    name: str
    measured: bool


@dataclass(slots=True)
class ReaderCount:
    """Everyone looked at: `candidates` is readers and left out together. `left_out` counts by reason."""

    candidates: int = 0
    readers: int = 0
    measured: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def why_nobody(count: ReaderCount) -> str:
    """Why an edition that goes to nobody does not go, in words."""
    busy = count.left_out[MAILED_TODAY]
    if busy:
        return f"There is nobody to send it to: who wants the newsletter ({busy}) has another mail on that day. Send it on another one."
    return "There is nobody to send it to: no member is subscribed and wants the newsletter."


async def readers(
    session: AsyncSession, count: ReaderCount, *, tracking_on: bool, goes_at: datetime, zone: ZoneInfo, freezing: bool = False
) -> AsyncIterator[list[Reader]]:
    """The readers in portions, by member id; `count` is filled on the way. Erased people are not looked at; who got another automatic
    mail on the day it goes is left out. `freezing` keeps other mail to these members waiting until the commit.
    """
    columns = (Member.id, Member.email, Member.email_key, Member.first_name, Member.last_name, Member.status, Member.wants_newsletter,
               Member.wants_nudges, Member.sunset_at, Member.allows_measuring, Member.newsletter_rhythm)  # fmt: skip
    last: UUID | None = None
    while True:
        query = select(*columns).where(col(Member.erased_at).is_(None)).order_by(col(Member.id)).limit(PORTION)  # type: ignore[call-overload]
        if freezing:
            query = query.with_for_update(read=True, key_share=True)  # only those who send to the same member wait: see `put_off`
        rows = (await session.exec(query if last is None else query.where(Member.id > last))).all()
        if not rows:
            return
        last = rows[-1].id
        stops = await stops_for(session, [row.email_key for row in rows])
        mailed = await mailed_before_edition(session, [row.id for row in rows], at=goes_at, zone=zone)
        had_theirs = await _had_theirs(session, [row.id for row in rows if row.newsletter_rhythm == NewsletterRhythm.MONTHLY], at=goes_at)
        found = []
        for row in rows:
            facts = RecipientFacts.of(row, stops.get(row.email_key, ()))
            reason = may_send(MessageKind.NEWSLETTER, facts) or (MAILED_TODAY if row.id in mailed else None)
            reason = reason or (HAD_THIS_MONTHS if row.id in had_theirs else None)
            if reason is None:
                name = f"{row.first_name} {row.last_name}".strip()
                found.append(Reader(row.id, row.email, name, measured=tracking_on and row.allows_measuring))
            else:
                count.left_out[reason] += 1
        count.candidates += len(rows)
        count.readers += len(found)
        count.measured += sum(reader.measured for reader in found)
        yield found


async def _had_theirs(session: AsyncSession, monthly: Sequence[UUID], *, at: datetime) -> set[UUID]:
    """Who of those who want one a month got an edition within the last weeks."""
    if not monthly:
        return set()
    query = select(Delivery.member_id).where(
        col(Delivery.member_id).in_(monthly),
        Delivery.kind == MessageKind.NEWSLETTER,
        col(Delivery.queued_at) > at - A_MONTH,
        col(Delivery.queued_at) < at,
        col(Delivery.status).not_in(NEVER_WENT),
    )
    return {member_id for member_id in await session.exec(query) if member_id is not None}


async def count_readers(session: AsyncSession, *, tracking_on: bool, goes_at: datetime, zone: ZoneInfo) -> ReaderCount:
    """How many would get an edition that goes at this instant, and who would be left out and why."""
    count = ReaderCount()
    async for _ in readers(session, count, tracking_on=tracking_on, goes_at=goes_at, zone=zone):
        pass
    return count
