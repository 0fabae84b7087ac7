"""Interest groups: up to four groups of readers for whom the newsletter picks something. Who belongs follows from interests; Mailchimp
knows it by one merge field a group, so that one campaign shows each reader their own part.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from annotated_types import Len
from pydantic import AfterValidator, StringConstraints
from sqlalchemy import update
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict, InvalidInput, NotFound
from service.members.models import InterestGroup, Member
from service.members.rules import MemberStatus
from service.members.shapes import Line60, one_line
from service.providers.merge_fields import GROUP_FIELDS

MOST_GROUPS = len(GROUP_FIELDS)
IS_MEMBER = "yes"
Topics = Annotated[
    list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(one_line)]], Len(1, 20)
]


class InterestGroupCreate(SQLModel):
    """A new group: its name as readers see it, and the interests that make somebody belong to it."""

    name: Line60
    topics: Topics


class InterestGroupUpdate(SQLModel):
    """What may change; absent fields stay."""

    name: Line60 | None = None
    topics: Topics | None = None


class InterestGroupPublic(SQLModel):
    """A group as shown; `merge_field` is what Mailchimp knows it by, `people` how many on the list belong to it."""

    id: UUID
    name: str
    topics: list[str]
    merge_field: str
    people: int
    created_at: datetime


def merge_field_of(group: InterestGroup) -> str:
    """The merge field that is set for the group's people."""
    return GROUP_FIELDS[group.place - 1]


def belongs(group: InterestGroup, topics: Iterable[str]) -> bool:
    """Does somebody with these interests, or something with these topics, belong to the group? Letter case does not matter."""
    wanted = {topic.casefold() for topic in group.topics}
    return any(topic.casefold() in wanted for topic in topics)


def group_fields(groups: Sequence[InterestGroup], interests: Iterable[str]) -> dict[str, str]:
    """The merge fields that tell Mailchimp which groups somebody belongs to; empty when there are no groups."""
    if not groups:
        return {}
    named = list(interests)
    theirs = {merge_field_of(group) for group in groups if belongs(group, named)}
    return {tag: IS_MEMBER if tag in theirs else "" for tag in GROUP_FIELDS}


async def interest_groups(session: AsyncSession) -> Sequence[InterestGroup]:
    """All groups by name."""
    return (await session.exec(select(InterestGroup).order_by(col(InterestGroup.name), col(InterestGroup.id)))).all()


async def shown_groups(session: AsyncSession) -> list[InterestGroupPublic]:
    """All groups with the number of their people on the mailing list."""
    groups = await interest_groups(session)
    counts = dict.fromkeys((group.id for group in groups), 0)
    if groups:
        async for interests in await session.stream_scalars(select(Member.interests).where(Member.status == MemberStatus.SUBSCRIBED)):
            for group in groups:
                counts[group.id] += belongs(group, interests)
    return [InterestGroupPublic(**g.model_dump(), merge_field=merge_field_of(g), people=counts[g.id]) for g in groups]


async def shown_group(session: AsyncSession, group: InterestGroup) -> InterestGroupPublic:
    """One group with the number of its people."""
    return next(shown for shown in await shown_groups(session) if shown.id == group.id)


async def add_group(session: AsyncSession, body: InterestGroupCreate, *, now: datetime) -> InterestGroup:
    """A new group. Raises Conflict when there are four, or one of that name."""
    groups = await interest_groups(session)
    _check_name(groups, body.name)
    free = sorted(set(range(1, MOST_GROUPS + 1)) - {group.place for group in groups})
    if not free:
        raise Conflict(f"There are {MOST_GROUPS} groups already; more would make a mail of many parts. Change or remove one.")
    group = InterestGroup(place=free[0], name=body.name, topics=body.topics, created_at=now)
    session.add(group)
    await session.flush()
    await _tell_mailchimp(session, now=now)
    return group


async def change_group(session: AsyncSession, group_id: UUID, body: InterestGroupUpdate, *, now: datetime) -> InterestGroup:
    """Change what is given. Raises NotFound, Conflict, and InvalidInput for a field set to null."""
    group = await get_group(session, group_id)
    given = body.model_dump(exclude_unset=True)
    for name, value in given.items():
        if value is None:
            raise InvalidInput.field(name, "can't be null; leave it out to keep it")
    if body.name is not None:
        _check_name([other for other in await interest_groups(session) if other.id != group.id], body.name)
    for name, value in given.items():
        setattr(group, name, value)
    session.add(group)
    await session.flush()
    await _tell_mailchimp(session, now=now)
    return group


async def remove_group(session: AsyncSession, group_id: UUID, *, now: datetime) -> None:
    """Forget the group; what was picked for it shows to nobody. Raises NotFound."""
    await session.delete(await get_group(session, group_id))
    await session.flush()
    await _tell_mailchimp(session, now=now)


async def get_group(session: AsyncSession, group_id: UUID) -> InterestGroup:
    """The group. Raises NotFound."""
    group = await session.get(InterestGroup, group_id)
    if group is None:
        raise NotFound("There is no such interest group.")
    return group


def _check_name(groups: Iterable[InterestGroup], name: str) -> None:
    if any(group.name.casefold() == name.casefold() for group in groups):
        raise Conflict("There is a group of this name already.")


async def _tell_mailchimp(session: AsyncSession, *, now: datetime) -> None:
    """Everybody on the list is looked at again; only those whose fields differ are written."""
    everybody = update(Member).where(col(Member.status) == MemberStatus.SUBSCRIBED, col(Member.audience_due_at).is_(None))
    await session.exec(everybody.values(audience_due_at=now).execution_options(synchronize_session=False))
