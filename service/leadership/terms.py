"""Terms: given, ended, and kept in step with the roles on the member, which people also set on the join page and by import."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import String, cast
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.errors import Conflict, InvalidInput, NotFound
from service.leadership.models import LeadershipTerm
from service.leadership.rules import Gap, Term, gaps
from service.members.models import Member
from service.members.rules import LeadershipRole, MemberStatus
from service.members.standing import get_member, touch

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """A member in a group."""

    term: LeadershipTerm
    member: Member


def as_term(row: LeadershipTerm) -> Term:
    """The row as a value."""
    return Term(LeadershipRole(row.role), row.from_on, row.until_on)


async def all_terms(session: AsyncSession) -> Sequence[LeadershipTerm]:
    """Every term there ever was, oldest first."""
    return (await session.exec(select(LeadershipTerm).order_by(col(LeadershipTerm.from_on), col(LeadershipTerm.id)))).all()


async def holders(session: AsyncSession, *, today: date) -> Mapping[LeadershipRole, list[Holder]]:
    """Who is in which group today, longest first; only people on the mailing list."""
    rows = await session.exec(
        select(LeadershipTerm, Member)
        .join(Member, col(Member.id) == col(LeadershipTerm.member_id))
        .where(
            LeadershipTerm.from_on <= today,
            col(LeadershipTerm.until_on).is_(None) | (col(LeadershipTerm.until_on) >= today),
            Member.status == MemberStatus.SUBSCRIBED,
        )
        .order_by(col(LeadershipTerm.from_on), col(LeadershipTerm.id))
    )
    found: dict[LeadershipRole, list[Holder]] = defaultdict(list)
    for term, member in rows:
        found[LeadershipRole(term.role)].append(Holder(term, member))
    return found


async def gaps_now(session: AsyncSession, found: Mapping[LeadershipRole, Sequence[Holder]], *, today: date) -> list[Gap]:
    """The groups nobody is in, given who is (see `holders`). A holder who left the list leaves a gap, as of the day that was noticed."""
    terms = [as_term(row) for row in await all_terms(session)]
    held = [Term(role, today, None) for role, those in found.items() if those]
    return gaps([*(term for term in terms if not term.holds(today)), *held], today=today)


async def give_role(
    session: AsyncSession,
    member_id: UUID,
    role: LeadershipRole,
    *,
    from_on: date,
    until_on: date | None,
    today: date,
    by: str,
    now: datetime,
) -> LeadershipTerm:
    """A member takes part in a group. Raises NotFound, InvalidInput for days the wrong way round, Conflict for days that overlap."""
    member = await get_member(session, member_id, lock=True)
    if member.status != MemberStatus.SUBSCRIBED:
        raise Conflict(f"This member is {member.status}; only people on the mailing list take part in a group.")
    if until_on is not None and until_on < from_on:
        raise InvalidInput.field("until", "is before from; a term ends after it begins")
    for other in await _terms_of(session, member_id, role):
        if (until_on is None or other.from_on <= until_on) and (other.until_on is None or other.until_on >= from_on):
            raise Conflict(f"This member is in that group already from {other.from_on.isoformat()}: change or end that term instead.")
    term = LeadershipTerm(member_id=member_id, role=role, from_on=from_on, until_on=until_on, created_at=now, updated_at=now)
    session.add(term)
    await session.flush()
    await _in_step(session, member, await _terms_of(session, member_id), today=today, now=now)
    record(session, actor=by, action="give_role", subject_type="member", subject_id=member_id, now=now, role=role)
    return term


async def end_term(session: AsyncSession, term_id: UUID, *, until_on: date | None, today: date, by: str, now: datetime) -> LeadershipTerm:
    """Set a term's last day, or take it away (until further notice). Raises NotFound, InvalidInput, Conflict."""
    term = await session.get(LeadershipTerm, term_id, with_for_update=True)
    if term is None:
        raise NotFound("There is no such term.")
    member = await get_member(session, term.member_id, lock=True)
    if until_on is not None and until_on < term.from_on:
        raise InvalidInput.field("until", "is before the term's first day")
    later = [o for o in await _terms_of(session, term.member_id, LeadershipRole(term.role)) if o.id != term.id and o.from_on > term.from_on]
    if any(until_on is None or other.from_on <= until_on for other in later):
        raise Conflict("A later term of this member in the same group begins before that.")
    term.until_on, term.updated_at = until_on, now
    session.add(term)
    await session.flush()
    await _in_step(session, member, await _terms_of(session, term.member_id), today=today, now=now)
    record(session, actor=by, action="end_term", subject_type="leadership_term", subject_id=term.id, now=now)
    return term


async def _terms_of(session: AsyncSession, member_id: UUID, role: LeadershipRole | None = None) -> Sequence[LeadershipTerm]:
    query = select(LeadershipTerm).where(LeadershipTerm.member_id == member_id)
    if role is not None:
        query = query.where(LeadershipTerm.role == role)
    return (await session.exec(query.order_by(col(LeadershipTerm.from_on)))).all()


async def keep_in_step(session: AsyncSession, *, today: date, now: datetime) -> int:
    """Bring terms and members' roles together; how many members changed. Run again it does nothing."""
    terms: dict[UUID, list[LeadershipTerm]] = defaultdict(list)
    for row in await all_terms(session):
        terms[row.member_id].append(row)
    with_roles = cast(col(Member.leadership_roles), String).not_in(["[]", "null"])
    rows = await session.exec(select(Member).where(with_roles | col(Member.id).in_(list(terms))).order_by(col(Member.id)))
    return sum([await _in_step(session, member, terms[member.id], today=today, now=now) for member in rows.all()])


async def _in_step(session: AsyncSession, member: Member, terms: Sequence[LeadershipTerm], *, today: date, now: datetime) -> bool:
    """A term that begins gives the member the role, one that is over takes it. A role the member dropped ends its term, one they took
    begins one; whoever is not on the list holds none. True when anything changed.
    """
    has = set(member.leadership_roles) if member.status == MemberStatus.SUBSCRIBED else set()
    wanted, changed, running = set(has), False, set()
    for term in terms:
        runs = as_term(term).holds(today) and member.status == MemberStatus.SUBSCRIBED
        if runs and (term.applied is False or term.role in has):
            running.add(term.role)
            if not term.applied:
                wanted.add(term.role)
                term.applied, changed = True, True
                session.add(term)
        elif term.applied:
            changed = True
            if not as_term(term).holds(today):  # it is over
                wanted.discard(term.role)
                term.applied, term.updated_at = False, now
                session.add(term)
            else:
                await _dropped(session, term, today=today, now=now)
    wanted |= running
    for role in sorted(wanted - running):
        changed = True
        session.add(LeadershipTerm(member_id=member.id, role=role, from_on=today, applied=True, created_at=now, updated_at=now))
    if member.status == MemberStatus.SUBSCRIBED and wanted != has:
        member.leadership_roles = [role.value for role in LeadershipRole if role in wanted]
        touch(session, member, before=MemberStatus(member.status), now=now)
    await session.flush()
    return changed


async def _dropped(session: AsyncSession, term: LeadershipTerm, *, today: date, now: datetime) -> None:
    """The member gave the role up: yesterday was the last day. A term of less than a day was none."""
    if term.from_on >= today:
        await session.delete(term)
        return
    term.until_on, term.applied, term.updated_at = today - DAY, False, now
    session.add(term)
