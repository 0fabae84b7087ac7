"""The subject-access file: everything held about one person, and nothing of anybody else."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel, col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import AudienceContact
from service.engagement.models import EngagementEvent, Reply
from service.events.models import Attendance, Event
from service.invitations.models import Invitation, InvitationJoin
from service.leadership.models import LeadershipTerm
from service.links import without_tokens
from service.members.models import ConsentRecord, Erasure, JoinAsk, JoinRequest, MemberChange, Organisation
from service.members.rules import MemberStatus, email_key
from service.members.standing import get_member
from service.messages.models import Delivery, Message, Suppression
from service.messages.suppressions import suppression_hash
from service.pages.consent_texts import TEXTS, as_shown
from service.privacy.blanking import addresses_of
from service.privacy.sign_ins import sessions_of, sign_ins
from service.privacy.traces import raw_reports
from service.stories.models import Story, StoryAsk
from service.topmembers.models import MemberQuestion

Rows = list[dict[str, Any]]
_INNER = {"lease_owner", "lease_until", "fence", "vector", "next_try_at", "attempts", "looked_up_count", "needs_person"}
"""How the machinery works, not what is known of anybody."""


async def subject_data(session: AsyncSession, member_id: UUID) -> dict[str, Any]:
    """Everything held about the member, as plain values: sections by name, each a row or a list of rows. Raises NotFound."""
    member = await get_member(session, member_id)
    erased = member.status == MemberStatus.ERASED
    addresses = [] if erased else await addresses_of(session, member)
    organisation = await session.get(Organisation, member.organisation_id) if member.organisation_id else None
    people = await sign_ins(session, addresses)
    return {
        "member": _plain(member) | {"organisation": organisation.name if organisation else None},
        "history": await _rows(session, MemberChange, member_id),
        "consents": await _consents(session, member_id),
        "join_requests": await _rows(session, JoinRequest, member_id),
        "unsorted_join_answers": [_plain(r) for r in await session.exec(select(JoinAsk).where(col(JoinAsk.email).in_(addresses)))],
        "deliveries": await _deliveries(session, member_id),
        "engagement": await _rows(session, EngagementEvent, member_id),
        "replies": await _replies(session, member_id, addresses),
        "attendance": await _attendance(session, member_id),
        "suppressions": await _suppressions(session, addresses),
        "mailchimp_audience": await _rows(session, AudienceContact, member_id),
        "raw_reports": [_plain(row) for row in await raw_reports(session, addresses)] if addresses else [],
        "leadership_terms": await _rows(session, LeadershipTerm, member_id),
        "invitations": await _rows(session, Invitation, member_id),
        "joined_by": await _rows(session, InvitationJoin, member_id),
        "questions": await _rows(session, MemberQuestion, member_id),
        "stories": await _rows(session, Story, member_id),
        "story_requests": await _rows(session, StoryAsk, member_id),
        "console_sign_in": [_plain(person) for person in people],
        "console_sessions": [row.model_dump(mode="json", exclude={"token_hash"}) for row in await sessions_of(session, people)],
        "erasure": await _rows(session, Erasure, member_id),
    }


def _plain(row: SQLModel) -> dict[str, Any]:
    return row.model_dump(mode="json", exclude=_INNER)


async def _rows(session: AsyncSession, table: type[SQLModel], member_id: UUID) -> Rows:
    rows = [_plain(row) for row in await session.exec(select(table).where(table.member_id == member_id))]  # type: ignore[attr-defined]
    return sorted(rows, key=lambda row: str(row.get("id", "")))


async def _consents(session: AsyncSession, member_id: UUID) -> Rows:
    """With the words that were agreed to, where the page was ours."""
    rows = await _rows(session, ConsentRecord, member_id)
    for row in rows:
        text = TEXTS.get(row["text_version"].partition(".")[0])
        row["text"] = as_shown(getattr(text, row["purpose"], ""), row["text_version"]) if text else ""
    return rows


async def _deliveries(session: AsyncSession, member_id: UUID) -> Rows:
    query = select(Delivery, Message).join(Message, col(Message.id) == col(Delivery.message_id)).where(Delivery.member_id == member_id)
    return [
        _plain(delivery) | {"subject": message.subject, "text": without_tokens(message.text)}
        for delivery, message in (await session.exec(query.order_by(col(Delivery.id)))).all()
    ]


async def _replies(session: AsyncSession, member_id: UUID, addresses: Sequence[str]) -> Rows:
    """Mail they sent; one under their link from another address is another person's."""
    written = [address.lower() for address in addresses]
    theirs = (col(Reply.member_id) == member_id) & (col(Reply.held_reason) == "") | func.lower(col(Reply.from_email)).in_(written)
    return [_plain(row) for row in await session.exec(select(Reply).where(theirs).order_by(col(Reply.id)))]


async def _attendance(session: AsyncSession, member_id: UUID) -> Rows:
    query = select(Attendance, Event).join(Event, col(Event.id) == col(Attendance.event_id)).where(Attendance.member_id == member_id)
    return [
        _plain(row) | {"event": event.title, "starts_at": event.starts_at.isoformat()}
        for row, event in (await session.exec(query.order_by(col(Event.starts_at)))).all()
    ]


async def _suppressions(session: AsyncSession, addresses: Sequence[str]) -> Rows:
    hashes = [suppression_hash(email_key(address)) for address in addresses]
    query = select(Suppression).where(col(Suppression.email_hash).in_(hashes)).order_by(col(Suppression.at))
    return [_plain(row) for row in await session.exec(query)]
