"""Routes for the measures and for activity. The routes with an ending stand before the plain one, which would match them too."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from service.auth.access import CallerDep
from service.auth.audit import record
from service.campaigns.backfill import start_backfill
from service.deps import BAD_CURSOR, NowDep, Page, PageDep, QueueDep, SessionDep, SettingsDep, cursor_at
from service.jobs.models import JobPublic
from service.measures.activity import USUAL_DAYS, Activity, activity
from service.measures.breakdown import Grouping, breakdown
from service.measures.closing import measures_of, quarters_since_start
from service.measures.quarter import Frame, read_span
from service.measures.quarters import Quarter
from service.measures.shapes import Figures, Headline
from service.measures.table import as_csv
from service.measures.windows import Window

router = APIRouter(tags=["measures"])


async def _frame(settings: SettingsDep) -> Frame:
    return Frame(settings.zone, settings.base_url)


FrameDep = Annotated[Frame, Depends(_frame)]
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


@router.get("/measures")
async def list_quarters(session: SessionDep, page: PageDep, frame: FrameDep, now: NowDep) -> Page[Headline]:
    """Every quarter since the first with any history, the running one first, with its headline figures."""
    quarters = await quarters_since_start(session, frame, now=now)
    if page.after is not None:
        try:
            after = Quarter.parse(page.after)
        except ValueError as error:
            raise BAD_CURSOR from error
        quarters = [quarter for quarter in quarters if quarter < after]
    shown = quarters[: page.limit]
    items = [Headline.of(await measures_of(session, quarter, frame, now=now, restated=False)) for quarter in shown]
    more = len(quarters) > len(shown)
    return Page(items=items, next_cursor=cursor_at(str(shown[-1])) if more else None)


class PastCampaigns(BaseModel):
    """From when on."""

    since: date = Field(description="campaigns sent on this day or later, where the community lives")


@router.post("/measures/import", status_code=202)
async def import_past_campaigns(
    body: PastCampaigns, session: SessionDep, queue: QueueDep, settings: SettingsDep, now: NowDep, caller: CallerDep
) -> JobPublic:
    """Read the reports of campaigns that Mailchimp sent before this service was there; `/jobs/{id}` follows it.

    Gives the first quarter one to compare with. Nobody is written to, suppressed or made a member by it. Repeating it reads only what
    is new.
    """
    since = datetime.combine(body.since, time(), settings.zone).astimezone(UTC)
    job = await start_backfill(session, queue, since, now=now)
    record(session, actor=caller.name, action="import_campaigns", subject_type="job", subject_id=job.id, now=now)
    return JobPublic.model_validate(job, from_attributes=True)


@router.get("/measures/range")
async def measures_of_range(
    session: SessionDep,
    frame: FrameDep,
    now: NowDep,
    first: Annotated[date, Query(alias="from", description="the first day")],
    last: Annotated[date, Query(alias="to", description="the last day, included")],
    by: Grouping | None = None,
) -> Figures:
    """The measures of any run of days; the change is against as many days before."""
    return await _figures(session, f"{first}..{last}", frame, now, by)


@router.get("/measures/{quarter}.csv", response_class=Response, responses=_CSV)
async def measures_as_csv(quarter: str, session: SessionDep, frame: FrameDep, now: NowDep) -> Response:
    """Every figure as a row."""
    figures = await _figures(session, quarter, frame, now, None)
    name = f"measures-{figures.quarter or figures.period}.csv"
    return Response(as_csv(figures), media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/measures/{quarter}")
async def show_measures(quarter: str, session: SessionDep, frame: FrameDep, now: NowDep, by: Grouping | None = None) -> Figures:
    """The measures of a quarter (`2026-Q3`), a month (`2026-07`) or a range of days (`2026-07-01..2026-08-15`).

    A closed quarter is answered as it was closed; `restated` then tells what would differ today. `by` adds a breakdown.
    """
    return await _figures(session, quarter, frame, now, by)


@router.get("/activity")
async def show_activity(
    session: SessionDep, settings: SettingsDep, now: NowDep, days: Annotated[int, Query(ge=1, le=366)] = USUAL_DAYS
) -> Activity:
    """When members are active, by weekday and hour where the community lives, over the last `days`; and the best hour."""
    return await activity(session, settings.zone, now=now, days=days)


async def _figures(session: SessionDep, text: str, frame: Frame, now: NowDep, by: Grouping | None) -> Figures:
    span = read_span(text, frame, now=now)
    figures = await measures_of(session, span, frame, now=now)
    if by is None:
        return figures
    return figures.model_copy(update={"breakdown": await breakdown(session, Window.of(span, frame.zone), by, now=now)})
