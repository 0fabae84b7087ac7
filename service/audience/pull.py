"""Mailchimp to ours: who changed in the audience since we last looked. Refusals are taken over at once; people who subscribed at
Mailchimp become members with the consent Mailchimp holds.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.cursors import Walk, give_back, go_on, take
from service.audience.matching import members_of, move_member
from service.audience.models import AudienceContact, SyncCursor
from service.audience.refusals import heed
from service.audience.rules import subscriber_hash
from service.errors import ServiceError
from service.members.actions import record_member, subscribe
from service.members.models import Member
from service.members.rules import MemberStatus, email_key
from service.members.shapes import ConsentGiven, MemberCreate
from service.messages.halts import halt, is_halted
from service.messages.sending import never
from service.messages.suppressions import stopped_keys
from service.parts import Parts
from service.providers.base import Contact, ContactStatus, Misconfigured, Product, ProviderError

log = logging.getLogger(__name__)

CURSOR = "audience_pull"
PLACE = "audience_pull_place"
"""How far a walk that was broken off had come."""
OVERLAP = timedelta(minutes=10)
EVERY = timedelta(hours=1)
BATCH = 200

OnConfirmed = Callable[[AsyncSession, Member, Contact], Awaitable[None]]
"""What follows when somebody whom Mailchimp asked to confirm has done so."""


class _Interrupted(Exception):
    """The walk ends early; it goes on where it was."""


async def nothing_follows(_session: AsyncSession, _member: Member, _contact: Contact) -> None:
    """Nothing follows."""


async def pull_changes(
    parts: Parts, *, force: bool = False, on_confirmed: OnConfirmed = nothing_follows, should_stop: Callable[[], bool] = never
) -> int:
    """Read what changed at Mailchimp since the last look (with some overlap) and take it over; how many contacts were read.

    Does nothing within an hour of the last look unless forced. Resumable: a walk that is broken off goes on from where it was, and the
    hour only counts from one that came through.
    """
    walk = await take(parts, CURSOR)
    if walk is None:
        return 0
    started = parts.clock.now()
    finished: datetime | None = None
    count = 0
    try:
        if not force and walk.run_at is not None and started - walk.run_at < EVERY:
            return 0
        async with parts.database.reading() as session:
            if await is_halted(session, Product.MARKETING):
                return 0
        batch: list[Contact] = []
        since = walk.position - OVERLAP if walk.position else None
        place = await _place(parts)
        async for contact in parts.providers.audience.changed_since(place - OVERLAP if place else since, archived_since=since):
            batch.append(contact)
            count += 1
            if len(batch) == BATCH:
                await _take_over(parts, batch, on_confirmed)
                await _keep_place(parts, walk, batch[-1], stop=should_stop())
                batch = []
        await _take_over(parts, batch, on_confirmed)
        await _set_place(parts, None)
        finished = started
    except _Interrupted:
        log.info("audience read in part: contacts=%s", count)
    except ProviderError as error:
        log.warning("audience not read: cause=%s status=%s instance=%s", error.title, error.status, error.instance)
        if isinstance(error, Misconfigured):
            async with parts.database.transaction() as session:
                await halt(session, Product.MARKETING, error, now=parts.clock.now())
    finally:
        await give_back(parts, walk, position=finished)
    return count


async def was_read(session: AsyncSession, *, since: datetime) -> bool:
    """Has a walk through the audience come through since then?"""
    found = (await session.exec(select(SyncCursor.run_at).where(SyncCursor.name == CURSOR))).first()
    return found is not None and found >= since


async def _place(parts: Parts) -> datetime | None:
    async with parts.database.reading() as session:
        kept = await session.get(SyncCursor, PLACE)
    return kept.position if kept is not None else None


async def _keep_place(parts: Parts, walk: Walk, last: Contact, *, stop: bool) -> None:
    """Contacts come oldest change first, so the last one's instant is where to go on. The archived ones come after all others."""
    if last.status is not ContactStatus.ARCHIVED and last.last_changed_at is not None:
        await _set_place(parts, last.last_changed_at)
    if not await go_on(parts, walk) or stop:
        raise _Interrupted


