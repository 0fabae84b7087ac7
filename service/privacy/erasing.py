"""Erasing a person in three steps: here (commit), at Mailchimp (no transaction open), noted as done (commit).

A crash after the first step leaves a row that the sweep finds: here the person is gone at once, and Mailchimp hears of it until it
has answered. Both calls may be repeated; for somebody they don't know they do nothing.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import AudienceContact
from service.auth.audit import record
from service.errors import NotFound
from service.members.models import Erasure, Member
from service.members.rules import MemberStatus
from service.members.standing import get_member
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from service.newsletter.newcomers import forget_newcomer
from service.parts import Parts
from service.privacy.blanking import addresses_of, blank_person
from service.privacy.sign_ins import forget_sign_ins
from service.privacy.traces import blank_traces
from service.providers.base import ProviderError

log = logging.getLogger(__name__)

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
SOURCE = "erasure"
SWEEP = 100


@dataclass(frozen=True, slots=True)
class ErasureState:
    """How far an erasure is. `done_at` None: gone here, and Mailchimp is told again until it answers; `problem` is its last error."""

    member_id: UUID
    erased_at: datetime
    done_at: datetime | None
    problem: str


async def erase(parts: Parts, member_id: UUID, *, by: str) -> ErasureState:
    """Erase the person here and at Mailchimp, for good; counts stay. Twice is as good as once. Raises NotFound."""
    async with parts.database.transaction() as session:
        await _forget_here(session, member_id, by=by, now=parts.clock.now())
    return await _tell_provider(parts, member_id)


async def finish_erasures(parts: Parts) -> int:
    """Tell Mailchimp of erasures it has not heard of yet, where their time to be tried again has come; how many were finished."""
    now = parts.clock.now()
    async with parts.database.reading() as session:
        query = select(Erasure.member_id).where(col(Erasure.done_at).is_(None), Erasure.next_try_at <= now)
        waiting = (await session.exec(query.order_by(col(Erasure.next_try_at)).limit(SWEEP))).all()
    states = [await _tell_provider(parts, member_id) for member_id in waiting]
    return sum(state.done_at is not None for state in states)


async def _forget_here(session: AsyncSession, member_id: UUID, *, by: str, now: datetime) -> None:
    member = await get_member(session, member_id, lock=True)
    if await session.get(Erasure, member_id) is not None:
        return
    addresses = [] if member.status == MemberStatus.ERASED else await addresses_of(session, member)
    full_name = f"{member.first_name} {member.last_name}" if member.first_name and member.last_name else ""
    for address in addresses:
        await suppress(session, address, purpose=SuppressionPurpose.ALL, reason=SuppressionReason.ERASURE, source=SOURCE, now=now)
    if addresses:
        await blank_person(session, member, addresses, source=SOURCE, now=now)
        await forget_newcomer(session, member_id)
        await forget_sign_ins(session, addresses, by=by, now=now)
        await blank_traces(session, addresses, full_name, now=now)
    session.add(Erasure(member_id=member_id, addresses=addresses, asked_by=by, asked_at=now, next_try_at=now))
    record(session, actor=by, action="erase_member", subject_type="member", subject_id=member_id, now=now)


async def _tell_provider(parts: Parts, member_id: UUID) -> ErasureState:
    async with parts.database.reading() as session:
        row = await session.get(Erasure, member_id)
        member = await session.get(Member, member_id)
    if row is None or member is None:
        raise NotFound("There is no such member.")
    problem = ""
    if row.done_at is None:
        parts.passing("erasure.here")
        problem = await _forget_there(parts, row.addresses)
        parts.passing("erasure.there")
        row = await _note(parts, member_id, problem)
    return ErasureState(member_id, member.erased_at or row.asked_at, row.done_at, row.last_error)


async def _forget_there(parts: Parts, addresses: list[str]) -> str:
    """What went wrong; empty when both products have forgotten every address."""
    try:
        for address in addresses:
            await parts.providers.audience.forget(address)
            if parts.providers.mailer is not None:
                await parts.providers.mailer.allow(address)  # its denylist holds the address; ours holds a hash
    except ProviderError as error:
        log.warning("erasure not told yet: cause=%s status=%s instance=%s", error.title, error.status, error.instance)
        return error.title[:200] or "unknown"
    return ""


async def _note(parts: Parts, member_id: UUID, problem: str) -> Erasure:
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        row = (await session.exec(select(Erasure).where(Erasure.member_id == member_id).with_for_update())).one()
        if row.done_at is not None:  # another worker was first
            return row
        row.attempts += 1
        row.last_error = problem
        if problem:
            row.next_try_at = now + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(row.attempts - 1, 10))
        else:
            row.addresses, row.done_at = [], now
            # written by a synchronisation that was on its way
            await session.exec(delete(AudienceContact).where(col(AudienceContact.member_id) == member_id))
            record(session, actor="system", action="erasure_done", subject_type="member", subject_id=member_id, now=now)
        session.add(row)
    return row
