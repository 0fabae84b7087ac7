"""Two subjects through one A/B campaign (Mailchimp's *variate*), where the account's plan has it; where it hasn't, through two campaigns.

Mailchimp shares out all recipients, everybody gets the mail once and at the same time, and chooses no winner: what is learnt is for people
to judge, by people's clicks. Afterwards its reports say who got which subject.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.plan import plan_campaign
from service.campaigns.recipients import CHUNK, accepted_count, leave_out_the_rest, settle_part
from service.campaigns.stage_common import UNDER_WAY, Changes, NeedsPerson, still_ours
from service.messages.models import Delivery, Message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.providers.base import Misconfigured, ProviderError, Rejected, RemoteCampaign

TRIAL, FIRST, SECOND = "trial", "measured", "measured-b"
"""How the names of such a campaign, and of the two that may stand in for it, end."""
NOT_IN_THE_PLAN = frozenset({400, 402, 403})
"""What Mailchimp answers with where the plan has no A/B testing: the call was not carried out, and an ordinary campaign may well go."""


def second_half(trial_id: UUID, member_id: UUID | None) -> bool:
    """Does this reader get the second subject where we share them out ourselves? By a digest: even, the same whoever asks, and another
    split in each trial.
    """
    return bool(hashlib.sha256(f"{trial_id}{member_id}".encode()).digest()[0] % 2)


def is_refused(campaign: Campaign, error: ProviderError) -> bool:
    """Does Mailchimp not take the campaign because it is an A/B test?"""
    return bool(campaign.trial) and isinstance(error, Rejected | Misconfigured) and error.status in NOT_IN_THE_PLAN


def to_be_split() -> Changes:
    """Go back to the beginning, and then by two campaigns."""
    return {"step": CampaignStep.PLANNED, "trial_refused": True, "remote_id": "", "segment_id": None, "own_timer": False}


async def split(parts: Parts, campaign: Campaign, found: list[RemoteCampaign], now: datetime) -> Changes:
    """Make two ordinary campaigns of it. What it has left at Mailchimp is removed first, so that nobody can send that one too."""
    for remote in found:
        if remote.status in UNDER_WAY:
            raise NeedsPerson("Mailchimp has begun with this A/B test after all: look at it there.")
        await parts.providers.campaigns.delete(remote.id)
    async with parts.database.transaction() as session:
        row = await still_ours(session, campaign)
        first, second = [await session.get_one(Message, UUID(message_id)) for message_id in row.trial]
        other = plan_campaign(
            session,
            title=row.title.removesuffix(TRIAL) + SECOND,
            kind=MessageKind(row.kind),
            message=second,
            preview_text=row.preview_text,
            tracked=row.tracked,
            send_at=row.send_at,
            now=now,
        )
        await session.flush()
        readers = (await session.exec(select(Delivery.id, Delivery.member_id).where(Delivery.campaign_id == row.id))).all()
        theirs = [delivery_id for delivery_id, member_id in readers if second_half(row.id, member_id)]
        connection = await session.connection()
        await connection.execute(update(Delivery).where(col(Delivery.campaign_id) == row.id).values(message_id=first.id))
        for start in range(0, len(theirs), CHUNK):
            part = col(Delivery.id).in_(theirs[start : start + CHUNK])
            await connection.execute(update(Delivery).where(part).values(campaign_id=other.id, message_id=second.id))
        title = row.title.removesuffix(TRIAL) + FIRST
        becomes: Changes = {"title": title, "message_id": first.id, "trial": [], "trial_refused": False, "recipient_count": 0}
        for name, value in becomes.items():  # all of it or nothing: a second run must not find half of it
            setattr(row, name, value)
        session.add(row)
    return becomes


async def subject_of(parts: Parts, campaign: Campaign) -> Mapping[str, UUID]:
    """The messages of a trial by their subjects."""
    async with parts.database.reading() as session:
        messages = [await session.get_one(Message, UUID(message_id)) for message_id in campaign.trial]
    return {message.subject: message.id for message in messages}


async def settle_trial(parts: Parts, campaign: Campaign, *, sent_at: datetime, emails_sent: int) -> tuple[int, list[str]]:
    """Write down who got which subject, as Mailchimp's reports of the parts say, then who got the mail at all; how many, and the parts.

    Mailchimp's documents don't say whether the report of the whole names the recipients of its parts, so both are read. Raises NeedsPerson
    where neither names anybody: that they were left out would be a guess.
    """
    subjects = await subject_of(parts, campaign)
    children = await parts.providers.reports.children(campaign.remote_id)
    for child in children:
        await settle_part(parts, campaign, child.id, message_id=subjects.get(child.subject), sent_at=sent_at)
    await settle_part(parts, campaign, campaign.remote_id, sent_at=sent_at)
    accepted = await accepted_count(parts, campaign)
    if emails_sent and not accepted:
        raise NeedsPerson(f"Mailchimp has sent {emails_sent} mails of this A/B test, and its reports name nobody: look at it there.")
    await leave_out_the_rest(parts, campaign)
    return accepted, [child.id for child in children]
