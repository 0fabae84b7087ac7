"""Taking a person out of every table while every count stays. `TABLES` says what becomes of each table that knows people."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Update, and_, delete, exists, update
from sqlalchemy.orm import aliased
from sqlmodel import SQLModel, col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import AudienceContact
from service.engagement.models import EngagementEvent, Reply
from service.events.attendance import forget_attendee
from service.invitations.models import Invitation
from service.members.joining import UNDECIDED
from service.members.models import ConsentRecord, JoinAsk, JoinRequest, Member
from service.members.rules import JoinRequestStatus, MemberStatus, NewsletterRhythm, email_key
from service.members.standing import note_change
from service.messages.models import Delivery, Message
from service.messages.rules import DeliveryStatus, MessageKind
from service.newsletter.models import ContentItem
from service.newsletter.rules import ContentStatus
from service.stories.models import Story
from service.topmembers.models import MemberQuestion

TABLES = {
    "member": "stays without address, name or any detail, as `erased`",
    "member_change": "stays: past counts of people and organisations come from it; it holds ids, standings and times",
    "consent_record": "stays without the internet address: what was agreed to and when",
    "join_request": "stays without the reason, the answers, the internet address and the draft",
    "join_ask": "goes",
    "delivery": "stays without address and name; what was not sent is skipped",
    "message": "one-to-one mails, and those to facilitators that speak of the person, lose their content",
    "engagement_event": "stays without internet address and browser: the verdict and the time are counted",
    "edition": "the name of a new member who was welcomed goes, also from the mail that is kept",
    "reply": "stays without words, address, subject and attachments",
    "attendance": "stays without address and name, under a key that leads nowhere",
    "story": "stays without its words and is shown nowhere any more",
    "story_ask": "holds ids and times only",
    "invitation": "stays without the link's note: who joined by it is counted",
    "invitation_join": "holds ids and a time only",
    "leadership_term": "stays, closed: when a group had somebody is known by it",
    "member_question": "stays without the why",
    "facilitator": "holds those who run the community, not members",
    "console_person": "goes, with its sessions and links, where it has one of the member's addresses",
    "audience_contact": "goes",
    "webhook_event": "raw text that names the address is emptied, also when it comes later",
    "stored_answer": "answers that name the address go",
    "job": "rejected rows that name the address go",
    "suppression": "a hash of the address stays, so that no import brings the person back",
    "erasure": "holds the addresses until Mailchimp has been told, then nothing but ids and times",
    "audit_entry": "holds ids and field names only",
}
ERASED = "erased"
_WITHDRAWN = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING, DeliveryStatus.IN_DOUBT)
CHUNK = 400


async def addresses_of(session: AsyncSession, member: Member) -> list[str]:
    """Every address we have mailed this member at, the one of today first; never one that is another member's today."""
    used = (await session.exec(select(Delivery.email).where(Delivery.member_id == member.id).distinct())).all()
    earlier = {email_key(email): email for email in used if email and email_key(email) != member.email_key}
    taken = set((await session.exec(select(Member.email_key).where(col(Member.email_key).in_(list(earlier))))).all())
    return [member.email, *(email for key, email in sorted(earlier.items()) if key not in taken)]


async def blank_person(session: AsyncSession, member: Member, addresses: Sequence[str], *, source: str, now: datetime) -> None:
    """Blank the rows that belong to the person. What is on its way is not sent, unless the provider has it already."""
    await _blank_mail(session, member.id)
    await _blank_words(session, member.id, addresses)
    for address in addresses:
        await forget_attendee(session, member_id=member.id, email=address)
    await blank_guest_mail(session, addresses)
    await session.exec(delete(AudienceContact).where(col(AudienceContact.member_id) == member.id))
    await session.exec(delete(JoinAsk).where(col(JoinAsk.email).in_(addresses)))
    _blank_member(member, now=now)
    session.add(member)
    note_change(session, member, source=source, reason=ERASED, at=now)
    await session.flush()


def _blank_member(member: Member, *, now: datetime) -> None:
    member.email = member.email_key = f"erased-{member.id}@invalid"
    member.first_name = member.last_name = member.profession = member.join_reason = member.timezone = ""
    member.consent_ip = member.consent_source = member.consent_text_version = ""
    member.interests, member.leadership_roles, member.language = [], [], "en"
    member.organisation_id, member.organisation_by_hand = None, False
    member.wants_newsletter = member.wants_nudges = member.allows_measuring = member.may_be_named = False
    member.newsletter_rhythm = NewsletterRhythm.EVERY
    member.consent_at = member.last_active_at = member.sunset_at = member.audience_due_at = None
    member.engagement_score, member.engagement_state, member.engagement_since = 0.0, "new", None
    member.status, member.erased_at, member.updated_at = MemberStatus.ERASED, now, now


def _of(table: type[SQLModel], member_id: UUID) -> Update:
    return update(table).where(table.member_id == member_id).execution_options(synchronize_session=False)  # type: ignore[attr-defined]


