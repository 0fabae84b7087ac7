"""The people who run the community: who they are, when they are away, who has taken what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.briefing.models import Facilitator, FacilitatorLeave, WeekClaim
from service.db import insert_new
from service.errors import Conflict, InvalidInput, NotFound
from service.members.rules import email_key, read_address
from service.messages.bank_holidays import is_bank_holiday
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Rota:
    """Who runs the community, and when each of them is away."""

    people: tuple[Facilitator, ...]
    leave: Mapping[UUID, tuple[tuple[date, date], ...]]

    def is_away(self, facilitator_id: UUID, day: date) -> bool:
        """Is this one on leave?"""
        return any(first <= day <= last for first, last in self.leave.get(facilitator_id, ()))

    def is_working(self, day: date) -> bool:
        """A weekday, no bank holiday, and not everybody is away."""
        return self.why_not_working(day) == ""

    def why_not_working(self, day: date) -> str:
        """Why nobody works on this day; empty when somebody does."""
        if day.weekday() > 4:
            return "weekend"
        if is_bank_holiday(day):
            return "bank holiday"
        if self.people and all(self.is_away(person.id, day) for person in self.people):
            return "on leave"
        return ""


async def rota(session: AsyncSession) -> Rota:
    """Everybody who is active, the one named in the settings first, with their leave."""
    query = select(Facilitator).where(col(Facilitator.active).is_(True))
    people = (await session.exec(query.order_by(col(Facilitator.from_settings).desc(), col(Facilitator.id)))).all()
    leave: dict[UUID, tuple[tuple[date, date], ...]] = {}
    for row in await session.exec(select(FacilitatorLeave).order_by(col(FacilitatorLeave.from_on))):
        leave[row.facilitator_id] = (*leave.get(row.facilitator_id, ()), (row.from_on, row.until_on))
    return Rota(tuple(people), leave)


async def follow_settings(session: AsyncSession, settings: Settings, *, now: datetime) -> None:
    """The facilitator FACILITATOR_EMAIL names is among them; when the setting changes, the one it named before is not any more."""
    address = settings.facilitator_address
    key = email_key(address) if address else ""
    before = (await session.exec(select(Facilitator).where(col(Facilitator.from_settings).is_(True)))).all()
    for row in before:
        if row.email_key != key:
            row.from_settings, row.active, row.updated_at = False, False, now
            session.add(row)
    if not key or any(row.email_key == key for row in before):
        return
    known = (await session.exec(select(Facilitator).where(Facilitator.email_key == key))).one_or_none()
    if known is None:
        fresh = Facilitator(name=settings.from_name[:100], email=address, email_key=key, from_settings=True, created_at=now, updated_at=now)
        await insert_new(session, Facilitator, [fresh.model_dump()], unique=["email_key"])
        return
    known.from_settings, known.active, known.updated_at = True, True, now
    session.add(known)


async def get_facilitator(session: AsyncSession, facilitator_id: UUID, *, lock: bool = False) -> Facilitator:
    """The facilitator. Raises NotFound."""
    found = await session.get(Facilitator, facilitator_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such facilitator.")
    return found


async def add_facilitator(session: AsyncSession, *, name: str, email: str, by: str, now: datetime) -> Facilitator:
    """One more. Raises InvalidInput for an address that is none, Conflict for one that is there."""
    address, key = read_address(email)
    if (await session.exec(select(Facilitator.id).where(Facilitator.email_key == key))).first() is not None:
        raise Conflict("There is a facilitator with this address already; change that one.")
    row = Facilitator(name=name, email=address, email_key=key, created_at=now, updated_at=now)
    session.add(row)
    await session.flush()
    record(session, actor=by, action="add_facilitator", subject_type="facilitator", subject_id=row.id, now=now)
    return row


async def gets_morning_mail(session: AsyncSession, *, name: str, email: str, wanted: bool, by: str, now: datetime) -> None:
    """Somebody who signs in is among those who run the community, or is not any more. The one FACILITATOR_EMAIL names stays: the setting
    decides.
    """
    address, key = read_address(email)
    row = (await session.exec(select(Facilitator).where(Facilitator.email_key == key).with_for_update())).one_or_none()
    if row is None and wanted:
        await add_facilitator(session, name=name, email=address, by=by, now=now)
    elif row is not None and row.active != wanted and not row.from_settings:
        await change_facilitator(session, row.id, name=name if wanted else None, active=wanted, by=by, now=now)


async def change_facilitator(
    session: AsyncSession, facilitator_id: UUID, *, name: str | None, active: bool | None, by: str, now: datetime
) -> Facilitator:
    """Change what is given. Whoever is no longer active keeps no line for themselves."""
    row = await get_facilitator(session, facilitator_id, lock=True)
    row.name = row.name if name is None else name
    row.active = row.active if active is None else active
    row.updated_at = now
    session.add(row)
    if not row.active:
        await session.exec(delete(WeekClaim).where(col(WeekClaim.facilitator_id) == row.id))
    record(session, actor=by, action="change_facilitator", subject_type="facilitator", subject_id=row.id, now=now)
    return row


async def add_leave(
    session: AsyncSession, facilitator_id: UUID, *, from_on: date, until_on: date, by: str, now: datetime
) -> FacilitatorLeave:
    """Days away, both included. Raises NotFound and InvalidInput."""
    await get_facilitator(session, facilitator_id)
    if until_on < from_on:
        raise InvalidInput.field("until", "is before from")
    row = FacilitatorLeave(facilitator_id=facilitator_id, from_on=from_on, until_on=until_on, created_at=now)
    session.add(row)
    await session.flush()
    record(session, actor=by, action="add_leave", subject_type="facilitator", subject_id=facilitator_id, now=now)
    return row


async def remove_leave(session: AsyncSession, facilitator_id: UUID, leave_id: UUID, *, by: str, now: datetime) -> None:
    """They are there after all. Raises NotFound."""
    row = await session.get(FacilitatorLeave, leave_id)
    if row is None or row.facilitator_id != facilitator_id:
        raise NotFound("There is no such leave.")
    await session.delete(row)
    record(session, actor=by, action="remove_leave", subject_type="facilitator", subject_id=facilitator_id, now=now)


async def leave_of(session: AsyncSession, facilitator_ids: Sequence[UUID]) -> Sequence[FacilitatorLeave]:
    """Their days away, earliest first."""
    query = select(FacilitatorLeave).where(col(FacilitatorLeave.facilitator_id).in_(list(facilitator_ids)))
    return (await session.exec(query.order_by(col(FacilitatorLeave.from_on)))).all()


async def claim(session: AsyncSession, line_key: str, facilitator_id: UUID, *, by: str, now: datetime) -> WeekClaim:
    """Take a line on, so that the others leave it. Taking it again changes nothing. Raises NotFound, and Conflict when somebody has it."""
    await get_facilitator(session, facilitator_id)
    row = {"line_key": line_key, "facilitator_id": facilitator_id, "claimed_at": now}
    await insert_new(session, WeekClaim, [row], unique=["line_key"])
    stored = (await session.exec(select(WeekClaim).where(WeekClaim.line_key == line_key))).one()
    if stored.facilitator_id != facilitator_id:
        raise Conflict("Somebody else has taken this on already.")
    record(session, actor=by, action="claim_line", subject_type="week_line", subject_id=line_key[:60], now=now)
    return stored


async def release(session: AsyncSession, line_key: str, *, by: str, now: datetime) -> None:
    """Give a line back; one that nobody has stays so."""
    await session.exec(delete(WeekClaim).where(col(WeekClaim.line_key) == line_key))
    record(session, actor=by, action="release_line", subject_type="week_line", subject_id=line_key[:60], now=now)


async def claims(session: AsyncSession, found: Rota, *, today: date) -> Mapping[str, Facilitator]:
    """Who has taken which line (line key -> facilitator). Whoever is away today has nothing: others may go on with it."""
    people = {person.id: person for person in found.people if not found.is_away(person.id, today)}
    rows = await session.exec(select(WeekClaim).where(col(WeekClaim.facilitator_id).in_(list(people))))
    return {row.line_key: people[row.facilitator_id] for row in rows}
