"""Mail to the facilitator when something waits for a person: each cause at most once a day, never a person's name or address in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from service.messages.halts import halts
from service.messages.models import ProviderHalt
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.watching import REPORTED_WITHIN, Watched, watch

LATE_SECONDS = 30 * 60
MAILS_THAT_GIVE_REPORTS = 5


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell. `cause` is the stable part of its key."""

    cause: str
    title: str
    what: str
    mend: str


def alerts_for(seen: Watched, stopped: list[ProviderHalt]) -> Iterator[Alert]:
    """What a person has to know, by what was seen."""
    for row in stopped:
        yield Alert(
            f"stopped:{row.product}:{row.since.isoformat()}",
            f"Sending by {row.product} has stopped",
            f"Mailchimp says: {row.title}. Nothing is lost: what is due waits, and goes on by itself once it is mended.",
            "Check the key and the account at Mailchimp. `kindling doctor` says what is wrong.",
        )
    if seen.backlog.needs_person:
        yield Alert(
            "needs_person",
            f"{seen.backlog.needs_person} mails wait for your decision",
            "It could not be found out whether they went, or Mailchimp refused them. Nothing is sent twice on a guess.",
            "Look at each (`kindling attention` lists them too): check again, mark it as sent, send it again, or cancel it.",
        )
    if seen.webhooks_parked:
        yield Alert(
            "parked",
            f"{seen.webhooks_parked} reports of Mailchimp's could not be applied",
            "They are kept, and figures may lack what they tell.",
            "Look at them under GET /api/v1/webhook-events and try them again.",
        )
    if seen.endpoints_stopped:
        yield Alert(
            "endpoints",
            "Another system is told nothing any more",
            f"Outgoing webhooks stopped: {seen.endpoints_stopped}. Calls failed for five days, or the other side says that it is gone.",
            "GET /api/v1/webhook-endpoints says which and why: mend the other side and start it again, or remove it.",
        )
    if not stopped and seen.oldest_due is not None and seen.oldest_due > LATE_SECONDS:
        yield Alert(
            "late",
            "Mail is late",
            f"The oldest mail that is due waits for {seen.oldest_due / 60:.0f} minutes.",
            "See whether Mailchimp answers (`kindling doctor`), and what the worker's log says.",
        )
    if _reports_are_missing(seen):
        yield Alert(
            "no_reports",
            "Mailchimp reports nothing",
            "Mail went out today, and for two hours no report came in: deliveries, bounces and unsubscribes are not known here.",
            "See whether PUBLIC_URL can be reached from outside; `kindling mailchimp setup` makes the webhooks again.",
        )


def _reports_are_missing(seen: Watched) -> bool:
    silent = seen.since_webhook is None or seen.since_webhook > REPORTED_WITHIN.total_seconds()
    return silent and seen.unreported >= MAILS_THAT_GIVE_REPORTS


async def alert_facilitator(parts: Parts, *, now: datetime) -> int:
    """Queue what the facilitator has to hear; how many alerts there are. Whoever runs this, each goes once a day."""
    settings = parts.settings
    if not settings.facilitator_address:
        return 0
    day = now.astimezone(settings.zone).date().isoformat()
    async with parts.database.reading() as session:
        found = list(alerts_for(await watch(session, now=now), await halts(session)))
    if not found:
        return 0
    to = Recipient(settings.facilitator_address, settings.from_name)
    async with parts.database.transaction() as session:
        for alert in found:
            key = f"alert:{alert.cause}:{day}"
            console_url = parts.links.page("/console/attention")
            values = {"title": alert.title, "what": alert.what, "mend": alert.mend, "console_url": console_url}
            content = parts.renderer.render(MessageKind.ALERT, values)
            await queue_message(session, parts, key=key, kind=MessageKind.ALERT, recipient=to, content=content, now=now)
    return len(found)
