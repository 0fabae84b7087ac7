"""A trial of two subjects: how each half of the readers did, and whether the difference says anything.

Clicks decide, never opens: many mail programs open by themselves. Source of the test: two proportions, pooled, normal approximation.
"""

from dataclasses import dataclass
from math import erf, sqrt
from uuid import UUID

from sqlalchemy import ColumnElement, case, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign
from service.messages.models import Delivery, Message
from service.messages.rules import ACCEPTED_BY_PROVIDER, DeliveryStatus
from service.newsletter.campaigns import Variant, campaign_of
from service.newsletter.models import Edition

MOST_BY_CHANCE = 0.05
ENOUGH = 100
"""Delivered mails for each subject, below which hardly any difference could be told from chance."""


@dataclass(frozen=True, slots=True)
class SubjectResult:
    """One subject's half: delivered mails, and people who opened and who clicked."""

    subject: str
    delivered: int
    opened: int
    clicked: int

    @property
    def click_rate(self) -> float:
        """Share of delivered clicked by a person, 0..1."""
        return self.clicked / self.delivered if self.delivered else 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """Both subjects and what can be said of them."""

    first: SubjectResult
    second: SubjectResult
    words: str


def chance(first: SubjectResult, second: SubjectResult) -> float:
    """How likely a difference in clicks at least as large is when both subjects are equally good, 0..1."""
    people = first.delivered + second.delivered
    pooled = (first.clicked + second.clicked) / people if people else 0.0
    if not first.delivered or not second.delivered or pooled in (0.0, 1.0):
        return 1.0
    spread = sqrt(pooled * (1 - pooled) * (1 / first.delivered + 1 / second.delivered))
    return 1 - erf(abs(first.click_rate - second.click_rate) / spread / sqrt(2))


def verdict(first: SubjectResult, second: SubjectResult) -> str:
    """What can be said, in a sentence."""
    if min(first.delivered, second.delivered) < ENOUGH:
        return f"Each subject went to fewer than {ENOUGH} people: take it as a hint, no more."
    likely = chance(first, second)
    if likely > MOST_BY_CHANCE:
        return "The difference in clicks may well be chance."
    better = max(first, second, key=lambda one: one.click_rate)
    return f"“{better.subject}” was clicked more; chance alone would do that in {likely:.0%} of trials or fewer."


async def trial_of(session: AsyncSession, edition: Edition) -> Trial | None:
    """The edition's trial; None where it had one subject."""
    shared_out = await campaign_of(session, edition, Variant.TRIAL)
    if shared_out is not None:
        return await _shared_out(session, shared_out)
    results = [await _result(session, edition, variant) for variant in (Variant.MEASURED, Variant.SECOND_SUBJECT)]
    if results[1] is None:
        return None
    first = results[0] or SubjectResult(edition.subject, 0, 0, 0)
    return Trial(first, results[1], verdict(first, results[1]))


async def _shared_out(session: AsyncSession, campaign: Campaign) -> Trial:
    """How a trial did that Mailchimp shared out: each delivery has the message of the subject that its reader got."""
    first, second = [
        await _counted(session, (await session.get_one(Message, UUID(message_id))).subject, Delivery.message_id == UUID(message_id))
        for message_id in campaign.trial
    ]
    unknown = await _counted(session, "", col(Delivery.campaign_id) == campaign.id, Delivery.message_id == campaign.message_id)
    words = verdict(first, second)
    if unknown.delivered:
        words += f" Mailchimp does not tell which subject {unknown.delivered} others got; they are not among these."
    return Trial(first, second, words)


async def _result(session: AsyncSession, edition: Edition, variant: Variant) -> SubjectResult | None:
    campaign = await campaign_of(session, edition, variant)
    if campaign is None:
        return None
    subject = edition.subject_b if variant is Variant.SECOND_SUBJECT else edition.subject
    return await _counted(session, subject, Delivery.campaign_id == campaign.id)


async def _counted(session: AsyncSession, subject: str, *which: ColumnElement[bool] | bool) -> SubjectResult:
    arrived = col(Delivery.status).in_(ACCEPTED_BY_PROVIDER - {DeliveryStatus.SOFT_BOUNCED, DeliveryStatus.BOUNCED})
    counts = [
        func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
        for condition in (
            arrived,
            arrived & col(Delivery.first_human_opened_at).is_not(None),
            arrived & col(Delivery.first_human_clicked_at).is_not(None),
        )
    ]
    delivered, opened, clicked = (await session.exec(select(*counts).where(*which))).one()
    return SubjectResult(subject, int(delivered), int(opened), int(clicked))
