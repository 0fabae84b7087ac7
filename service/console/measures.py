"""Measures: the quarter with charts, the week by hour, editions side by side, and the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response

from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.frames import framed
from service.console.inside import Json

router = APIRouter(prefix="/measures", route_class=ConsoleRoute)
HERE = "/console/measures"
QUARTERS_SHOWN = 8
EDITIONS_SHOWN = 8
STEPS = 5
"""So many shades the heat map has; the table beneath has the figures."""
Quarter = Annotated[str, Path(pattern=r"^\d{4}-Q[1-4]$")]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart, in its units: `share` of the longest, 0 to 1."""

    label: str
    value: float | None
    shown: str
    share: float


def bars(pairs: Sequence[tuple[str, float | None]], *, unit: str = "") -> list[Bar]:
    """A chart's bars. A value nobody knows is an empty bar that says so."""
    most = max((value for _, value in pairs if value), default=0) or 1
    return [Bar(label, value, "–" if value is None else f"{value:,g}{unit}", max(0.0, (value or 0) / most)) for label, value in pairs]


@router.get("")
async def quarters(desk: DeskDep) -> Response:
    """The running quarter and those before."""
    found = (await desk.api.get("/measures", limit=QUARTERS_SHOWN))["items"]
    earlier_first = found[::-1]
    charts = {
        "People on the list": bars([(q["label"], q["people"]) for q in earlier_first]),
        "Emails sent": bars([(q["label"], q["sent"]) for q in earlier_first]),
        "Opened by people": bars([(q["label"], q["opened_pct"]) for q in earlier_first], unit=" %"),
        "Attendees at events": bars([(q["label"], q["attendees"]) for q in earlier_first]),
    }
    return await desk.page("measures.html", here=HERE, quarters=found, charts=charts)


@router.get("/activity")
async def activity(desk: DeskDep) -> Response:
    """When members are active, by weekday and hour; as a part of another page, the busiest hour."""
    found = await desk.api.get("/activity")
    if desk.is_partial:
        return desk.part("_best_hour.html", activity=found)
    most = max((count for hours in found["matrix"] for count in hours), default=0)
    shades = [[_shade(count, most) for count in hours] for hours in found["matrix"]]
    return await desk.page("activity.html", here=HERE, activity=found, shades=shades)


def _shade(count: int, most: int) -> float:
    """0 for none, else one of a few even steps up to 1."""
    return 0.0 if not count else max(1, round(STEPS * count / most)) / STEPS


@router.get("/editions")
async def editions(desk: DeskDep) -> Response:
    """The last editions side by side."""
    sent = await desk.api.all("/editions", most=EDITIONS_SHOWN, status="sent")
    reports: list[Json] = []
    if sent:
        newest = await desk.api.get(f"/editions/{sent[0]['id']}/report")
        reports = [newest, *newest["earlier"]]
    by_number = {e["number"]: e for e in sent}
    rows = [r | {"edition": by_number.get(r["number"])} for r in reports]
    charts = {
        "Opened by people": bars([(f"Edition {r['number']}", r["opened_pct"]) for r in reversed(reports)], unit=" %"),
        "Followed a link": bars([(f"Edition {r['number']}", r["clicked_pct"]) for r in reversed(reports)], unit=" %"),
    }
    return await desk.page("editions_compared.html", here=HERE, rows=rows, charts=charts if reports else {})


@router.get("/{quarter}")
async def quarter(quarter: Quarter, desk: DeskDep) -> Response:
    """One quarter."""
    found = await desk.api.get(f"/measures/{quarter}")
    mail = found["email"]
    kinds = {name: figures for name, figures in mail["by_kind"].items() if figures["sent"]}
    charts = {"Emails by kind": bars([(name.replace("_", " "), k["sent"]) for name, k in kinds.items()])}
    charts["Opened by people, by kind"] = bars([(name.replace("_", " "), k["opened_pct"]) for name, k in kinds.items()], unit=" %")
    return await desk.page("quarter.html", here=HERE, figures=found, charts=charts if kinds else {})


@router.get("/{quarter}/file.{ending}")
async def as_file(quarter: Quarter, ending: Literal["csv", "pdf", "xlsx"], desk: DeskDep) -> Response:
    """The figures as a table, the report as a PDF or a workbook."""
    answer = await desk.api.call("GET", f"/measures/{quarter}.{ending}")
    kind = answer.headers["content-type"]
    headers = {"Content-Disposition": f'attachment; filename="measures-{quarter}.{ending}"'}
    return Response(answer.content, media_type=kind, headers=headers)


@router.get("/{quarter}/print")
async def to_print(quarter: Quarter, desk: DeskDep) -> Response:
    """A page to read, print and pass on."""
    return framed(await desk.api.text(f"/measures/{quarter}.html"))


@router.post("/{quarter}/close")
async def close(quarter: Quarter, desk: DeskDep, _form: OwnForm) -> Response:
    """Its figures stay as they are now."""
    await desk.api.post(f"/measures/{quarter}/close")
    return desk.to(f"{HERE}/{quarter}", done="closed")
