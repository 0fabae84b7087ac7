"""An edition's campaigns: which there are, their names at Mailchimp, and how to find them by these."""

from enum import StrEnum
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign
from service.campaigns.trials import FIRST, SECOND, TRIAL, second_half
from service.newsletter.models import Edition
from service.settings import TrialBy


class Variant(StrEnum):
    """Whose campaign it is: readers who are measured, the half of them who get the second subject, readers who are not measured; or
    all who are measured, where Mailchimp shares out two subjects among them.
    """

    TRIAL = TRIAL
    MEASURED = FIRST
    SECOND_SUBJECT = SECOND
    UNMEASURED = "unmeasured"


def variant_for(edition: Edition, member_id: UUID, *, measured: bool, by: TrialBy) -> Variant:
    """Which campaign a reader is in. A trial of two subjects is among the measured alone."""
    if not measured:
        return Variant.UNMEASURED
    if edition.subject_b and by is TrialBy.VARIATE:
        return Variant.TRIAL
    second = edition.subject_b and second_half(edition.id, member_id)
    return Variant.SECOND_SUBJECT if second else Variant.MEASURED


def campaign_title(edition: Edition, variant: Variant) -> str:
    """The name of an edition's campaign at Mailchimp, by which a lost one is found again."""
    return f"kindling/{edition.number}/{edition.id}/{variant}"


def number_in(title: str) -> int | None:
    """The number of the edition whose campaign has this name; None for a campaign of another kind."""
    parts = title.split("/")
    return int(parts[1]) if len(parts) == 4 and parts[0] == "kindling" and parts[1].isdecimal() else None


async def campaigns_of(session: AsyncSession, edition: Edition, *, lock: bool = False) -> list[Campaign]:
    """The edition's campaigns, found by their names; none before it was frozen."""
    titles = [campaign_title(edition, variant) for variant in Variant]
    query = select(Campaign).where(col(Campaign.title).in_(titles)).order_by(col(Campaign.title))
    return list((await session.exec(query.with_for_update() if lock else query)).all())


async def campaign_of(session: AsyncSession, edition: Edition, variant: Variant) -> Campaign | None:
    """One of them; None where there is none."""
    return (await session.exec(select(Campaign).where(Campaign.title == campaign_title(edition, variant)))).one_or_none()
