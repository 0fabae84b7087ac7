"""What the minute's tick does for the newsletter: freezes what is due, asks about what is not approved, moves on what was missed, and
keeps the next draft there.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database
from service.errors import Conflict
from service.newsletter.cancelling import cancel_edition
from service.newsletter.editions import ensure_draft, facts_of, get_edition, postpone, refusal
from service.newsletter.freezing import freeze
from service.newsletter.models import Edition
from service.newsletter.progress import settle_open
from service.newsletter.rules import HELD_BACK, WAITING, EditionStatus, Verdict, what_is_due
from service.newsletter.slots import FREEZE_BEFORE
from service.rendering import Renderer
from service.settings import Settings, Unapproved

log = logging.getLogger(__name__)

WILL_GO = "It has not been approved; it goes at its time all the same, as NEWSLETTER_UNAPPROVED says. Cancel it to stop it."
UNAPPROVED = "It has not been approved, so it does not go by itself. Approve it to let it go."
TOO_LATE = "Its time passed while the service was down; it does not go by itself any more. Send it now, give it another time, or cancel it."
NOBODY = "nobody (NEWSLETTER_UNAPPROVED=send)"
NOT_APPROVED_IN_TIME = f"{HELD_BACK} nobody approved it in time."
NOBODY_DECIDED = f"{HELD_BACK} its time had passed and nobody decided for a week."


@dataclass(frozen=True, slots=True)
class DueEdition:
    """An edition about which something has to happen now."""

    edition_id: UUID
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Happened:
    """What was done about one edition; `reason` says why it did not go, empty when it was frozen for sending."""

    edition_id: UUID
    verdict: Verdict
    reason: str = ""


async def due(session: AsyncSession, *, now: datetime) -> Sequence[DueEdition]:
    """Every edition that has to be frozen, asked about or moved on at `now`, longest waiting first; none is too old to be found."""
    waiting = await session.exec(
        select(Edition)
        .where(col(Edition.status).in_(WAITING), col(Edition.scheduled_for) <= now + FREEZE_BEFORE)
        .order_by(col(Edition.scheduled_for), col(Edition.id))
    )
    found = [DueEdition(edition.id, what_is_due(facts_of(edition), now)) for edition in waiting]
    return [one for one in found if one.verdict is not Verdict.WAIT]


async def run_due(database: Database, *, now: datetime, settings: Settings, renderer: Renderer) -> list[Happened]:
    """Do all of it, each edition in a transaction of its own, so that one that fails stops no other. Running it twice does nothing."""
    async with database.reading() as session:
        found = await due(session, now=now)
    happened = []
    for one in found:
        try:
            async with database.transaction() as session:
                done = await _act(session, one.edition_id, now=now, settings=settings, renderer=renderer)
        except Conflict as error:
            log.warning("edition could not be frozen: edition=%s cause=%s", one.edition_id, error.code)
            done = await _note(database, one, error.detail)
        happened += [done] if done else []
    async with database.transaction() as session:
        await settle_open(session, now=now)
        await ensure_draft(session, now=now, settings=settings)
    return happened


async def _act(session: AsyncSession, edition_id: UUID, *, now: datetime, settings: Settings, renderer: Renderer) -> Happened | None:
    """What is due is looked at again under the lock: a person or another worker may have been quicker."""
    edition = await get_edition(session, edition_id, lock=True)
    verdict = what_is_due(facts_of(edition), now)
    if verdict is Verdict.ACT:
        frozen = await freeze(session, edition, now=now, renderer=renderer, settings=settings)
        return Happened(edition_id, verdict, frozen.refused)
    if verdict is Verdict.ASK and await _goes_unapproved(session, edition, now=now, settings=settings):
        edition.status, edition.approved_at, edition.approved_by = EditionStatus.APPROVED, now, NOBODY
        frozen = await freeze(session, edition, now=now, renderer=renderer, settings=settings)
        return Happened(edition_id, Verdict.ACT, frozen.refused)
    if verdict is Verdict.ASK:
        return _ask(session, edition, goes=settings.newsletter_unapproved is Unapproved.SEND and edition.slot is not None)
    if verdict is Verdict.MISSED and edition.status == EditionStatus.DRAFT:
        await postpone(
            session, edition, reason=edition.last_error if _says_why(edition) else NOT_APPROVED_IN_TIME, now=now, settings=settings
        )
        return Happened(edition_id, verdict, edition.last_error)
    if verdict is Verdict.MISSED:
        await cancel_edition(session, edition_id, now=now)
        edition.last_error = NOBODY_DECIDED
        return Happened(edition_id, verdict, NOBODY_DECIDED)
    return None


async def _goes_unapproved(session: AsyncSession, edition: Edition, *, now: datetime, settings: Settings) -> bool:
    """Does a weekly draft go without anybody's yes, as the setting says? Only a whole one, and only once it is its time: until the last
    minute somebody may approve or cancel it.
    """
    wanted = settings.newsletter_unapproved is Unapproved.SEND and edition.slot is not None and edition.status == EditionStatus.DRAFT
    in_time = edition.scheduled_for is not None and edition.scheduled_for <= now
    return wanted and in_time and not _says_why(edition) and not await refusal(session, edition)


def _ask(session: AsyncSession, edition: Edition, *, goes: bool) -> Happened:
    reason = (WILL_GO if goes else UNAPPROVED) if edition.status == EditionStatus.DRAFT else TOO_LATE
    if not _says_why(edition):
        edition.last_error = reason
        session.add(edition)
    return Happened(edition.id, Verdict.ASK, edition.last_error)


def _says_why(edition: Edition) -> bool:
    """Was it held back for a reason of its own (empty, nobody to send to)? That is kept before `not approved`."""
    return edition.last_error.startswith(HELD_BACK) or edition.last_error == TOO_LATE


async def _note(database: Database, one: DueEdition, reason: str) -> Happened:
    async with database.transaction() as session:
        edition = await get_edition(session, one.edition_id, lock=True)
        edition.last_error = f"{HELD_BACK} {reason}"[:300]
        session.add(edition)
    return Happened(one.edition_id, one.verdict, reason)
