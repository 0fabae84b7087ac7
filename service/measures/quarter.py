"""The measures of a quarter, month or range put together. Closed quarters are answered by `closing.py`."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import InvalidInput, NotFound
from service.measures.counts import ListSize
from service.measures.figures import email_counts, event_counts, list_size
from service.measures.links import top_links
from service.measures.models import QuarterSnapshot
from service.measures.quarters import Month, Period, Quarter, Span, parse_span, quarter_of
from service.measures.shapes import EmailFigures, EventFigures, Figures, ListFigures
from service.measures.windows import Window, last_instant


@dataclass(frozen=True, slots=True)
class Frame:
    """What the figures depend on besides the data: the community's time zone and the address of its public pages."""

    zone: ZoneInfo
    own_pages: str


def read_span(text: str, frame: Frame, *, now: datetime) -> Quarter | Month | Period:
    """A quarter (`2026-Q3`), month (`2026-07`) or range (`2026-07-01..2026-08-15`) that has begun.

    Raises InvalidInput for what is none of these, NotFound for one that lies ahead.
    """
    try:
        span = parse_span(text)
        start, _ = span.bounds(frame.zone)
    except ValueError as error:
        raise InvalidInput.field("quarter", str(error)) from error
    if start > now:
        raise NotFound(f"{span} has not begun yet.")
    return span


def running_quarter(frame: Frame, *, now: datetime) -> Quarter:
    """The quarter that runs now where the community lives."""
    return quarter_of(now, frame.zone)


async def figures_of(session: AsyncSession, span: Span, frame: Frame, *, now: datetime) -> Figures:
    """The measures as the data stand `now`, whether the quarter is closed or not."""
    window = Window.of(span, frame.zone)
    kinds = await email_counts(session, window)
    links = await top_links(session, window, own_pages=frame.own_pages)
    return Figures(
        quarter=str(span) if isinstance(span, Quarter) else None,
        period=None if isinstance(span, Quarter) else str(span),
        label=span.label,
        first_day=span.first_day,
        last_day=span.last_day,
        closed=False,
        as_of=now.replace(microsecond=0),
        events=EventFigures.of(await event_counts(session, window.until(now))),
        mailing_list=ListFigures.of(
            await list_size(session, last_instant(window, now)), await _size_before(session, span.previous(), frame, now=now)
        ),
        email=EmailFigures.of_kinds(kinds, links),
    )


async def _size_before(session: AsyncSession, span: Span, frame: Frame, *, now: datetime) -> ListSize:
    """The list at the end of the period before: as it was reported, where that quarter is closed."""
    snapshot = await session.get(QuarterSnapshot, str(span)) if isinstance(span, Quarter) else None
    if snapshot is not None:
        reported = Figures.model_validate(snapshot.figures).mailing_list
        return ListSize(reported.people, reported.organisations)
    return await list_size(session, last_instant(Window.of(span, frame.zone), now))
