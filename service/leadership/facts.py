"""What each group needs to know for its monthly note: counts and organisations, never how much one named person did."""

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import Reply
from service.events.models import Attendance, Event, EventStatus
from service.languages import listed, said, said_of
from service.members.models import JoinRequest, Member, MemberChange, Organisation
from service.members.rules import LeadershipRole, MemberStatus
from service.newsletter.models import ContentItem, Edition
from service.newsletter.rules import ContentKind, EditionStatus
from service.resources.models import Resource
from service.stories.models import Story
from service.stories.queries import stories_with_permission

MONTH = timedelta(days=30)
QUARTER = timedelta(days=91)
SILENT = timedelta(days=90)
NAMED = 3


async def facts_for(session: AsyncSession, role: LeadershipRole, *, now: datetime) -> list[str]:
    """Up to four sentences of the last month for this group."""
    match role:
        case LeadershipRole.AGENDA_ACTIVIST:
            return await _agenda(session)
        case LeadershipRole.COMMUNITY_KEEPER:
            return await _voices(session, now=now)
        case LeadershipRole.CRITICAL_FRIEND:
            return await _feedback(session, now=now)
        case LeadershipRole.SOCIAL_REPORTER:
            return await _moments(session, now=now)
        case LeadershipRole.EXTERNAL_MESSENGER:
            return await _to_tell(session, now=now)
        case LeadershipRole.VALUE_DETECTIVE:
            return await _value(session, now=now)
        case LeadershipRole.ORGANISATIONAL_BROKER:
            return await _organisations(session, now=now)


async def _agenda(session: AsyncSession) -> list[str]:
    topics: Counter[str] = Counter()
    for interests in await session.exec(select(Member.interests).where(Member.status == MemberStatus.SUBSCRIBED)):
        topics.update({interest.casefold() for interest in interests})
    covered: Counter[str] = Counter()
    for those in await session.exec(select(Resource.topics).where(col(Resource.active).is_(True))):
        covered.update({topic.casefold() for topic in those})
    named = [
        said_of(count, "“%(topic)s” (%(count)s member)", "“%(topic)s” (%(count)s members)", topic=topic) for topic, count in _first(topics)
    ]
    missing = [topic for topic, _ in topics.most_common() if not covered[topic]][:NAMED]
    waiting = await _count(session, select(func.count()).select_from(Reply).where(Reply.kind == "reply", col(Reply.answered_at).is_(None)))
    return [
        *([said("What members name most: %(topics)s.", topics=listed(named))] if named else []),
        *([said("Named by members, and nothing in our library yet: %(topics)s.", topics=listed(missing))] if missing else []),
        *([said_of(waiting, "%(count)s reply waits for an answer.", "%(count)s replies wait for an answer.")] if waiting else []),
    ]


async def _voices(session: AsyncSession, *, now: datetime) -> list[str]:
    newcomers = (col(Member.status) == MemberStatus.SUBSCRIBED) & (col(Member.joined_at) > now - MONTH)
    joined = await _count(session, select(func.count()).select_from(Member).where(newcomers))
    # confirming counts as a sign of life: only what came a day later shows that they took part
    spoke = (
        select(Reply.member_id)
        .where(Reply.kind == "reply")
        .union(select(Attendance.member_id).where(col(Attendance.attended_at).is_not(None)))
    )
    heard = await _count(session, select(func.count()).select_from(Member).where(newcomers, col(Member.id).in_(spoke)))
    quiet = (
        await session.exec(
            select(Organisation.name, func.count(), func.max(col(Member.last_active_at)))
            .join(Member, col(Member.organisation_id) == col(Organisation.id))
            .where(Member.status == MemberStatus.SUBSCRIBED)
            .group_by(col(Organisation.id), col(Organisation.name))
            .having(func.count() >= 2, func.coalesce(func.max(col(Member.last_active_at)), now - 2 * SILENT) < now - SILENT)
            .order_by(func.count().desc(), col(Organisation.name))
            .limit(NAMED)
        )
    ).all()
    seen = func.coalesce(col(Member.last_active_at), col(Member.joined_at), col(Member.created_at))
    silent = await _count(
        session, select(func.count()).select_from(Member).where(Member.status == MemberStatus.SUBSCRIBED, seen < now - SILENT)
    )
    return [
        said_of(
            joined,
            "%(count)s person joined in the last month; %(heard)s of them have written or come to a meeting.",
            "%(count)s people joined in the last month; %(heard)s of them have written or come to a meeting.",
            heard=heard,
        )
        if joined
        else said("Nobody joined in the last month."),
        *(
            [said_of(silent, "Not heard of for three months: %(count)s member.", "Not heard of for three months: %(count)s members.")]
            if silent
            else []
        ),
        *([said("Nobody from %(places)s has taken part for three months.", places=listed([name for name, *_ in quiet]))] if quiet else []),
    ]


async def _feedback(session: AsyncSession, *, now: datetime) -> list[str]:
    replies = await _count(session, select(func.count()).select_from(Reply).where(Reply.kind == "reply", Reply.at > now - MONTH))
    waits = await _count(
        session,
        select(func.count()).select_from(Reply).where(Reply.kind == "reply", Reply.at > now - MONTH, col(Reply.answered_at).is_(None)),
    )
    left = await _count(
        session,
        select(func.count())
        .select_from(MemberChange)
        .where(MemberChange.status == MemberStatus.UNSUBSCRIBED, MemberChange.at > now - MONTH),
    )
    return [
        said_of(
            replies,
            "Members wrote back %(count)s time in the last month; %(waits)s of these wait for an answer.",
            "Members wrote back %(count)s times in the last month; %(waits)s of these wait for an answer.",
            waits=waits,
        ),
        said_of(left, "%(count)s person left in the last month.", "%(count)s people left in the last month."),
        *await _turnout(session, now=now),
    ]


