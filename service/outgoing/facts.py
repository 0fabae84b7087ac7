"""What has happened that endpoints want to be told of: read from the rows that say so, so nothing is told that was rolled back and
nothing is missed. Ids and figures only: whoever wants more asks the API with a key.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from service.engagement.models import Reply
from service.measures.models import QuarterSnapshot
from service.members.models import MemberChange
from service.members.rules import MemberStatus
from service.newsletter.models import Edition
from service.outgoing.rules import Happening


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened. `key` names it for good."""

    happening: Happening
    key: str
    at: datetime
    data: dict[str, Any]


async def facts_since(session: AsyncSession, since: datetime, wanted: Sequence[Happening]) -> list[Fact]:
    """Everything of the `wanted` kinds from this instant on, oldest first."""
    found: list[Fact] = []
    if Happening.MEMBER_JOINED in wanted:
        found += _joined((await session.exec(_first_subscriptions(since))).all())
    if Happening.EDITION_SENT in wanted:
        editions = await session.exec(select(Edition).where(col(Edition.sent_at) >= since))
        found += [
            Fact(Happening.EDITION_SENT, f"edition.sent:{e.id}", e.sent_at, {"edition_id": str(e.id), "number": e.number})
            for e in editions
            if e.sent_at is not None
        ]
    if Happening.REPLY_RECEIVED in wanted:
        replies = await session.exec(select(Reply).where(col(Reply.received_at) >= since, Reply.kind == "reply"))
        found += _replies(replies.all())
    if Happening.QUARTER_CLOSED in wanted:
        closed = await session.exec(select(QuarterSnapshot).where(col(QuarterSnapshot.closed_at) >= since))
        found += [Fact(Happening.QUARTER_CLOSED, f"quarter.closed:{q.quarter}", q.closed_at, {"quarter": q.quarter}) for q in closed]
    return sorted(found, key=lambda fact: (fact.at, fact.key))


def _first_subscriptions(since: datetime) -> SelectOfScalar[MemberChange]:
    """Changes to subscribed of people who never were before: a change of organisation or a return is no joining."""
    earlier = aliased(MemberChange)
    before = (
        select(earlier.id)
        .where(earlier.member_id == MemberChange.member_id, earlier.status == MemberStatus.SUBSCRIBED, col(earlier.id) < MemberChange.id)
        .correlate(MemberChange)
    )
    return select(MemberChange).where(col(MemberChange.at) >= since, MemberChange.status == MemberStatus.SUBSCRIBED, ~exists(before))


def _joined(changes: Sequence[MemberChange]) -> Iterator[Fact]:
    for change in changes:
        organisation = str(change.organisation_id) if change.organisation_id else None
        data = {"member_id": str(change.member_id), "organisation_id": organisation}
        yield Fact(Happening.MEMBER_JOINED, f"member.joined:{change.id}", change.at, data)


def _replies(replies: Sequence[Reply]) -> Iterator[Fact]:
    for reply in replies:
        data = {
            "reply_id": str(reply.id),
            "member_id": str(reply.member_id) if reply.member_id else None,
            "delivery_id": str(reply.delivery_id) if reply.delivery_id else None,
        }
        yield Fact(Happening.REPLY_RECEIVED, f"reply.received:{reply.id}", reply.received_at, data)
