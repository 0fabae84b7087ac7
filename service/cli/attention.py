"""`kindling attention`: what no machine can settle, and the decision of a person about it. Ids only, no name or address."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from rich.markup import escape
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.bootstrap import open_parts
from service.campaigns.models import Campaign
from service.cli.checks import check_migrated
from service.cli.screen import out, tell
from service.messages.doubt import choices, resolve
from service.messages.halts import halts
from service.messages.models import Delivery
from service.messages.rules import DeliveryStatus, Resolution
from service.settings import Settings
from service.webhooks.models import WebhookEvent

BY = "command"
"""Who decided, in the audit trail: whoever may run commands on this machine."""
UNKNOWN = "outcome_unknown"
WORDS = {UNKNOWN: "the provider knows nothing of it after two look-ups"}
MOST = 500


class Waiting(BaseModel):
    """One thing that needs a person. `says` is what is known of it, from the provider where it said something; `can` are the decisions of
    `kindling attention resolve`, `mend` is the way where there are none.
    """

    what: str
    id: str
    about: str
    status: str
    since: datetime
    says: str
    can: list[Resolution] = []
    mend: str = ""


async def waiting(session: AsyncSession) -> list[Waiting]:
    """Everything that needs a person, the oldest first of each kind: stopped products, mails, campaigns, reports."""
    return [*await _stopped(session), *await _mails(session), *await _campaigns(session), *await _reports(session)]


async def _stopped(session: AsyncSession) -> list[Waiting]:
    mend = "Mend the key or the account (`kindling doctor`); sending goes on by itself within ten minutes."
    return [
        Waiting(what="stopped product", id=h.product, about="", status="stopped", since=h.since, says=h.title, mend=mend)
        for h in await halts(session)
    ]


async def _mails(session: AsyncSession) -> list[Waiting]:
    needs = or_(col(Delivery.needs_person).is_(True), col(Delivery.status) == DeliveryStatus.FAILED)
    rows = await session.exec(select(Delivery).where(needs).order_by(col(Delivery.queued_at), col(Delivery.id)).limit(MOST))
    return [
        Waiting(
            what=row.kind,
            id=str(row.id),
            about=f"member {row.member_id}" if row.member_id else "",
            status=row.status,
            since=row.sending_at or row.queued_at,
            says="; ".join(dict.fromkeys(text for text in (WORDS.get(row.reason, row.reason), row.last_error) if text)),
            can=choices(row),
        )
        for row in rows
    ]


async def _campaigns(session: AsyncSession) -> list[Waiting]:
    rows = await session.exec(select(Campaign).where(col(Campaign.needs_person).is_(True)).order_by(col(Campaign.id)).limit(MOST))
    mend = "Mend what it names at Mailchimp, then send the edition again: Kindling looks first, and sends nothing twice."
    return [
        Waiting(what="campaign", id=str(c.id), about=c.title, status=c.step, since=c.created_at, says=c.last_error, mend=mend) for c in rows
    ]


async def _reports(session: AsyncSession) -> list[Waiting]:
    parked = (col(WebhookEvent.parked_at).is_not(None), col(WebhookEvent.handled_at).is_(None))
    rows = await session.exec(select(WebhookEvent).where(*parked).order_by(col(WebhookEvent.parked_at)).limit(MOST))
    return [
        Waiting(
            what="report",
            id=str(row.id),
            about=row.raw_type,
            status="parked",
            since=row.received_at,
            says=row.error,
            mend=f"Try it again once what it is about is there: POST /api/v1/webhook-events/{row.id}/retry, or the console.",
        )
        for row in rows
    ]


async def print_attention(settings: Settings, *, as_json: bool) -> None:
    """Print what needs a person, as text or as a JSON list."""
    async with open_parts(settings) as parts:
        await check_migrated(parts.database)
        async with parts.database.reading() as session:
            found = await waiting(session)
    if as_json:
        tell(found)
        return
    for one in found:
        about = f" ({escape(one.about)})" if one.about else ""
        out.print(f"[bold]{escape(one.what)}[/bold]{about}: {one.status} since {one.since:%Y-%m-%d %H:%M} UTC", soft_wrap=True)
        if one.says:
            out.print(f"    {escape(one.says)}", soft_wrap=True)
        way = f"kindling attention resolve {one.id} {'|'.join(one.can)}" if one.can else one.mend
        out.print(f"    → {escape(way)}", soft_wrap=True)
    out.print(f"To decide: {len(found)}." if found else "Nothing needs a person.")


async def resolve_delivery(settings: Settings, delivery_id: UUID, choice: Resolution) -> None:
    """Carry out a decision, as the API does; the worker's next look goes on from there. Raises NotFound and Conflict."""
    async with open_parts(settings) as parts:
        await check_migrated(parts.database)
        async with parts.database.transaction() as session:
            row = await resolve(session, parts, delivery_id, choice, by=BY, now=parts.clock.now())
    out.print(f"Done: the mail is {row.status} now.")
