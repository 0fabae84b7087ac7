"""How far a frozen edition is, and when its books balance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign, CampaignStep
from service.messages.models import Delivery
from service.messages.rules import ACCEPTED_BY_PROVIDER, DeliveryStatus
from service.newsletter.campaigns import campaigns_of
from service.newsletter.editions import get_edition
from service.newsletter.models import Edition
from service.newsletter.rules import EditionStatus

FAILED_FOR_GOOD = frozenset({DeliveryStatus.FAILED, DeliveryStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class Books:
    """Where each recipient stands. `candidates` is what was counted when the audience was frozen; `left_out` of them got no delivery."""

    candidates: int
    left_out: int
    accepted: int
    skipped: int
    failed: int
    needs_person: int
    waiting: int

    @property
    def recipients(self) -> int:
        """Everyone who has a delivery."""
        return self.accepted + self.skipped + self.failed + self.needs_person + self.waiting

    @property
    def balanced(self) -> bool:
        """Nobody is lost and nobody waits: candidates = left out + accepted + skipped + failed + needs a person."""
        return self.waiting == 0 and self.candidates == self.left_out + self.recipients


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: `phase` is preparing, handing_over, accepted, failed, needs_person or cancelled; `words` says it in a sentence."""

    phase: str
    words: str
    books: Books


async def books_of(session: AsyncSession, edition: Edition, campaigns: Sequence[Campaign]) -> Books:
    """The edition's books as they stand."""
    rows = await session.exec(
        select(col(Delivery.status), col(Delivery.needs_person), func.count())
        .where(col(Delivery.campaign_id).in_([c.id for c in campaigns]))
        .group_by(col(Delivery.status), col(Delivery.needs_person))
    )
    counts = dict.fromkeys(("accepted", "skipped", "failed", "needs_person", "waiting"), 0)
    for status, needs_person, number in rows:
        counts[_group(DeliveryStatus(status), needs_person=needs_person)] += number
    return Books(candidates=edition.candidates, left_out=sum(edition.left_out.values()), **counts)


def _group(status: DeliveryStatus, *, needs_person: bool) -> str:
    if status in ACCEPTED_BY_PROVIDER:
        return "accepted"
    if status is DeliveryStatus.SKIPPED:
        return "skipped"
    if status in FAILED_FOR_GOOD:
        return "failed"
    return "needs_person" if needs_person else "waiting"


async def edition_progress(session: AsyncSession, edition: Edition) -> Progress:
    """How far the edition is. `accepted` says that Mailchimp took it, never that it arrived."""
    campaigns = await campaigns_of(session, edition)
    books = await books_of(session, edition, campaigns)
    steps = {CampaignStep(c.step) for c in campaigns}
    if edition.status == EditionStatus.CANCELLED:
        words = f"It was cancelled, but {books.accepted} mails had gone before." if books.accepted else "It was cancelled; nothing went."
        return Progress("cancelled", words, books)
    if CampaignStep.FAILED in steps:
        return Progress("failed", _worst(campaigns), books)
    if any(c.needs_person for c in campaigns) or books.needs_person:
        return Progress("needs_person", _worst(campaigns) or f"{books.needs_person} recipients wait for a person's decision.", books)
    if campaigns and steps == {CampaignStep.SENT} and not books.waiting:
        return Progress("accepted", f"Mailchimp accepted {books.accepted} of {books.recipients}.", books)
    if steps & {CampaignStep.SCHEDULED, CampaignStep.SENDING, CampaignStep.SENT}:
        return Progress("handing_over", f"Mailchimp has accepted {books.accepted} of {books.recipients} so far.", books)
    return Progress("preparing", f"{books.recipients} recipients are being prepared." if campaigns else "It is not frozen yet.", books)


def _worst(campaigns: Sequence[Campaign]) -> str:
    return next((c.last_error for c in campaigns if c.last_error and (c.needs_person or c.step == CampaignStep.FAILED)), "")


async def complete(session: AsyncSession, edition: Edition, *, now: datetime) -> Books:
    """The edition is `sent` when all its campaigns are and its books balance; `failed`, with the reason, when Mailchimp refused it or
    nobody was left to get it. Otherwise it stays as it is. Safe to repeat.
    """
    edition = await get_edition(session, edition.id, lock=True)
    campaigns = await campaigns_of(session, edition)
    books = await books_of(session, edition, campaigns)
    if edition.status not in {EditionStatus.SENDING, EditionStatus.FAILED} or not campaigns:
        return books
    failed = [c for c in campaigns if c.step == CampaignStep.FAILED]
    sent = all(c.step == CampaignStep.SENT for c in campaigns)
    if failed:
        _settle(edition, EditionStatus.FAILED, failed[0].last_error or "Mailchimp did not take it.", now=now)
    elif sent and books.balanced and books.accepted:
        _settle(edition, EditionStatus.SENT, "", now=now)
        edition.sent_at = edition.sent_at or min((c.sent_at for c in campaigns if c.sent_at and c.emails_sent), default=now)
    elif sent and books.balanced:
        _settle(edition, EditionStatus.FAILED, "Nobody was left to send it to.", now=now)
    elif sent and not books.waiting:
        lost = books.candidates - books.left_out - books.recipients
        edition.last_error = f"The books don't balance: {lost} recipients are not accounted for."
    elif edition.status == EditionStatus.FAILED:  # a person had it tried again
        _settle(edition, EditionStatus.SENDING, "", now=now)
    session.add(edition)
    return books


def _settle(edition: Edition, status: EditionStatus, reason: str, *, now: datetime) -> None:
    if edition.status != status or edition.last_error != reason[:300]:
        edition.status, edition.last_error, edition.updated_at = status, reason[:300], now


async def settle(session: AsyncSession, campaign_ids: Sequence[UUID], *, now: datetime) -> list[Edition]:
    """Complete the editions that these campaigns belong to, as far as they are; the editions, changed or not."""
    titles = (await session.exec(select(Campaign.title).where(col(Campaign.id).in_(list(campaign_ids))))).all()
    edition_ids = {UUID(parts[2]) for title in titles if len(parts := title.split("/")) == 4 and parts[1].isdigit()}
    return await _complete_all(session, sorted(edition_ids), now=now)


async def settle_open(session: AsyncSession, *, now: datetime) -> list[Edition]:
    """The same for every edition that is on its way or failed: for the tick."""
    open_ids = await session.exec(
        select(Edition.id).where(
            col(Edition.status).in_([EditionStatus.SENDING, EditionStatus.FAILED]), col(Edition.frozen_at).is_not(None)
        )
    )
    return await _complete_all(session, open_ids.all(), now=now)


async def _complete_all(session: AsyncSession, edition_ids: Sequence[UUID], *, now: datetime) -> list[Edition]:
    found = []
    for edition_id in edition_ids:
        edition = await session.get(Edition, edition_id)
        if edition is not None:
            await complete(session, edition, now=now)
            found.append(edition)
    return found