async def _set_place(parts: Parts, at: datetime | None) -> None:
    async with parts.database.transaction() as session:
        row = await session.get(SyncCursor, PLACE) or SyncCursor(name=PLACE)
        row.position = at
        session.add(row)


async def _take_over(parts: Parts, contacts: Sequence[Contact], on_confirmed: OnConfirmed) -> None:
    if not contacts:
        return
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        for contact, member in await members_of(session, contacts):
            await take_over(session, contact, member, now=now, on_confirmed=on_confirmed)


async def take_over(
    session: AsyncSession, contact: Contact, member: Member | None, *, now: datetime, on_confirmed: OnConfirmed = nothing_follows
) -> None:
    """Bring our side in line with one contact as Mailchimp has it. A refusal on either side wins; one contact that can't be taken
    over stops no other.
    """
    try:
        async with session.begin_nested():
            await _take_over_one(session, contact, member, now=now, on_confirmed=on_confirmed)
    except (ServiceError, ValidationError) as error:
        log.warning("contact not taken over: member=%s cause=%s", member.id if member else None, type(error).__name__)


async def _take_over_one(
    session: AsyncSession, contact: Contact, member: Member | None, *, now: datetime, on_confirmed: OnConfirmed
) -> None:
    if member is None:
        member = await _newcomer(session, contact, now=now)
        if member is None:
            return
    moved_there = member.email_key != email_key(contact.email) and not await _moved_here(session, member, contact)
    if moved_there and not await move_member(session, member, contact.email, contact_id=contact.contact_id, now=now):
        log.warning("contact not taken over, its new address belongs to another member: member=%s", member.id)
        return
    row = await session.get(AudienceContact, member.id) or AudienceContact(member_id=member.id, email_hash=subscriber_hash(contact.email))
    asked = row.remote_status == ContactStatus.PENDING
    row.contact_id = contact.contact_id or row.contact_id
    row.unique_email_id = contact.unique_email_id or row.unique_email_id
    row.remote_status = contact.status or row.remote_status
    row.email_hash = subscriber_hash(contact.email)
    session.add(row)
    await session.flush()
    await heed(session, contact, member, refused_at=contact.last_changed_at, now=now)
    if contact.status is not ContactStatus.SUBSCRIBED:
        return
    if asked and member.status != MemberStatus.SUBSCRIBED:
        await on_confirmed(session, member, contact)
    if member.status == MemberStatus.PENDING:
        await subscribe(session, member, _consent(contact, now=now), source="mailchimp", now=now)
    elif member.status in {MemberStatus.UNSUBSCRIBED, MemberStatus.CLEANED}:
        member.audience_due_at = now  # our refusal wins: Mailchimp hears of it again
        session.add(member)


async def _moved_here(session: AsyncSession, member: Member, contact: Contact) -> bool:
    """Was the address changed here, and Mailchimp hasn't heard of it yet?"""
    row = await session.get(AudienceContact, member.id)
    return row is not None and row.email_hash == subscriber_hash(contact.email)


def _consent(contact: Contact, *, now: datetime) -> ConsentGiven:
    since = contact.opt_in_at or contact.last_changed_at or now
    return ConsentGiven(source="mailchimp", at=min(since, now), ip=contact.opt_in_ip)


async def _newcomer(session: AsyncSession, contact: Contact, *, now: datetime) -> Member | None:
    """Somebody who subscribed at Mailchimp, with the consent it holds; None for anybody else and for those who may not come."""
    if contact.status is not ContactStatus.SUBSCRIBED or await stopped_keys(session, [email_key(contact.email)]):
        return None
    given = MemberCreate(
        email=contact.email,
        first_name=contact.merge_fields.get("FNAME", "")[:100],
        last_name=contact.merge_fields.get("LNAME", "")[:100],
        consent=_consent(contact, now=now),
    )
    member, _is_new = await record_member(session, given, source="mailchimp", now=now)
    return member
