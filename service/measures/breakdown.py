"""The measures by organisation and by interest: whose people are on the list, and how they read what they are sent."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.measures.counts import EmailCounts
from service.measures.shapes import GroupFigures
from service.measures.tallies import mail_sums
from service.measures.windows import Window, accepted_in, last_instant
from service.members.models import Member, MemberChange, Organisation
from service.members.rules import MemberStatus
from service.messages.models import Delivery

NOT_GIVEN = "(not given)"


class Grouping(StrEnum):
    """What the members are grouped by."""

    ORGANISATION = "organisation"
    INTEREST = "interest"


Groups = Mapping[UUID, tuple[tuple[str | None, str], ...]]
"""Of each member: the groups they belong to, as (id, name)."""


async def breakdown(session: AsyncSession, window: Window, by: Grouping, *, now: datetime) -> list[GroupFigures]:
    """The groups with their figures, most people first.

    The organisation is the member's at the end of the window; the interests are today's, and a member with several counts in
    each. Mail to nobody on record (facilitators) is in no group.
    """
    standing = await _standing(session, last_instant(window, now))
    groups = await (_organisations(session, standing) if by is Grouping.ORGANISATION else _interests(session))
    people: dict[tuple[str | None, str], int] = defaultdict(int)
    for member_id, (status, _) in standing.items():
        for group in _of(groups, member_id):
            people[group] += status == MemberStatus.SUBSCRIBED
    mail = await _mail(session, window, groups)
    found = [_figures(group, people.get(group, 0), mail.get(group, EmailCounts())) for group in people.keys() | mail.keys()]
    return sorted((g for g in found if g.people or g.sent), key=lambda g: (-g.people, -g.sent, g.name, g.id or ""))


def _of(groups: Groups, member_id: UUID) -> Iterable[tuple[str | None, str]]:
    return groups.get(member_id) or ((None, NOT_GIVEN),)


def _figures(group: tuple[str | None, str], people: int, mail: EmailCounts) -> GroupFigures:
    return GroupFigures(
        id=group[0],
        name=group[1],
        people=people,
        sent=mail.sent,
        delivered=mail.delivered,
        opened=mail.opened,
        opened_pct=mail.opened_pct,
        clicked=mail.clicked,
        clicked_pct=mail.clicked_pct,
    )


async def _standing(session: AsyncSession, at: datetime) -> dict[UUID, tuple[str, UUID | None]]:
    """Each member's status and organisation right after everything up to and including `at`."""
    query = select(MemberChange.member_id, MemberChange.status, MemberChange.organisation_id).where(MemberChange.at <= at)
    changes = await session.exec(query.order_by(col(MemberChange.at), col(MemberChange.id)))
    return {member_id: (status, organisation_id) for member_id, status, organisation_id in changes}


async def _organisations(session: AsyncSession, standing: Mapping[UUID, tuple[str, UUID | None]]) -> Groups:
    rows = (await session.exec(select(Organisation.id, Organisation.name, Organisation.merged_into_id))).all()
    names = {row[0]: row[1] for row in rows}
    now_is = {row[0]: row[2] or row[0] for row in rows}  # organisations merged since count as one
    return {
        member_id: ((str(now_is[organisation_id]), names[now_is[organisation_id]]),)
        for member_id, (_, organisation_id) in standing.items()
        if organisation_id is not None
    }


async def _interests(session: AsyncSession) -> Groups:
    rows = await session.exec(select(Member.id, Member.interests))
    return {member_id: tuple((name, name) for name in dict.fromkeys(interests)) for member_id, interests in rows}


async def _mail(session: AsyncSession, window: Window, groups: Groups) -> dict[tuple[str | None, str], EmailCounts]:
    query = (
        select(col(Delivery.member_id), *mail_sums())
        .where(accepted_in(window), col(Delivery.member_id).is_not(None))
        .group_by(col(Delivery.member_id))
    )
    found: dict[tuple[str | None, str], EmailCounts] = defaultdict(EmailCounts)
    rows: Sequence[Any] = (await session.exec(query)).all()
    for row in rows:
        for group in _of(groups, row[0]):
            found[group] += EmailCounts(*(int(number) for number in row[1:]))
    return found
