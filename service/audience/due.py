"""Who has to be brought to the audience now, and with which call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, or_, select

from service.audience.models import AudienceContact
from service.audience.rules import Known, Write, status_to_set, subscriber_hash, tags_of, write_for
from service.links import Links
from service.members.interest_groups import group_fields, interest_groups
from service.members.models import InterestGroup, JoinRequest, Member, Organisation
from service.members.rules import JoinRequestStatus, MemberStatus
from service.parts import Parts
from service.providers.base import Contact, ContactStatus

BATCH = 500
_OFF_THE_LIST = [status for status in MemberStatus if status is not MemberStatus.SUBSCRIBED]


@dataclass(frozen=True, slots=True)
class Due:
    """One member to be brought to the audience; `due_at` and `standing` prove later that nothing changed meanwhile. `known_at` is when we
    last wrote them, None for the first time.
    """

    member_id: UUID
    due_at: datetime
    standing: str
    write: Write
    contact: Contact
    known_at: datetime | None = None


async def due_now(parts: Parts) -> list[Due]:
    """The next members to write, at most 500: those who left first, then by how long they wait. Whom a job at Mailchimp is writing
    waits for its end, unless they left.
    """
    now = parts.clock.now()
    async with parts.database.reading() as session:
        rows = list((await session.exec(_waiting(now).where(col(Member.status).in_(_OFF_THE_LIST)).limit(BATCH))).all())
        if len(rows) < BATCH:  # two queries, each read off an index: one that sorts all who are due takes longer the more they are
            nobody_writes = or_(col(AudienceContact.batch_id).is_(None), AudienceContact.batch_id == "")
            subscribed = _waiting(now).where(Member.status == MemberStatus.SUBSCRIBED, nobody_writes)
            rows += (await session.exec(subscribed.limit(BATCH - len(rows)))).all()
        groups = await interest_groups(session)
    by_mailchimp = parts.providers.mailer is None
    return [
        _due(member, row, organisation or "", parts.links, groups, now=now, invited=by_mailchimp and asks)
        for member, row, organisation, asks in rows
    ]


def _waiting(now: datetime) -> Any:
    asked = select(JoinRequest.id).where(
        JoinRequest.member_id == Member.id,
        JoinRequest.status == JoinRequestStatus.UNCONFIRMED,
        col(JoinRequest.confirmation_asked_at).is_not(None),
    )
    return (
        select(Member, AudienceContact, Organisation.name, asked.exists())
        .outerjoin(AudienceContact, col(AudienceContact.member_id) == col(Member.id))
        .outerjoin(Organisation, col(Organisation.id) == col(Member.organisation_id))
        .where(col(Member.audience_due_at) <= now)
        .order_by(col(Member.audience_due_at))
    )


def _due(
    member: Member,
    row: AudienceContact | None,
    organisation: str,
    links: Links,
    groups: Sequence[InterestGroup],
    *,
    now: datetime,
    invited: bool,
) -> Due:
    known = Known(row.email_hash, row.remote_status, row.content_hash, tuple(row.tags)) if row is not None else None
    contact = contact_of(member, organisation, links, known, groups, invited=invited)
    write = write_for(member.status, contact, known, invited=invited)
    return Due(member.id, member.audience_due_at or now, member.status, write, contact, row.synced_at if row is not None else None)


def contact_of(
    member: Member, organisation: str, links: Links, known: Known | None, groups: Sequence[InterestGroup] = (), *, invited: bool = False
) -> Contact:
    """A member as Mailchimp is to know them. The status of a known contact is left alone, but for those who left and came back."""
    status = status_to_set(member.status, known)
    if invited and (known is None or known.remote_status != ContactStatus.SUBSCRIBED):
        status = ContactStatus.PENDING if known is not None else None
    tags = tags_of(member.leadership_roles)
    return Contact(
        email=member.email,
        status=status,
        status_if_new=ContactStatus.PENDING if invited else ContactStatus.SUBSCRIBED,
        merge_fields={
            "FNAME": member.first_name,
            "LNAME": member.last_name,
            "ORG": organisation,
            "PREFS": links.preferences(member.id),
            **group_fields(groups, member.interests),
        },
        tags=tags,
        drop_tags=[tag for tag in known.tags if tag not in tags] if known is not None else (),
        language=member.language,
        opt_in_at=member.consent_at,
        opt_in_ip=member.consent_ip,
        previous_hash=known.email_hash if known is not None and known.email_hash != subscriber_hash(member.email) else "",
    )