async def _blank_mail(session: AsyncSession, member_id: UUID) -> None:
    """A row that is being sent just now turns into `accepted` again when the provider says it took it."""
    withdrawn = _of(Delivery, member_id).where(col(Delivery.status).in_(_WITHDRAWN))
    await session.exec(withdrawn.values(status=DeliveryStatus.SKIPPED, reason=ERASED, needs_person=False))
    other = aliased(Delivery)
    shared = exists().where(col(other.message_id) == col(Message.id), col(other.member_id).is_distinct_from(member_id))
    own = exists().where(col(Delivery.message_id) == col(Message.id), col(Delivery.member_id) == member_id)
    empty = update(Message).where(own, ~shared, col(Message.kind) != MessageKind.NEWSLETTER).execution_options(synchronize_session=False)
    await session.exec(empty.values(subject="", html="", text="", headers={}, links=[]))
    await session.exec(_of(Delivery, member_id).values(email="", to_name="", last_error=""))


async def _blank_words(session: AsyncSession, member_id: UUID, addresses: Sequence[str]) -> None:
    theirs = (col(Reply.member_id) == member_id) | func.lower(col(Reply.from_email)).in_([address.lower() for address in addresses])
    replies = (await session.exec(select(Reply.id).where(theirs))).all()
    passed_on = select(Reply.content_item_id).where(theirs, col(Reply.content_item_id).is_not(None))
    unnamed = update(ContentItem).where(col(ContentItem.id).in_(passed_on)).values(source="a member", summary="")
    await session.exec(unnamed.execution_options(synchronize_session=False))
    await session.exec(
        update(Reply)
        .where(theirs)
        .values(from_email="", subject="", text="", full_text="", attachments=[])
        .execution_options(synchronize_session=False)
    )
    withdrawn = {"title": "", "text": "", "what_changed": "", "may_share": False, "with_name": False, "agreed_at": None, "agreed_by": ""}
    offered = select(Story.content_item_id).where(Story.member_id == member_id, col(Story.content_item_id).is_not(None)).scalar_subquery()
    items = update(ContentItem).where(col(ContentItem.id).in_(offered)).execution_options(synchronize_session=False)
    await session.exec(items.values(title=ERASED, summary="", source="", status=ContentStatus.DROPPED))
    await session.exec(_of(Story, member_id).values(**withdrawn))
    await session.exec(_of(MemberQuestion, member_id).values(why=""))
    await session.exec(_of(Invitation, member_id).values(note=""))
    await _blank_forwards(session, [f"reply_forward:{reply_id}" for reply_id in replies])
    await session.exec(_of(EngagementEvent, member_id).values(ip="", user_agent=None))
    await session.exec(_of(ConsentRecord, member_id).values(ip=""))
    undecided = _of(JoinRequest, member_id).where(col(JoinRequest.status).in_(UNDECIDED))
    await session.exec(undecided.values(status=JoinRequestStatus.EXPIRED))
    await session.exec(
        _of(JoinRequest, member_id).values(
            reason="", answers={}, asked_ip="", draft_subject="", draft_note="", draft_body="", matches=[], resource_ids=[]
        )
    )


async def _blank_forwards(session: AsyncSession, keys: Sequence[str]) -> None:
    """The facilitator's copies of the person's replies."""
    for start in range(0, len(keys), CHUNK):
        await _withdraw(session, col(Delivery.key).in_(keys[start : start + CHUNK]))


async def blank_mail_to(session: AsyncSession, addresses: Sequence[str], *which: ColumnElement[bool]) -> None:
    """Mails to these addresses that `which` (filters of deliveries) picks: what waits is not sent, and neither words nor address stay."""
    mine = and_(func.lower(col(Delivery.email)).in_([address.lower() for address in addresses]), *which)
    await _withdraw(session, mine)
    blank = update(Delivery).where(mine).execution_options(synchronize_session=False)
    await session.exec(blank.values(email="", to_name=""))


async def blank_guest_mail(session: AsyncSession, addresses: Sequence[str]) -> None:
    """What a guest was told of an event they signed up for."""
    await blank_mail_to(session, addresses, col(Delivery.member_id).is_(None), col(Delivery.kind) == MessageKind.EVENT_CHANGE)


async def _withdraw(session: AsyncSession, mine: ColumnElement[bool]) -> None:
    unsent = update(Delivery).where(mine, col(Delivery.status) == DeliveryStatus.QUEUED).execution_options(synchronize_session=False)
    await session.exec(unsent.values(status=DeliveryStatus.SKIPPED, reason=ERASED))
    await blank_messages(session, col(Message.id).in_(select(Delivery.message_id).where(mine).scalar_subquery()))


async def blank_messages(session: AsyncSession, which: object) -> None:
    """Empty the content of the messages that `which` (a filter) picks."""
    statement = update(Message).where(which).execution_options(synchronize_session=False)  # type: ignore[arg-type]
    await session.exec(statement.values(subject="", html="", text="", headers={}, links=[]))
