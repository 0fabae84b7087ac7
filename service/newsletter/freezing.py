"""Freezing: an approved edition becomes content that never changes, one delivery per reader, and campaigns to be handed over.

All of it is one transaction: after a crash either nothing was frozen, and it is tried again, or all of it.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign
from service.campaigns.plan import plan_campaign
from service.db import insert_new, new_id
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus, MessageKind
from service.newsletter.archive import archive_fragment
from service.newsletter.campaigns import Variant, campaign_title, variant_for
from service.newsletter.editions import get_edition, items_of, personal_items_of, refusal
from service.newsletter.mail import EditionContent, content_of, render_edition
from service.newsletter.models import Edition
from service.newsletter.readers import Reader, ReaderCount, readers, why_nobody
from service.newsletter.rules import GOES_BY_ITSELF, HELD_BACK, ContentStatus, EditionStatus
from service.providers.base import Product
from service.rendering import SUBJECT_TAG, Rendered, Renderer
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Frozen:
    """What freezing did. `refused` says why it did not happen, empty when it did."""

    edition_id: UUID
    refused: str = ""
    campaign_ids: tuple[UUID, ...] = ()
    recipients: int = 0
    candidates: int = 0
    left_out: dict[str, int] = field(default_factory=dict)


async def freeze(session: AsyncSession, edition: Edition, *, now: datetime, renderer: Renderer, settings: Settings) -> Frozen:
    """Freeze an approved edition for sending. One that is empty, or has no readers, goes back to a draft with the reason; one that is
    frozen or not approved is left as it is. Raises Conflict when the mail can't be made.
    """
    edition = await get_edition(session, edition.id, lock=True)  # another worker may have been first
    if edition.status not in GOES_BY_ITSELF or edition.frozen_at is not None:
        return Frozen(edition.id, refused=f"Edition {edition.number} is {edition.status}.")
    why_not = await refusal(session, edition)
    if why_not:
        return _refuse(session, edition, why_not, now=now)
    content = await content_of(session, edition, now=now, settings=settings)
    variants = _Variants(session, edition, content, now=now, renderer=renderer, settings=settings)
    count = ReaderCount()
    goes_at = max(edition.scheduled_for or now, now)
    found = readers(session, count, tracking_on=settings.tracking_on, goes_at=goes_at, zone=settings.zone, freezing=True)
    async for portion in found:
        await _queue(session, variants, portion)
    if not count.readers:
        return _refuse(session, edition, why_nobody(count), now=now)
    edition.message_id = variants.main_message_id()
    edition.archive_html = archive_fragment(content)
    edition.newcomers = [
        {"member_id": str(one.member_id), "first_name": one.first_name, "organisation": one.organisation} for one in content.newcomers
    ]
    edition.candidates, edition.left_out = count.candidates, dict(sorted(count.left_out.items()))
    edition.status, edition.frozen_at, edition.updated_at, edition.last_error = EditionStatus.SENDING, now, now, ""
    session.add(edition)
    await _mark_used(session, edition, now=now)
    return Frozen(
        edition.id, campaign_ids=variants.campaign_ids(), recipients=count.readers, candidates=count.candidates, left_out=edition.left_out
    )


def _refuse(session: AsyncSession, edition: Edition, reason: str, *, now: datetime) -> Frozen:
    edition.status, edition.last_error, edition.updated_at = EditionStatus.DRAFT, f"{HELD_BACK} {reason}"[:300], now
    edition.approved_at, edition.approved_by = None, ""
    session.add(edition)
    return Frozen(edition.id, refused=reason)


class _Variants:
    """The edition's messages and campaigns, one for each kind of reader; each made when its first reader comes."""

    def __init__(
        self, session: AsyncSession, edition: Edition, content: EditionContent, *, now: datetime, renderer: Renderer, settings: Settings
    ) -> None:
        self._session = session
        self._edition = edition
        self._content = content
        self.now = now
        self._renderer = renderer
        self._settings = settings
        self._made: dict[Variant, Campaign] = {}

    def variant(self, reader: Reader) -> Variant:
        """The campaign this reader is in."""
        return variant_for(self._edition, reader.member_id, measured=reader.measured, by=self._settings.newsletter_trial)

    async def campaign(self, variant: Variant) -> Campaign:
        """The campaign of a variant, its message in place."""
        if variant not in self._made:
            measured = variant is not Variant.UNMEASURED
            subject = self._edition.subject_b if variant is Variant.SECOND_SUBJECT else self._edition.subject
            shared_out = variant is Variant.TRIAL
            content = replace(self._content, subject=SUBJECT_TAG if shared_out else subject)
            mail = render_edition(content, measured=measured, renderer=self._renderer, settings=self._settings)
            message = await self._message(mail, subject)
            # one for each subject, for when it is known who got which
            trial = [(await self._message(mail, s)).id for s in (subject, self._edition.subject_b)] if shared_out else []
            self._made[variant] = plan_campaign(
                self._session,
                title=campaign_title(self._edition, variant),
                kind=MessageKind.NEWSLETTER,
                message=message,
                preview_text=self._edition.preview_text,
                tracked=measured,
                send_at=max(self._edition.scheduled_for or self.now, self.now),
                now=self.now,
                trial=trial,
            )
        return self._made[variant]

    async def _message(self, mail: Rendered, subject: str) -> Message:
        message = Message(
            kind=MessageKind.NEWSLETTER, subject=subject, html=mail.html, text=mail.text, links=list(mail.links), created_at=self.now
        )
        self._session.add(message)
        await self._session.flush()
        return message

    def key(self, member_id: UUID) -> str:
        """What makes a delivery of this edition unique."""
        return f"edition:{self._edition.id}:{member_id}"

    def main_message_id(self) -> UUID:
        """The message that stands for the edition: the measured one where there is one."""
        return next(self._made[variant].message_id for variant in Variant if variant in self._made)

    def campaign_ids(self) -> tuple[UUID, ...]:
        """The campaigns made, the measured one first."""
        return tuple(self._made[variant].id for variant in Variant if variant in self._made)


async def _queue(session: AsyncSession, variants: _Variants, portion: list[Reader]) -> None:
    groups: dict[Variant, list[Reader]] = defaultdict(list)
    for reader in portion:
        groups[variants.variant(reader)].append(reader)
    for variant in Variant:
        if groups[variant]:
            await _queue_one(session, variants, groups[variant], variant)


async def _queue_one(session: AsyncSession, variants: _Variants, portion: list[Reader], variant: Variant) -> None:
    """One delivery per reader, many in one statement."""
    campaign = await variants.campaign(variant)
    first = Delivery(
        key="",
        kind=MessageKind.NEWSLETTER,
        message_id=campaign.message_id,
        email="",
        status=DeliveryStatus.QUEUED,
        tracked=campaign.tracked,
        provider=Product.MARKETING,
        campaign_id=campaign.id,
        due_at=campaign.send_at or variants.now,
        queued_at=variants.now,
    ).model_dump()
    common = {name: value for name, value in first.items() if value is not None}  # columns left out are NULL, and need no work per row
    rows = [
        common | {"id": new_id(), "key": variants.key(r.member_id), "member_id": r.member_id, "email": r.email, "to_name": r.name}
        for r in portion
    ]
    await insert_new(session, Delivery, rows, unique=["key"])


async def _mark_used(session: AsyncSession, edition: Edition, *, now: datetime) -> None:
    for item in [*await items_of(session, edition), *await personal_items_of(session, edition)]:
        item.used_in = [*(n for n in item.used_in if n != str(edition.number)), str(edition.number)]
        item.status, item.updated_at = ContentStatus.USED, now
        session.add(item)
