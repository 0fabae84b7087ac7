"""Routes for the report in each of its forms, and for closing a quarter. Mounted before the plain `/measures/{quarter}`."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from service.auth.access import CallerDep
from service.auth.audit import record
from service.deps import NowDep, PartsDep, SessionDep, SettingsDep
from service.errors import InvalidInput
from service.measures.quarter import read_span
from service.measures.quarters import Quarter
from service.measures.shapes import Figures
from service.reports.closing import close_with_report, frame_of, report_for
from service.reports.files import table_of, workbook_of
from service.reports.page import page_of
from service.reports.pdf import pdf_of
from service.reports.shapes import Report

router = APIRouter(tags=["measures"])

PDF = "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _answers(kind: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {kind: {}}}}


async def _report(quarter: str, session: SessionDep, settings: SettingsDep, now: NowDep) -> Report:
    span = read_span(quarter, frame_of(settings), now=now)
    return await report_for(session, span, settings, now=now)


ReportDep = Annotated[Report, Depends(_report)]


def file_of(content: bytes | str, kind: str, report: Report, ending: str) -> Response:
    """The answer that a browser keeps as a file."""
    name = f"report-{report.period}.{ending}"
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/measures/{quarter}/report")
async def report_as_data(report: ReportDep) -> Report:
    """The report as data: headline figures, and each table it shows with the words that go with it."""
    return report


@router.get("/measures/{quarter}/report.csv", response_class=Response, responses=_answers("text/csv"))
async def report_as_csv(report: ReportDep) -> Response:
    """Every figure of the report as a line: section, row, column, value."""
    return file_of(table_of(report), "text/csv", report, "csv")


@router.get("/measures/{quarter}.html", response_class=Response, responses=_answers("text/html"))
async def report_as_page(report: ReportDep) -> Response:
    """The report as one page to read, send and print."""
    return Response(await asyncio.to_thread(page_of, report), media_type="text/html")


@router.get("/measures/{quarter}.pdf", response_class=Response, responses=_answers(PDF))
async def report_as_pdf(report: ReportDep) -> Response:
    """The report as a tagged PDF, A4."""
    return file_of(await asyncio.to_thread(pdf_of, report), PDF, report, "pdf")


@router.get("/measures/{quarter}.xlsx", response_class=Response, responses=_answers(XLSX))
async def report_as_workbook(report: ReportDep) -> Response:
    """Every table of the report as a sheet of a workbook."""
    return file_of(await asyncio.to_thread(workbook_of, report), XLSX, report, "xlsx")


@router.post("/measures/{quarter}/close")
async def close(quarter: str, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> Figures:
    """Freeze a quarter's figures and report; possible from CLOSE_AFTER_DAYS after its end. Closing it again changes nothing.

    Who is named in REPORT_TO gets the report by mail.
    """
    span = read_span(quarter, frame_of(parts.settings), now=now)
    if not isinstance(span, Quarter):
        raise InvalidInput.field("quarter", "only quarters are closed; write it like 2026-Q3")
    snapshot = await close_with_report(session, parts, span, now=now, by=caller.name)
    if snapshot.closed_at == now:
        record(session, actor=caller.name, action="close_quarter", subject_type="quarter", subject_id=str(span), now=now)
    return Figures.model_validate(snapshot.figures)
