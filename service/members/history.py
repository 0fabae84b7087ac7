"""The past: who was on the mailing list at an instant, and what happened to one member."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Subquery, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.members.models import ConsentRecord, JoinRequest, Member, MemberChange, Organisation
from service.members.rules import MemberStatus
from service.members.shapes import HistoryEntry


def _standing_at(at: datetime) -> Subquery:
    """Each member's newest change up to and including `at`: (status, organisation_id)."""
    newest = func.row_number().over(
        partition_by=col(MemberChange.member_id), order_by=(col(MemberChange.at).desc(), col(MemberChange.id).desc())
    )
    ranked = select(MemberChange.status, MemberChange.organisation_id, newest.label("place")).where(MemberChange.at <= at).subquery()
    return select(ranked.c.status, ranked.c.organisation_id).where(ranked.c.place == 1).subquery()


async def people_on_list(session: AsyncSession, at: datetime) -> int:
    """How many members were subscribed right after everything that happened up to and including `at`.

    For "the last instant of a quarter" give the microsecond before its end. Source: domain note, 'people on mailing list'.
    """
    then = _standing_at(at)
    query = select(func.count()).select_from(then).where(then.c.status == MemberStatus.SUBSCRIBED)
    return (await session.exec(query)).one()


async def organisations_on_list(session: AsyncSession, at: datetime) -> int:
    """How many distinct organisations those people belonged to; organisations merged since count as one.

    Source: domain note, 'organisations on mailing list'.
    """
    then = _standing_at(at)
    one = func.coalesce(col(Organisation.merged_into_id), col(Organisation.id))
    query = (
        select(func.count(func.distinct(one)))
        .select_from(then)
        .join(Organisation, col(Organisation.id) == then.c.organisation_id)
        .where(then.c.status == MemberStatus.SUBSCRIBED)
    )
    return (await session.exec(query)).one()


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
