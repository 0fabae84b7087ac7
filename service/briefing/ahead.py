"""Thursday's events, Friday's collected content, and the plan for next week, filled in as far as it can be."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from service.briefing.editions import content, next_edition
from service.briefing.rules import DAY, Line, monday_of, week_name
from service.briefing.scene import MANY_QUIET, Scene, many, name_of, quoted
from service.events.models import Attendance, Event, EventStatus
from service.leadership.rules import GROUPS, agenda_prompt
from service.leadership.terms import gaps_now, holders
from service.messages.bank_holidays import is_bank_holiday
from service.newsletter.models import ContentItem
from service.newsletter.rules import ContentStatus, EditionStatus
from service.newsletter.words import item_text
from service.topmembers.actions import top_members

PREPARE_MINUTES, LIST_MINUTES, PLAN_EVENT_MINUTES, LOOK_MINUTES, PLAN_MINUTES = 6, 4, 10, 2, 4
AHEAD = timedelta(days=21)
BEHIND = timedelta(days=14)
LOOK_FOR_ONE = timedelta(days=28)
COLLECTED = 20


async def events(scene: Scene) -> list[Line]:
    """Events to prepare, lists of who came that are missing, and none planned at all; lists kept this week are done."""
    query = select(Event).where(
        Event.status == EventStatus.PLANNED, Event.starts_at > scene.day_start - BEHIND, Event.starts_at < scene.day_start + LOOK_FOR_ONE
    )
    rows = (await scene.session.exec(query.order_by(col(Event.starts_at), col(Event.id)))).all()
    people = await _people(scene, [event.id for event in rows])
    today = scene.day
    _, prompt = agenda_prompt(today, list(await holders(scene.session, today=today)))
    lines = []
    for event in rows:
        registered, attended = people.get(event.id, (0, 0))
        page = scene.parts.links.page(f"/console/events/{event.id}")
        if event.starts_at > scene.now and event.starts_at < scene.now + AHEAD:
            lines.append(_to_prepare(scene, event, registered, prompt=prompt, page=page))
        elif event.ends_at <= scene.now and attended:
            if event.updated_at >= scene.week_start or event.ends_at >= scene.week_start:
                lines.append(
                    Line(f"event:{event.id}:list", f"{attended} came to {event.title}", done_at=max(event.ends_at, scene.week_start))
                )
        elif event.ends_at <= scene.now:
            text = f"Who came to {event.title} {scene.ago(event.starts_at)}?"
            detail = "The attendance report of Teams or Zoom will do as it is."
            lines.append(Line(f"event:{event.id}:list", text, LIST_MINUTES, detail=detail, action="Put the list in", url=page, rank=0))
    if not any(event.starts_at > scene.now for event in rows):
        new = scene.parts.links.page("/console/events/new")
        told = f"A question to build one around: {prompt}"
        lines.append(
            Line(
                f"event:none:{week_name(today)}",
                "No event is planned in the next four weeks",
                PLAN_EVENT_MINUTES,
                told,
                "Plan one",
                url=new,
                rank=1,
            )
        )
    return lines


def _to_prepare(scene: Scene, event: Event, registered: int, *, prompt: str, page: str) -> Line:
    lacks = [word for word, given in (("a place or link", event.venue or event.url), ("a description", event.description)) if not given]
    known = f"{many(registered, 'person', 'people')} registered." if registered else ""
    missing = f"It lacks {' and '.join(lacks)}." if lacks else ""
    return Line(
        key=f"event:{event.id}:prepare",
        text=f"{event.title}, {scene.when(event.starts_at)}",
        minutes=PREPARE_MINUTES,
        detail=" ".join(part for part in (known, missing, f"To open with: {prompt}") if part),
        action="Prepare it",
        url=page,
        rank=2 if not lacks else 1,
        info=not lacks,
    )


async def _people(scene: Scene, event_ids: Sequence[UUID]) -> Mapping[UUID, tuple[int, int]]:
    """Registered and attended, by event."""
    query = (
        select(Attendance.event_id, func.count(col(Attendance.registered_at)), func.count(col(Attendance.attended_at)))
        .where(col(Attendance.event_id).in_(list(event_ids)))
        .group_by(col(Attendance.event_id))
    )
    return {event_id: (registered, attended) for event_id, registered, attended in (await scene.session.exec(query)).all()}


async def collected(scene: Scene) -> list[Line]:
    """What feeds and people brought, newest first; what was taken or dropped this week is done."""
    waiting = select(ContentItem).where(ContentItem.status == ContentStatus.COLLECTED)
    rows = (await scene.session.exec(waiting.order_by(col(ContentItem.created_at).desc(), col(ContentItem.id)).limit(COLLECTED))).all()
    lines = [
        Line(
            key=f"content_item:{item.id}",
            text=item.title,
            detail=" ".join(part for part in (f"From {item.source}." if item.source else "", quoted(item_text(item))) if part),
            minutes=LOOK_MINUTES,
            action="Take it or drop it",
            task=f"item:{item.id}",
            rank=place,
        )
        for place, item in enumerate(rows)
    ]
    settled = select(ContentItem).where(
        col(ContentItem.status).in_([ContentStatus.ACCEPTED, ContentStatus.DROPPED]),
        col(ContentItem.feed_id).is_not(None),
        ContentItem.updated_at >= scene.week_start,
        ContentItem.updated_at < scene.week_end,
    )
    for item in await scene.session.exec(settled.order_by(col(ContentItem.updated_at)).limit(50)):
        taken = "taken" if item.status == ContentStatus.ACCEPTED else "dropped"
        lines.append(Line(f"content_item:{item.id}", f"{item.title}: {taken}", done_at=item.updated_at))
    return lines


async def plan(scene: Scene) -> list[Line]:
    """Next week, filled in: days off, events, what the edition needs, a question to start, whom to contact, and empty groups."""
    monday = monday_of(scene.day) + timedelta(days=7)
    off = [f"{day:%A}" for day in (monday + place * DAY for place in range(5)) if is_bank_holiday(day)]
    lines = [Line("plan:off", f"Next week {' and '.join(off)} is a bank holiday", 0, info=True, rank=-1)] if off else []
    lines += await _next_events(scene)
    edition = await next_edition(scene, after=scene.start_of(monday))
    if edition is not None:
        ahead = Scene(scene.session, scene.parts, scene.now, scene.today, monday)
        lines += await content(ahead)
        if not edition.question and edition.status == EditionStatus.DRAFT:
            _, prompt = agenda_prompt(monday, list(await holders(scene.session, today=scene.day)))
            text, detail = f"Edition {edition.number} starts no discussion yet", f"It could ask: {prompt}"
            lines.append(
                Line(f"plan:question:{edition.id}", text, PLAN_MINUTES, detail, "Put a question in", f"question:{edition.id}", rank=2)
            )
        elif edition.question:
            asks = f"Edition {edition.number} asks {quoted(edition.question)}"
            lines.append(Line(f"plan:question:{edition.id}", asks, done_at=edition.updated_at))
    lines.append(await _whom(scene))
    for gap in (await gaps_now(scene.session, await holders(scene.session, today=scene.day), today=scene.day))[:1]:
        members, one = scene.parts.links.page("/console/members"), GROUPS[gap.role].one
        told = f"What one does: {GROUPS[gap.role].purpose}."
        lines.append(
            Line(f"plan:gap:{gap.role}", gap.text, PLAN_MINUTES, told, f"Find a{'n' if one[0] in 'aeo' else ''} {one}", url=members, rank=4)
        )
    return lines


async def _next_events(scene: Scene) -> list[Line]:
    start = scene.start_of(monday_of(scene.day) + timedelta(days=7))
    query = select(Event).where(Event.status == EventStatus.PLANNED, Event.starts_at >= start, Event.starts_at < start + timedelta(days=7))
    rows = (await scene.session.exec(query.order_by(col(Event.starts_at)))).all()
    if not rows:
        return [Line(f"plan:events:{week_name(scene.day)}", "No event next week", PLAN_MINUTES, info=True, rank=0)]
    return [
        Line(f"plan:event:{event.id}", f"{event.title}, {scene.when(event.starts_at)}", PLAN_MINUTES, info=True, rank=0) for event in rows
    ]


async def _whom(scene: Scene) -> Line:
    """Whom Tuesday will be about."""
    found = [name_of(top.member) for top in await top_members(scene.session, now=scene.now, limit=3)]
    due = await scene.quiet_members()
    ask = f"To ask: {', '.join(found)}." if found else "Nobody to ask for now."
    count = f"{MANY_QUIET} members or more have" if len(due) >= MANY_QUIET else many(len(due), "member has", "members have")
    quiet = f"{count} not returned for a while." if due else "Nobody has drifted away."
    return Line(f"plan:whom:{week_name(scene.day)}", f"Tuesday's people. {ask} {quiet}", PLAN_MINUTES, info=True, rank=3)
