"""What is still to be done right now, and what waits for a person: counts only, cheap enough to ask every second."""

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import ColumnElement
from sqlmodel import SQLModel, col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign, CampaignStep
from service.campaigns.steps import OPEN_STEPS
from service.jobs.models import Job, JobStatus
from service.members.models import JoinAsk, JoinRequest, Member
from service.members.rules import JoinRequestStatus
from service.messages.models import Delivery, ProviderHalt
from service.messages.rules import DeliveryStatus
from service.providers.base import Product
from service.webhooks.models import WebhookEvent


class Backlog(BaseModel):
    """Work that is due at this instant, by kind; and what no machine can settle. All zero but the last three: nothing is to do."""

    deliveries: int
    sending: int
    webhooks: int
    audience: int
    campaigns: int
    reports: int
    welcomes: int
    jobs: int
    in_doubt: int
    needs_person: int
    stopped_products: int

    @property
    def due(self) -> int:
        """How much a worker has to do now."""
        return self.deliveries + self.sending + self.webhooks + self.audience + self.campaigns + self.reports + self.welcomes + self.jobs


async def backlog(session: AsyncSession, *, now: datetime) -> Backlog:
    """Count what is due at `now`."""

    async def count(model: type[SQLModel], *where: ColumnElement[bool] | bool) -> int:
        return int((await session.exec(select(func.count()).select_from(model).where(*where))).one())

    one_to_one = col(Delivery.provider) != Product.MARKETING
    return Backlog(
        deliveries=await count(Delivery, col(Delivery.status) == DeliveryStatus.QUEUED, one_to_one, col(Delivery.due_at) <= now),
        sending=await count(Delivery, col(Delivery.status) == DeliveryStatus.SENDING, one_to_one),
        webhooks=await count(
            WebhookEvent,
            col(WebhookEvent.handled_at).is_(None),
            col(WebhookEvent.parked_at).is_(None),
            col(WebhookEvent.next_try_at) <= now,
        ),
        audience=await count(Member, col(Member.audience_due_at) <= now),
        campaigns=await count(
            Campaign,
            col(Campaign.step).in_(list(OPEN_STEPS)),
            col(Campaign.needs_person).is_(False),
            or_(col(Campaign.retry_at).is_(None), col(Campaign.retry_at) <= now),
        ),
        reports=await count(Campaign, col(Campaign.step) == CampaignStep.SENT, col(Campaign.next_poll_at) <= now),
        welcomes=await count(JoinAsk)
        + await count(
            JoinRequest,
            or_(
                (col(JoinRequest.status) == JoinRequestStatus.OPEN) & col(JoinRequest.drafted_at).is_(None),
                (col(JoinRequest.status) == JoinRequestStatus.UNCONFIRMED) & col(JoinRequest.confirmation_asked_at).is_(None),
            ),
        ),
        jobs=await count(Job, col(Job.status).in_([JobStatus.QUEUED, JobStatus.RUNNING])),
        in_doubt=await count(Delivery, col(Delivery.status) == DeliveryStatus.IN_DOUBT),
        needs_person=await count(Delivery, col(Delivery.needs_person).is_(True))
        + await count(Campaign, col(Campaign.needs_person).is_(True)),
        stopped_products=await count(ProviderHalt),
    )
