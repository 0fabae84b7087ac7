"""Members as a CSV that a spreadsheet can open safely and that can be imported again."""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from sqlmodel import col, select

from service.db import Database
from service.members.models import Member, Organisation
from service.members.rules import MemberStatus
from service.members.transfer_cells import guarded
from service.members.transfer_columns import EXPORTED

PAGE = 1_000


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """Rows as CSV text; a cell that a spreadsheet would run as a formula gets an apostrophe."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([guarded(cell) for cell in row] for row in rows)
    return out.getvalue()


async def export_members(database: Database) -> AsyncIterator[str]:
    """Everybody but those who were erased, oldest first, as pieces of a CSV. Holds no transaction between the pieces."""
    yield "\ufeff" + csv_text([EXPORTED])
    query = select(Member, Organisation.name).join(Organisation, col(Organisation.id) == Member.organisation_id, isouter=True)
    query = query.where(Member.status != MemberStatus.ERASED).order_by(col(Member.id)).limit(PAGE)
    page = query
    while True:
        async with database.reading() as session:
            found = (await session.exec(page)).all()
        if not found:
            return
        yield csv_text(_cells(member, name or "") for member, name in found)
        page = query.where(Member.id > found[-1][0].id)


def _cells(member: Member, organisation: str) -> list[str]:
    values = {**member.model_dump(include=set(EXPORTED)), "organisation": organisation}
    return [_cell(values[name]) for name in EXPORTED]


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ";".join(str(entry) for entry in value)
    return "" if value is None else str(value)
