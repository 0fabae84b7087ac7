"""Which member a contact at Mailchimp is: by address, by the address we gave Mailchimp last, or by Mailchimp's own id for the person."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import AudienceContact
from service.audience.rules import subscriber_hash
from service.errors import Conflict
from service.members.actions import change_email
from service.members.models import Member
from service.members.rules import email_key
from service.providers.base import Contact


async def members_of(session: AsyncSession, contacts: Sequence[Contact]) -> list[tuple[Contact, Member | None]]:
    """Each contact with its member, in three queries for all."""
    keys = {email_key(c.email) for c in contacts}
    by_key = {m.email_key: m for m in await session.exec(select(Member).where(col(Member.email_key).in_(keys)))}
    joined = select(AudienceContact, Member).join(Member, col(Member.id) == col(AudienceContact.member_id))
    hashes = {subscriber_hash(c.email) for c in contacts}
    by_hash = {row.email_hash: member for row, member in await session.exec(joined.where(col(AudienceContact.email_hash).in_(hashes)))}
    ids = {c.contact_id for c in contacts if c.contact_id}
    by_id = {row.contact_id: member for row, member in await session.exec(joined.where(col(AudienceContact.contact_id).in_(ids)))}
    return [
        (c, by_key.get(email_key(c.email)) or by_hash.get(subscriber_hash(c.email)) or (by_id.get(c.contact_id) if c.contact_id else None))
        for c in contacts
    ]


async def member_of(session: AsyncSession, email: str) -> Member | None:
    """The member whom Mailchimp knows by this address."""
    return (await members_of(session, [Contact(email, None)]))[0][1]


async def move_member(session: AsyncSession, member: Member, new_email: str, *, contact_id: str = "", now: datetime) -> bool:
    """Mailchimp's contact has a new address: the member keeps their history under it. False when another member has it already: these
    two wait for a person.
    """
    try:
        await change_email(session, member, new_email, source="mailchimp", now=now)
    except Conflict:
        return False
    row = await session.get(AudienceContact, member.id)
    if row is not None:
        row.email_hash = subscriber_hash(new_email)
        row.contact_id = contact_id or row.contact_id
        session.add(row)
    return True
