"""A member's standing and its history: every change of standing or organisation is one more row, never altered."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict, NotFound
from service.members.models import ConsentRecord, Member, MemberChange
from service.members.rules import ConsentPurpose, MemberStatus, email_key, mailchimp_must_hear, why_not_become

LEFT = (MemberStatus.UNSUBSCRIBED, MemberStatus.CLEANED)


async def get_member(session: AsyncSession, member_id: UUID, *, lock: bool = False) -> Member:
    """The member; with `lock`, nobody else changes the row until the transaction ends. Raises NotFound."""
    member = await session.get(Member, member_id, with_for_update=lock, populate_existing=lock)
    if member is None:
        raise NotFound("There is no such member.")
    return member


async def find_member(session: AsyncSession, email: str) -> Member | None:
    """The member with this address, however it is written."""
    return (await session.exec(select(Member).where(Member.email_key == email_key(email)))).one_or_none()


def note_change(session: AsyncSession, member: Member, *, source: str, reason: str = "", at: datetime) -> None:
    """Add the member's standing and organisation, as they are now, to the history."""
    session.add(
        MemberChange(
            member_id=member.id, at=at, status=member.status, organisation_id=member.organisation_id, source=source, reason=reason[:200]
        )
    )


def touch(session: AsyncSession, member: Member, *, before: MemberStatus | None, now: datetime) -> None:
    """The member was changed: Mailchimp's audience hears of it where it knows, or is to know, the person."""
    member.updated_at = now
    if mailchimp_must_hear(before, MemberStatus(member.status)):
        member.audience_due_at = now
    session.add(member)


async def last_left_at(session: AsyncSession, member: Member) -> datetime | None:
    """When the member last unsubscribed or was cleaned; None when never."""
    query = select(MemberChange.at).where(MemberChange.member_id == member.id, col(MemberChange.status).in_(LEFT))
    return (await session.exec(query.order_by(col(MemberChange.at).desc()).limit(1))).first()


async def set_status(
    session: AsyncSession,
    member: Member,
    status: MemberStatus,
    *,
    source: str,
    now: datetime,
    reason: str = "",
    consent_is_fresh: bool | None = None,
) -> bool:
    """Give the member this standing. True when that is news. Raises Conflict where `why_not_become` says why not.

    `consent_is_fresh` is None when no new consent comes with the change: then only somebody who never left, and whose
    consent is on record, gets on the list.
    """
    before = MemberStatus(member.status)
    if before is status:
        return False
    fresh = member.consent_at is not None and before not in LEFT if consent_is_fresh is None else consent_is_fresh
    why_not = why_not_become(before, status, consent_is_fresh=fresh)
    if why_not:
        raise Conflict(why_not)
    member.status = status
    if status is MemberStatus.SUBSCRIBED:
        member.joined_at = member.joined_at or now
    if before is MemberStatus.SUBSCRIBED and status is MemberStatus.UNSUBSCRIBED:
        session.add(ConsentRecord(member_id=member.id, purpose=ConsentPurpose.NEWSLETTER, given=False, at=now, source=source))
    note_change(session, member, source=source, reason=reason, at=now)
    touch(session, member, before=before, now=now)
    await session.flush()
    return True
