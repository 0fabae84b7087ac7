"""The report people get: of a closed quarter as it was that day, else as the data stand. Closing freezes it and tells its readers."""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from service.measures.closing import close_quarter, measures_of, quarters_to_close, snapshot_of
from service.measures.models import QuarterSnapshot
from service.measures.quarter import Frame
from service.measures.quarters import Quarter, Span
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.reports.content import report_of, restated_section, stories_section
from service.reports.gather import gather
from service.reports.shapes import Quote, Report
from service.settings import Settings
from service.stories.actions import teller_of
from service.stories.queries import stories_with_permission

MOST_STORIES = 6
TOLD_WITHIN = timedelta(days=60)
"""Readers hear of a quarter that is closed about when it should be; not of a year of old ones closed at once."""


def frame_of(settings: Settings) -> Frame:
    """What the figures depend on besides the data."""
    return Frame(settings.zone, settings.base_url)


async def report_for(session: AsyncSession, span: Span, settings: Settings, *, now: datetime) -> Report:
    """The report of a span. A closed quarter's is the one frozen that day, with what would be another figure today as a section.

    Stories are always today's: those told in the span whose tellers still allow them to be shared.
    """
    frozen = await snapshot_of(session, span) if isinstance(span, Quarter) else None
    if frozen is None or frozen.report is None:
        report = await _made_now(session, span, settings, now=now)
    else:
        report = Report.model_validate(frozen.report)
        restated = restated_section(await measures_of(session, span, frame_of(settings), now=now))
        report = report.with_section(restated, before="method") if restated else report
    stories = stories_section(await _quotes(session, span, settings))
    return report.with_section(stories, before="groups") if stories else report


async def _quotes(session: AsyncSession, span: Span, settings: Settings) -> list[Quote]:
    found = await stories_with_permission(session, *span.bounds(settings.zone))
    return [Quote(text=story.text, changed=story.what_changed, by=await teller_of(session, story)) for story in found[-MOST_STORIES:]]


async def _made_now(session: AsyncSession, span: Span, settings: Settings, *, now: datetime) -> Report:
    data = await gather(session, span, frame_of(settings), now=now)
    return report_of(data, community=settings.community_name, zone=settings.zone)


async def close_with_report(session: AsyncSession, parts: Parts, quarter: Quarter, *, now: datetime, by: str) -> QuarterSnapshot:
    """Freeze the quarter's figures and report, and queue the mail to its readers; one that is closed already stays as it is.

    Raises Conflict until CLOSE_AFTER_DAYS have passed since its end.
    """
    settings = parts.settings
    known = await snapshot_of(session, quarter)
    if known is not None:
        return known
    snapshot = await close_quarter(session, quarter, frame_of(settings), now=now, by=by, after=timedelta(days=settings.close_after_days))
    if snapshot.report is None:
        report = await _made_now(session, quarter, settings, now=now)
        snapshot.report = report.model_dump(mode="json", by_alias=True)
        session.add(snapshot)
        await session.flush()
        if now - quarter.bounds(settings.zone)[1] <= TOLD_WITHIN:
            await _tell_readers(session, parts, quarter, report, now=now)
    return snapshot


async def _tell_readers(session: AsyncSession, parts: Parts, quarter: Quarter, report: Report, *, now: datetime) -> None:
    for place, address in enumerate(parts.settings.report_readers):
        content = parts.renderer.render(
            MessageKind.QUARTERLY_REPORT,
            {
                "label": report.label,
                "summary": report.summary,
                "tiles": [tile.model_dump() for tile in report.tiles],
                "report_url": parts.links.report(str(quarter)),
                "pdf_url": parts.links.report(str(quarter)) + ".pdf",
            },
        )
        await queue_message(
            session,
            parts,
            key=f"quarterly_report:{quarter}:{place}",
            kind=MessageKind.QUARTERLY_REPORT,
            recipient=Recipient(address, ""),
            content=content,
            now=now,
        )


async def close_due(parts: Parts) -> int:
    """Close every quarter that is due, each in a transaction of its own; how many. A repeat finds nothing to do."""
    now, settings = parts.clock.now(), parts.settings
    async with parts.database.reading() as session:
        due = await quarters_to_close(session, frame_of(settings), now=now, after=timedelta(days=settings.close_after_days))
    for quarter in due:
        async with parts.database.transaction() as session:
            await close_with_report(session, parts, quarter, now=now, by="system")
    return len(due)
