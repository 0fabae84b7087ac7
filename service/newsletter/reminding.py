"""Mails to the facilitator about an edition that waits for them: in the mornings of the day before and of the day itself while nobody
has approved it, and when it was held back or moved on. Each once.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind
from service.newsletter.editions import refusal
from service.newsletter.models import Edition
from service.newsletter.rules import HELD_BACK, WAITING, EditionStatus
from service.newsletter.slots import FREEZE_BEFORE
from service.parts import Parts
from service.settings import Settings, Unapproved

MORNING = time(8)
REMIND_WITHIN = timedelta(days=2)
GOES_ANYWAY = "Nobody has approved it. As NEWSLETTER_UNAPPROVED is set to send, it goes all the same unless you cancel it."
HELD_WITHIN = timedelta(days=7)
"""What was held back longer ago is no news."""


async def unapproved_soon(session: AsyncSession, *, now: datetime, settings: Settings) -> Sequence[Edition]:
    """Drafts a reminder is due for: this morning, or yesterday's, their time being today or tomorrow in the community's zone."""
    here = now.astimezone(settings.zone)
    if here.time() < MORNING:
        return []
    query = select(Edition).where(
        Edition.status == EditionStatus.DRAFT, col(Edition.scheduled_for) > now, col(Edition.scheduled_for) <= now + REMIND_WITHIN
    )
    found = (await session.exec(query.order_by(col(Edition.scheduled_for)))).all()
    days = (here.date(), here.date() + timedelta(days=1))
    return [edition for edition in found if edition.scheduled_for and edition.scheduled_for.astimezone(settings.zone).date() in days]


async def held_back(session: AsyncSession, *, now: datetime) -> Sequence[Edition]:
    """Drafts that did not go when they should have, lately."""
    query = select(Edition).where(
        col(Edition.status).in_(WAITING), col(Edition.last_error).startswith(HELD_BACK), col(Edition.updated_at) > now - HELD_WITHIN
    )
    return (await session.exec(query.order_by(col(Edition.number)))).all()


async def remind_facilitator(parts: Parts, *, now: datetime) -> int:
    """Queue what the facilitator has to hear; how many mails were looked at. The key of each lets it go once, whoever runs this."""
    settings = parts.settings
    if not settings.facilitator_address:
        return 0
    async with parts.database.transaction() as session:
        unapproved = await unapproved_soon(session, now=now, settings=settings)
        day = now.astimezone(settings.zone).date().isoformat()
        for edition in unapproved:
            what, mend = _waits(edition, await refusal(session, edition), settings)
            key = f"edition_reminder:{edition.id}:{day}"
            await _queue(session, parts, edition, key, f"Edition {edition.number} is not approved yet", what, mend, now=now)
        held = await held_back(session, now=now)
        for edition in held:
            key = f"edition_held:{edition.id}:{edition.slot or day}"
            when = f"It is planned for {_words(edition, settings)} now." if edition.scheduled_for else "It has no time now."
            mend = "Look at what is missing, then approve it; or skip the week."
            await _queue(
                session, parts, edition, key, f"Edition {edition.number} did not go", f"{edition.last_error} {when}", mend, now=now
            )
    return len(unapproved) + len(held)


def _waits(edition: Edition, missing: str, settings: Settings) -> tuple[str, str]:
    when = f"It is due on {_words(edition, settings)}."
    goes = settings.newsletter_unapproved is Unapproved.SEND and edition.slot is not None
    until = (edition.scheduled_for or edition.created_at) - FREEZE_BEFORE
    deadline = f"{until.astimezone(settings.zone):%H:%M}"
    if missing:
        return f"{when} It lacks something: {missing}", f"Fill it and approve it before {deadline}. As it stands it does not go."
    if goes:
        return f"{when} {GOES_ANYWAY}", f"Look at it and approve it before {deadline}, or cancel it."
    return f"{when} Without your approval it does not go.", f"Look at it and approve it before {deadline}; or skip the week."


def _words(edition: Edition, settings: Settings) -> str:
    at = (edition.scheduled_for or edition.created_at).astimezone(settings.zone)
    return f"{at:%A} {at.day} {at:%B} at {at:%H:%M}"


async def _queue(
    session: AsyncSession, parts: Parts, edition: Edition, key: str, title: str, what: str, mend: str, *, now: datetime
) -> None:
    console_url = f"{parts.settings.base_url}/console/newsletter/{edition.id}"
    content = parts.renderer.render(MessageKind.ALERT, {"title": title, "what": what, "mend": mend, "console_url": console_url})
    to = Recipient(parts.settings.facilitator_address, "")
    await queue_message(session, parts, key=key, kind=MessageKind.ALERT, recipient=to, content=content, now=now)
