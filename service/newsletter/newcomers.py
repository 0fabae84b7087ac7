"""New members who are welcomed in an edition: only who agreed to be named, by first name and organisation, each once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from markupsafe import escape
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.members.models import Member, Organisation
from service.members.rules import MemberStatus
from service.messages.models import Message
from service.newsletter.campaigns import campaigns_of
from service.newsletter.models import Edition

LONGEST_BACK = timedelta(days=28)
"""Whoever joined earlier is no newcomer, even if no edition went since."""
MOST_NAMED = 12
NOBODY_NAMED = "a new member"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """One new member as readers see them; `organisation` may be empty."""

    member_id: UUID
    first_name: str
    organisation: str


async def newcomers_of(session: AsyncSession, edition: Edition, *, now: datetime) -> tuple[Newcomer, ...]:
    """Who joined since the last edition was frozen and agreed to be named, first to join first; at most twelve."""
    named = {UUID(str(one["member_id"])) for past in await _lately(session, edition, now=now) for one in past.newcomers}
    found = await session.exec(
        select(Member, Organisation.name)
        .outerjoin(Organisation, col(Organisation.id) == col(Member.organisation_id))
        .where(
            Member.status == MemberStatus.SUBSCRIBED,
            col(Member.may_be_named).is_(True),
            Member.first_name != "",
            col(Member.joined_at) > now - LONGEST_BACK,
            col(Member.joined_at) <= now,
        )
        .order_by(col(Member.joined_at), col(Member.id))
    )
    fresh = [Newcomer(m.id, m.first_name, organisation or "") for m, organisation in found if m.id not in named]
    return tuple(fresh[:MOST_NAMED])


async def _lately(session: AsyncSession, edition: Edition, *, now: datetime) -> Sequence[Edition]:
    """Editions that may have named somebody who still counts as new."""
    query = select(Edition).where(col(Edition.frozen_at) > now - LONGEST_BACK, Edition.id != edition.id)
    return (await session.exec(query)).all()


async def forget_newcomer(session: AsyncSession, member_id: UUID) -> int:
    """An erased person's name goes from the editions that welcomed them; how many. What was mailed before stays in readers' inboxes."""
    touched = 0
    for edition in await session.exec(select(Edition).where(col(Edition.frozen_at).is_not(None))):
        theirs = next((one for one in edition.newcomers if one["member_id"] == str(member_id)), None)
        if theirs is None:
            continue
        edition.newcomers = [one for one in edition.newcomers if one is not theirs]
        session.add(edition)
        touched += 1
        for campaign in await campaigns_of(session, edition):
            for message_id in (campaign.message_id, *map(UUID, campaign.trial)):
                message = await session.get_one(Message, message_id, with_for_update=True)
                message.html = message.html.replace(_in_html(theirs), NOBODY_NAMED)
                message.text = message.text.replace(_in_text(theirs), NOBODY_NAMED)
                session.add(message)
    return touched


def _in_html(one: dict[str, str]) -> str:
    """The person as `newsletter/body.mjml` writes them."""
    organisation = f" ({escape(one['organisation'])})" if one["organisation"] else ""
    return f"<strong>{escape(one['first_name'])}</strong>{organisation}"


def _in_text(one: dict[str, str]) -> str:
    return one["first_name"] + (f" ({one['organisation']})" if one["organisation"] else "")
