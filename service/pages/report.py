"""The report of a closed quarter for readers without a key, by the link in their mail."""

import asyncio

from fastapi import APIRouter, Response

from service.deps import NowDep, PartsDep, SessionDep
from service.errors import InvalidInput, NotFound
from service.measures.quarters import Quarter
from service.reports.closing import report_for
from service.reports.page import page_of
from service.reports.pdf import pdf_of
from service.reports.shapes import Report

router = APIRouter(include_in_schema=False)


@router.api_route("/report/{token}.pdf", methods=["GET", "HEAD"])
async def shared_pdf(token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> Response:
    """The same as a PDF."""
    report = await _shared(token, session, parts, now)
    name = f'inline; filename="report-{report.period}.pdf"'
    return Response(await asyncio.to_thread(pdf_of, report), media_type="application/pdf", headers={"Content-Disposition": name})


@router.api_route("/report/{token}", methods=["GET", "HEAD"])
async def shared_page(token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> Response:
    """The report as a page."""
    report = await _shared(token, session, parts, now)
    return Response(await asyncio.to_thread(page_of, report, pdf_address=f"/report/{token}.pdf"), media_type="text/html")


async def _shared(token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> Report:
    try:
        quarter = Quarter.parse(parts.links.quarter_of_report(token))
    except (InvalidInput, ValueError) as error:
        raise NotFound("This link is not complete. Please use the whole link from your email.") from error
    return await report_for(session, quarter, parts.settings, now=now)
