"""The past: who was on the mailing list at an instant, and what happened to one member."""

from datetime import datetime
from uuid import UUID

import sqlalchemy
from sqlalchemy import Subquery, delete, func, insert, text, union_all
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import is_sqlite
from service.members.models import ConsentRecord, JoinRequest, Member, MemberChange, MemberStanding, Organisation
from service.members.rules import MemberStatus
from service.members.shapes import HistoryEntry


async def list_at(session: AsyncSession, at: datetime) -> tuple[int, int]:
    """How many members were subscribed right after everything that happened up to and including `at`, and how many distinct organisations
    they belonged to; organisations merged since count as one.

    For "the last instant of a quarter" give the microsecond before its end. Source: domain note, 'people on mailing list',
    'organisations on mailing list'.
    """
    by_organisation = _on_list_by_organisation(at)
    one = func.coalesce(col(Organisation.merged_into_id), col(Organisation.id))
    query = select(func.coalesce(func.sum(by_organisation.c.people), 0), func.count(func.distinct(one))).select_from(
        by_organisation.outerjoin(Organisation, col(Organisation.id) == by_organisation.c.organisation_id)
    )
    people, organisations = (await session.exec(query)).one()
    return int(people), organisations


def _on_list_by_organisation(at: datetime) -> Subquery:
    """Rows of (organisation or none, people). Whoever has not changed since stands as they stand today, which one index tells; only the
    others' history is gone through.
    """
    people = func.count().label("people")
    today = (
        select(MemberStanding.organisation_id, people)
        .where(MemberStanding.status == MemberStatus.SUBSCRIBED, MemberStanding.at <= at)
        .group_by(col(MemberStanding.organisation_id))
    )
    newest = func.row_number().over(
        partition_by=col(MemberChange.member_id), order_by=(col(MemberChange.at).desc(), col(MemberChange.id).desc())
    )
    changed_since = select(MemberStanding.member_id).where(MemberStanding.at > at)
    ranked = (
        select(MemberChange.status, MemberChange.organisation_id, newest.label("place"))
        .where(col(MemberChange.member_id).in_(changed_since), MemberChange.at <= at)
        .subquery()
    )
    then = select(ranked.c.organisation_id, people).where(ranked.c.place == 1, ranked.c.status == MemberStatus.SUBSCRIBED)
    return union_all(today, then.group_by(ranked.c.organisation_id)).subquery()


async def people_on_list(session: AsyncSession, at: datetime) -> int:
    """The first of `list_at`."""
    return (await list_at(session, at))[0]


async def organisations_on_list(session: AsyncSession, at: datetime) -> int:
    """The second of `list_at`."""
    return (await list_at(session, at))[1]


async def rebuild_standings(session: AsyncSession) -> None:
    """Find each member's newest change anew: after history was brought in past the triggers."""
    newest = func.row_number().over(
        partition_by=col(MemberChange.member_id), order_by=(col(MemberChange.at).desc(), col(MemberChange.id).desc())
    )
    columns = (MemberChange.member_id, MemberChange.at, MemberChange.id, MemberChange.status, MemberChange.organisation_id)
    ranked = sqlalchemy.select(*map(col, columns), newest.label("place")).subquery()
    found = sqlalchemy.select(*list(ranked.c)[:-1]).where(ranked.c.place == 1)
    names = ["member_id", "at", "change_id", "status", "organisation_id"]
    connection = await session.connection()
    if not is_sqlite(session):
        await connection.execute(text("LOCK TABLE member_change IN SHARE MODE"))
    await connection.execute(delete(MemberStanding))
    await connection.execute(insert(MemberStanding).from_select(names, found))


async def member_history(session: AsyncSession, member: Member) -> list[HistoryEntry]:
    """What this feature knows of the member, oldest first: standing, organisation, consents, join requests."""
    entries = [*await _changes(session, member.id), *await _consents(session, member.id), *await _join_requests(session, member.id)]
    return sorted(entries, key=lambda entry: entry.at)


async def _changes(session: AsyncSession, member_id: UUID) -> list[HistoryEntry]:
    query = (
        select(MemberChange, Organisation.name)
        .join(Organisation, col(Organisation.id) == MemberChange.organisation_id, isouter=True)
        .where(MemberChange.member_id == member_id)
        .order_by(col(MemberChange.at), col(MemberChange.id))
    )
    entries: list[HistoryEntry] = []
    status, organisation = "", ""
    for change, name in await session.exec(query):
        details: dict[str, str | bool | None] = {
            "status": change.status,
            "organisation": name,
            "source": change.source,
            "reason": change.reason,
        }
        if change.status != status:
            entries.append(HistoryEntry(at=change.at, kind="standing", text=f"became {change.status}", details=details))
        if (name or "") != organisation:
            entries.append(HistoryEntry(at=change.at, kind="organisation", text=f"belongs to {name or 'no organisation'}", details=details))
        status, organisation = change.status, name or ""
    return entries


async def _consents(session: AsyncSession, member_id: UUID) -> list[HistoryEntry]:
    rows = await session.exec(select(ConsentRecord).where(ConsentRecord.member_id == member_id))
    return [
        HistoryEntry(
            at=row.at,
            kind="consent",
            text=f"{'agreed' if row.given else 'no longer agrees'} to {row.purpose}",
            details={"purpose": row.purpose, "given": row.given, "source": row.source, "ip": row.ip, "text_version": row.text_version},
        )
        for row in rows
    ]


async def _join_requests(session: AsyncSession, member_id: UUID) -> list[HistoryEntry]:
    entries: list[HistoryEntry] = []
    for row in await session.exec(select(JoinRequest).where(JoinRequest.member_id == member_id)):
        steps = ((row.created_at, "asked to join"), (row.confirmed_at, "confirmed"), (row.decided_at, f"request {row.status}"))
        entries.extend(
            HistoryEntry(at=at, kind="join_request", text=text, details={"join_request_id": str(row.id), "decided_by": row.decided_by})
            for at, text in steps
            if at is not None
        )
    return entries
