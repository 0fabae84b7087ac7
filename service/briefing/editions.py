"""The newsletter's part of the week: what worked, what the next edition has and lacks, its announcement, and its going out."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import col, select

from service.briefing.rules import Line, newsletter_day_on_or_after
from service.briefing.scene import Scene, many, quoted
from service.measures.activity import WEEKDAYS, Activity, activity
from service.newsletter.editions import content_findings, items_of
from service.newsletter.figures import Report, report_of
from service.newsletter.hints import Level
from service.newsletter.models import ContentItem, Edition
from service.newsletter.rules import GOES_BY_ITSELF, WAITING, ContentKind, ContentStatus, EditionStatus

ANALYTICS_MINUTES, FINDING_MINUTES, FILL_MINUTES, ANNOUNCE_MINUTES, APPROVE_MINUTES = 3, 5, 10, 10, 10
TOP_LINKS = 3
ENOUGH_ITEMS = 3


async def next_edition(scene: Scene, *, after: datetime | None = None) -> Edition | None:
    """The edition that goes next from the day on, whatever its state; None when there is none yet."""
    query = select(Edition).where(
        col(Edition.status).in_([*WAITING, EditionStatus.SENDING, EditionStatus.SENT]),
        col(Edition.scheduled_for) >= (after or scene.day_start),
    )
    return (await scene.session.exec(query.order_by(col(Edition.scheduled_for), col(Edition.number)).limit(1))).first()


async def analytics(scene: Scene) -> list[Line]:
    """When members are active, how the last edition did against the usual, and what they followed. To know, not to tick."""
    lines = []
    found = await activity(scene.session, scene.parts.settings.zone, now=scene.now)
    if found.best is not None:
        lines.append(Line("analytics:slot", _slot_words(found), ANALYTICS_MINUTES, detail=_slot_advice(scene, found), info=True, rank=1))
    query = select(Edition).where(Edition.status == EditionStatus.SENT, col(Edition.sent_at) < scene.day_end)
    edition = (await scene.session.exec(query.order_by(col(Edition.sent_at).desc()).limit(1))).first()
    if edition is not None:
        report = await report_of(scene.session, edition, zone=scene.parts.settings.zone)
        lines.append(
            Line(
                "analytics:edition",
                f"Edition {edition.number}, {quoted(edition.subject)}: {_figures(report)}",
                ANALYTICS_MINUTES,
                detail=_usual(report),
                info=True,
                rank=0,
            )
        )
        links = await _links(scene, report)
        if links:
            lines.append(Line("analytics:links", f"Where they went: {links}", ANALYTICS_MINUTES, info=True, rank=2))
    return lines


def _slot_words(found: Activity) -> str:
    best = found.best
    if best is None:
        raise ValueError("no activity")
    return (
        f"Members are most active on {best.weekday.capitalize()} at {best.hour:02d}:00 ({best.share_pct:.0f} % of all activity in 90 days)"
    )


def _slot_advice(scene: Scene, found: Activity) -> str:
    settings, best = scene.parts.settings, found.best
    goes = (settings.newsletter_weekday, settings.newsletter_time.hour)
    at = f"{settings.newsletter_weekday.capitalize()} {settings.newsletter_time:%H:%M}"
    if best is None or (best.weekday, best.hour) == goes:
        return f"The newsletter goes then: {at}."
    share = found.matrix[WEEKDAYS.index(goes[0])][goes[1]] * 100 / found.total
    return f"The newsletter goes {at}, an hour with {share:.0f} %."


def _figures(report: Report) -> str:
    figures = report.figures
    opened, clicked = figures.opened_rate, figures.clicked_rate
    parts = [
        many(figures.delivered, "reader"),
        f"{opened:.0%} opened" if opened is not None else "",
        f"{clicked:.0%} followed a link" if clicked is not None else "",
        many(figures.replied, "reply", "replies"),
        f"{figures.unsubscribed} left" if figures.unsubscribed else "",
    ]
    return ", ".join(part for part in parts if part) + "."


def _usual(report: Report) -> str:
    usual = report.usual
    if not usual.editions or usual.opened_rate is None or usual.clicked_rate is None:
        return ""
    return f"Usual, by the last {usual.editions}: {usual.opened_rate:.0%} opened, {usual.clicked_rate:.0%} followed a link."


async def _links(scene: Scene, report: Report) -> str:
    top = report.links[:TOP_LINKS]
    rows = await scene.session.exec(select(ContentItem.url, ContentItem.title).where(col(ContentItem.url).in_([link.url for link in top])))
    titles = dict(rows.all())
    return "; ".join(f"{titles.get(link.url, link.url)} ({many(link.people, 'person', 'people')})" for link in top)


async def content(scene: Scene) -> list[Line]:
    """What the next edition has and lacks; done when it has a lead, enough items and nothing that stops it."""
    edition = await next_edition(scene)
    if edition is None:
        return []
    items = await items_of(scene.session, edition)
    lacks = [f.detail for f in content_findings(edition, items) if f.level is Level.ERROR]
    main = [item for item in items if item.kind != ContentKind.ANNOUNCEMENT]
    has = f"Edition {edition.number} ({scene.when(edition.scheduled_for)})" if edition.scheduled_for else f"Edition {edition.number}"
    named = f"{has}."
    has = f"{has} has {many(len(main), 'item')}" if main else f"{has} is empty so far"
    if not lacks and len(main) >= ENOUGH_ITEMS:
        return [Line(f"content:{edition.id}", f"{has} and all it needs", done_at=edition.updated_at)]
    waiting = await _accepted(scene, edition)
    lines = [
        Line(
            f"content:{edition.id}:{place}",
            detail,
            FINDING_MINUTES,
            detail=named,
            action="Look at the edition",
            task=f"edition:{edition.id}",
            rank=1,
        )
        for place, detail in enumerate(lacks)
        if main or "nothing in it" not in detail
    ]
    if len(main) < ENOUGH_ITEMS:
        told = (
            f"{many(waiting, 'accepted item waits', 'accepted items wait')} to be used." if waiting else "No accepted item waits: add one."
        )
        propose = Line(f"content:{edition.id}:items", has, FILL_MINUTES, told, "Let Kindling propose", f"propose:{edition.id}", rank=0)
        add = replace(propose, action="Add an item", task="", url=scene.parts.links.page("/console/content/new"))
        lines.insert(0, propose if waiting else add)
    return lines


async def _accepted(scene: Scene, edition: Edition) -> int:
    rows = await scene.session.exec(select(ContentItem.id).where(ContentItem.status == ContentStatus.ACCEPTED).limit(100))
    return len([item_id for item_id in rows if str(item_id) not in edition.item_ids])


async def announcement(scene: Scene) -> list[Line]:
    """The announcement of the next edition; done when there is one."""
    edition = await next_edition(scene)
    if edition is None:
        return []
    notices = [item for item in await items_of(scene.session, edition) if item.kind == ContentKind.ANNOUNCEMENT]
    if notices:
        first = min(notices, key=lambda item: item.created_at)
        return [Line(f"announcement:{edition.id}", f"Edition {edition.number} announces {quoted(first.title)}", done_at=edition.updated_at)]
    if edition.status != EditionStatus.DRAFT:
        return []
    return [
        Line(
            f"announcement:{edition.id}",
            f"Edition {edition.number} has no announcement",
            ANNOUNCE_MINUTES,
            detail="Highlight an event or a piece of content; the last one again is fine.",
            action="Write it",
            task=f"announce:{edition.id}",
        )
    ]


async def newsletter(scene: Scene) -> list[Line]:
    """The edition of the coming newsletter day: its approval, and what became of it."""
    weekday = WEEKDAYS.index(scene.parts.settings.newsletter_weekday)
    goes_on = newsletter_day_on_or_after(scene.day, weekday)
    edition = await next_edition(scene)
    if edition is None or edition.scheduled_for is None or scene.local_day(edition.scheduled_for) > goes_on + timedelta(days=1):
        return []
    key, name = f"newsletter:{edition.id}", f"Edition {edition.number}"
    if edition.sent_at is not None:
        return [Line(key, f"{name} went out: {quoted(edition.subject)}", done_at=edition.sent_at)]
    if edition.status in GOES_BY_ITSELF or edition.status == EditionStatus.SENDING:
        return [
            Line(key, f"{name} is approved and goes {scene.when(edition.scheduled_for)}", done_at=edition.approved_at or edition.updated_at)
        ]
    lacks = [f.detail for f in content_findings(edition, await items_of(scene.session, edition)) if f.level is Level.ERROR]
    lead = next((i for i in await items_of(scene.session, edition) if str(i.id) == edition.lead_item_id), None)
    lines = [
        Line(f"{key}:{place}", detail, FINDING_MINUTES, action="Look at the edition", task=f"edition:{edition.id}")
        for place, detail in enumerate(lacks)
    ]
    approve = Line(
        key,
        f"{name} goes {scene.when(edition.scheduled_for)}, once you approve it",
        APPROVE_MINUTES,
        detail=f"It leads with {quoted(lead.title)}." if lead else "",
        action="Read and approve it",
        task=f"edition:{edition.id}",
        rank=1,
    )
    return [*lines, approve]