async def _turnout(session: AsyncSession, *, now: datetime) -> list[str]:
    query = (
        select(Event.title, func.count(col(Attendance.id)))
        .join(Attendance, (col(Attendance.event_id) == col(Event.id)) & col(Attendance.attended_at).is_not(None), isouter=True)
        .where(Event.status == EventStatus.PLANNED, Event.ends_at < now, Event.ends_at > now - MONTH)
        .group_by(col(Event.id), col(Event.title), col(Event.ends_at))
        .order_by(col(Event.ends_at).desc())
        .limit(NAMED)
    )
    return [
        said_of(count, "%(count)s person came to “%(title)s”.", "%(count)s people came to “%(title)s”.", title=title)
        for title, count in await session.exec(query)
        if count
    ]


async def _moments(session: AsyncSession, *, now: datetime) -> list[str]:
    told = await _count(session, select(func.count()).select_from(Story).where(Story.created_at > now - MONTH, Story.text != ""))
    talked = await session.exec(
        select(ContentItem.title)
        .where(ContentItem.kind == ContentKind.DISCUSSION, ContentItem.updated_at > now - MONTH)
        .order_by(col(ContentItem.updated_at).desc())
        .limit(NAMED)
    )
    titles = [f"“{title}”" for title in talked]
    return [
        *await _turnout(session, now=now),
        *([said("What we talked about: %(titles)s.", titles=listed(titles))] if titles else []),
        said_of(told, "%(count)s story was told in the last month.", "%(count)s stories were told in the last month.")
        if told
        else said("No story was told in the last month."),
    ]


async def _to_tell(session: AsyncSession, *, now: datetime) -> list[str]:
    stories = await stories_with_permission(session, now - QUARTER, now)
    edition = (
        await session.exec(
            select(Edition.subject).where(Edition.status == EditionStatus.SENT).order_by(col(Edition.sent_at).desc()).limit(1)
        )
    ).first()
    people = await _count(session, select(func.count()).select_from(Member).where(Member.status == MemberStatus.SUBSCRIBED))
    return [
        said_of(people, "We are %(count)s person now.", "We are %(count)s people now."),
        *([said("The last newsletter: “%(subject)s”.", subject=edition)] if edition else []),
        *[said("May be told outside: “%(story)s”", story=" ".join((s.title or s.text).split())[:120]) for s in stories[-NAMED:]],
    ]


async def _value(session: AsyncSession, *, now: datetime) -> list[str]:
    told = await _count(session, select(func.count()).select_from(Story).where(Story.created_at > now - QUARTER, Story.text != ""))
    shareable = await stories_with_permission(session, now - QUARTER, now)
    changed = [" ".join(story.what_changed.split())[:120] for story in shareable if story.what_changed][-NAMED:]
    return [
        said_of(
            told,
            "%(count)s story was told in the last three months; %(shown)s may be shown.",
            "%(count)s stories were told in the last three months; %(shown)s may be shown.",
            shown=len(shareable),
        )
        if told
        else said("No story was told in the last three months."),
        *[said("What changed: “%(words)s”", words=text) for text in changed],
        *await _turnout(session, now=now),
    ][: 1 + NAMED]


async def _organisations(session: AsyncSession, *, now: datetime) -> list[str]:
    here = (col(Member.status) == MemberStatus.SUBSCRIBED) & col(Member.organisation_id).is_not(None)
    biggest = (
        await session.exec(
            select(Organisation.name, func.count())
            .join(Member, col(Member.organisation_id) == col(Organisation.id))
            .where(here)
            .group_by(col(Organisation.id), col(Organisation.name))
            .order_by(func.count().desc(), col(Organisation.name))
            .limit(NAMED)
        )
    ).all()
    total = await _count(session, select(func.count(func.distinct(col(Member.organisation_id)))).where(here))
    first = (
        select(Organisation.name, func.min(col(Member.joined_at)).label("first"))
        .join(Member, col(Member.organisation_id) == col(Organisation.id))
        .where(here)
        .group_by(col(Organisation.id), col(Organisation.name))
        .subquery()
    )
    new = (await session.exec(select(first.c.name).where(first.c.first > now - MONTH).order_by(first.c.name).limit(NAMED))).all()
    asked = await _count(session, select(func.count()).select_from(JoinRequest).where(JoinRequest.created_at > now - MONTH))
    return [
        said_of(total, "Our members come from %(count)s organisation.", "Our members come from %(count)s organisations."),
        *([said("Most are from %(places)s.", places=listed([f"{name} ({count})" for name, count in biggest]))] if biggest else []),
        *([said("New among us this month: %(places)s.", places=listed(list(new)))] if new else []),
        *(
            [said_of(asked, "%(count)s person asked to join in the last month.", "%(count)s people asked to join in the last month.")]
            if asked
            else []
        ),
    ]


async def _count(session: AsyncSession, query: object) -> int:
    return int((await session.exec(query)).one())  # type: ignore[call-overload]


def _first(counted: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda found: (-found[1], found[0]))[:NAMED]
