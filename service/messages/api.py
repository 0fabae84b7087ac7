"""Routes for deliveries: what went to whom, what waits for a person, and the way out."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlmodel import col, select

from service.auth.access import SENDS, CallerDep
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.errors import NotFound
from service.links import without_tokens
from service.messages.doubt import resolve
from service.messages.halts import halts
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus, MessageKind, Resolution

router = APIRouter(tags=["deliveries"])


class Moment(BaseModel):
    """One step in a delivery's life."""

    at: datetime
    what: str


class DeliveryPublic(BaseModel):
    """A delivery as shown."""

    id: UUID
    kind: MessageKind
    member_id: UUID | None
    status: DeliveryStatus
    reason: str
    queued_reason: str = Field(description="why Mailchimp took it but kept it waiting, in its own word; empty where it did not")
    needs_person: bool
    provider: str
    provider_id: str
    attempts: int
    last_error: str
    trace: str = Field(description="the `X-Request-ID` of the request that queued it, or the id of the job; as `trace` in the log")
    queued_at: datetime
    due_at: datetime
    accepted_at: datetime | None


class DeliveryDetail(DeliveryPublic):
    """A delivery with its content and timeline, earliest first."""

    subject: str
    text: str
    timeline: list[Moment]


class HaltPublic(BaseModel):
    """A product through which nothing is sent until a person has mended it."""

    product: str
    since: datetime
    title: str
    status: int | None
    instance: str = Field(description="Mailchimp's reference, for its support; empty where it gave none")
    mend: str = "Check the key and the account at Mailchimp, then restart Kindling or wait ten minutes: it tries the key again by itself."


class Decision(BaseModel):
    """What a person decides about a delivery."""

    action: Resolution


KEPT_AT_MOST = timedelta(days=3)
"""Transactional drops what waited for 48 hours; a day more, to be seen."""
MOMENTS = {
    "queued": "queued_at",
    "sending": "sending_at",
    "accepted": "accepted_at",
    "delivered": "delivered_at",
    "bounced": "bounced_at",
    "complained": "complained_at",
    "unsubscribed": "unsubscribed_at",
    "opened": "first_opened_at",
    "opened by a person": "first_human_opened_at",
    "clicked": "first_clicked_at",
    "clicked by a person": "first_human_clicked_at",
    "replied": "replied_at",
}


@router.get("/deliveries")
async def list_deliveries(
    session: SessionDep,
    page: PageDep,
    now: NowDep,
    kind: MessageKind | None = None,
    status: DeliveryStatus | None = None,
    member_id: UUID | None = None,
    needs_person: Annotated[bool | None, Query(description="only what waits for a person")] = None,
    kept_waiting: Annotated[bool, Query(description="only what Mailchimp took in the last three days and still keeps waiting")] = False,
) -> Page[DeliveryPublic]:
    """Deliveries, newest first."""
    query = select(Delivery)
    if kind:
        query = query.where(Delivery.kind == kind)
    if status:
        query = query.where(Delivery.status == status)
    if member_id:
        query = query.where(Delivery.member_id == member_id)
    if needs_person is not None:
        query = query.where(col(Delivery.needs_person).is_(needs_person))
    if kept_waiting:
        query = query.where(
            col(Delivery.queued_reason) != "", Delivery.status == DeliveryStatus.ACCEPTED, col(Delivery.accepted_at) > now - KEPT_AT_MOST
        )
    return await page_of(session, query, col(Delivery.id), page, DeliveryPublic)


@router.get("/deliveries/{delivery_id}")
async def show_delivery(delivery_id: UUID, session: SessionDep) -> DeliveryDetail:
    """One delivery: content (links that are for its reader alone are cut short), state, timeline."""
    row = await session.get(Delivery, delivery_id)
    message = await session.get(Message, row.message_id) if row else None
    if row is None or message is None:
        raise NotFound("There is no such delivery.")
    moments = [Moment(at=at, what=what) for what, field in MOMENTS.items() if (at := getattr(row, field)) is not None]
    return DeliveryDetail(
        **DeliveryPublic.model_validate(row, from_attributes=True).model_dump(),
        subject=message.subject,
        text=without_tokens(message.text),
        timeline=sorted(moments, key=lambda m: m.at),
    )


@router.post("/deliveries/{delivery_id}/retry", openapi_extra=SENDS)
async def retry_delivery(delivery_id: UUID, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> DeliveryPublic:
    """Send a delivery that failed, was rejected or is in doubt again: the person who asks has looked first."""
    row = await resolve(session, parts, delivery_id, Resolution.SEND_AGAIN, by=caller.name, now=now)
    return DeliveryPublic.model_validate(row, from_attributes=True)


@router.post("/deliveries/{delivery_id}/resolve", openapi_extra=SENDS)
async def resolve_delivery(
    delivery_id: UUID, body: Decision, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep
) -> DeliveryPublic:
    """Decide about a delivery that needs a person: check again, mark as sent, send again, cancel."""
    row = await resolve(session, parts, delivery_id, body.action, by=caller.name, now=now)
    return DeliveryPublic.model_validate(row, from_attributes=True)


@router.get("/halts")
async def list_halts(session: SessionDep) -> list[HaltPublic]:
    """Products through which nothing is sent just now, and what to do."""
    return [HaltPublic.model_validate(row, from_attributes=True) for row in await halts(session)]
