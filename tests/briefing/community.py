"""A small community in one ordinary week of July 2026: what each morning mail of that week is made from."""

from datetime import UTC, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from service.campaigns.models import Campaign
from service.campaigns.plan import plan_campaign
from service.engagement.models import EngagementEvent
from service.events.attendance import replace_attendance
from service.events.models import Event
from service.events.rules import Attendee
from service.invitations.models import Invitation, InvitationJoin
from service.leadership.models import LeadershipTerm
from service.members.joining import open_join_request
from service.members.models import JoinRequest, Member
from service.messages.models import Delivery, Message
from service.newsletter.editions import ensure_draft
from service.newsletter.models import ContentItem, Edition
from service.parts import Parts
from tests.factories import a_member
from tests.newsletter.community import an_item
from tests.stories.kit import a_reply

MONDAY = datetime(2026, 7, 6, 6, 30, tzinfo=UTC)
"""07:30 in London."""
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
LONG_AGO = MONDAY - 200 * DAY


async def a_community(parts: Parts) -> dict[str, Member]:
    """Ten people: two who carry the community, two who have drifted away, two who want to join, and some who write."""
    async with parts.database.transaction() as session:
        people = await _people(session)
        await _last_edition(session, parts, people)
        await _last_event(session, people)
        await _coming_event(session)
        await _requests(session, people)
        await a_reply(
            session, people["eli"], "Has anybody tried a huddle on a day unit? Ours never starts on time.", key="q", at=MONDAY - 3 * DAY
        )
        await a_reply(
            session, people["gwen"], "Since then we have started a huddle at ten, and falls have halved.", key="s", at=MONDAY - 2 * DAY
        )
        await _feed_items(session)
        session.add(
            LeadershipTerm(
                member_id=people["hana"].id,
                role="value_detective",
                from_on=(LONG_AGO).date(),
                until_on=datetime(2026, 5, 31, tzinfo=UTC).date(),
                created_at=LONG_AGO,
                updated_at=LONG_AGO,
            )
        )
        await ensure_draft(session, now=MONDAY, settings=parts.settings)
    return people


async def _people(session: AsyncSession) -> dict[str, Member]:
    told = {
        "dee": {"first_name": "Dee", "last_name": "Morgan", "interests": ["huddle", "falls"], "leadership_roles": ["agenda_activist"]},
        "gwen": {"first_name": "Gwen", "last_name": "Hall", "interests": ["falls"]},
        "eli": {"first_name": "Eli", "last_name": "Brown"},
        "hana": {"first_name": "Hana", "last_name": "Ito"},
        "ben": {"first_name": "Ben", "last_name": "Adeyemi", "interests": ["night shifts"], "join_reason": "Nights are hard."},
        "ivy": {"first_name": "Ivy", "last_name": "Stone", "join_reason": "I want to learn how others run their rounds."},
    }
    people = {}
    for key, given in told.items():
        people[key] = await a_member(session, f"{key}@ward.example.org", at=LONG_AGO, organisation="St Elsewhere Hospital", **given)
    invitation = Invitation(member_id=people["dee"].id, created_at=MONDAY - 30 * DAY)
    session.add(invitation)
    await session.flush()
    session.add(InvitationJoin(member_id=people["eli"].id, invitation_id=invitation.id, joined_at=MONDAY - 20 * DAY))
    return people


async def _last_edition(session: AsyncSession, parts: Parts, people: dict[str, Member]) -> None:
    """Wednesday's newsletter of the week before, with people who opened it and followed a link."""
    sent = MONDAY - 5 * DAY + 2.5 * HOUR
    lead = await an_item(session, "Three wards share their falls huddle", now=sent - DAY)
    lead.status, lead.used_in = "used", ["1"]
    session.add(lead)
    message = Message(
        kind="newsletter", subject="Three wards share their huddle", html="<p>.</p>", text=".", links=[lead.url], created_at=sent
    )
    session.add(message)
    await session.flush()
    edition = Edition(
        number=1, slot="2026-W27", subject=message.subject, question="What starts your huddle on time?", item_ids=[str(lead.id)],
        lead_item_id=str(lead.id), status="sent", scheduled_for=sent, approved_at=sent - DAY, approved_by="key:test", frozen_at=sent,
        sent_at=sent, message_id=message.id, created_at=sent - DAY, updated_at=sent,
    )  # fmt: skip
    session.add(edition)
    await session.flush()
    title = f"kindling/1/{edition.id}/measured"
    campaign: Campaign = plan_campaign(
        session, title=title, kind="newsletter", message=message, preview_text="", tracked=True, send_at=sent, now=sent  # type: ignore[arg-type]
    )  # fmt: skip
    campaign.step, campaign.sent_at = "sent", sent
    session.add(campaign)
    await session.flush()
    for place, member in enumerate(people.values()):
        reads = place < 4
        delivery = Delivery(
            key=f"edition:{edition.id}:{member.id}", kind="newsletter", message_id=message.id, member_id=member.id, email=member.email,
            status="delivered", tracked=True, provider="marketing", campaign_id=campaign.id, due_at=sent, queued_at=sent, accepted_at=sent,
            delivered_at=sent, first_opened_at=sent + HOUR if reads else None, first_human_opened_at=sent + HOUR if reads else None,
            first_clicked_at=sent + HOUR if place < 2 else None, first_human_clicked_at=sent + HOUR if place < 2 else None,
        )  # fmt: skip
        session.add(delivery)
        await session.flush()
        if reads:
            for kind, url in (("open", ""), *((("click", lead.url),) if place < 2 else ())):
                session.add(
                    EngagementEvent(
                        key=f"{kind}{place}", kind=kind, member_id=member.id, delivery_id=delivery.id, at=sent + 2 * HOUR,
                        received_at=sent + 2 * HOUR, source="webhook", url=url, verdict="human", rule="test",
                    )
                )  # fmt: skip
            member.last_active_at = sent + HOUR
            session.add(member)
    await _earlier_mails(session, people)


async def _earlier_mails(session: AsyncSession, people: dict[str, Member]) -> None:
    """Three mails each to those who have drifted away: nobody is lapsed who was hardly written to."""
    for name, quiet_days in (("ben", 75), ("ivy", 90)):
        people[name].last_active_at = MONDAY - quiet_days * DAY
        session.add(people[name])
        for n in range(3):
            at = MONDAY - (60 - n * 7) * DAY
            message = Message(kind="newsletter", subject="Old", html="<p>.</p>", text=".", created_at=at)
            session.add(message)
            await session.flush()
            session.add(
                Delivery(
                    key=f"old:{name}:{n}", kind="newsletter", message_id=message.id, member_id=people[name].id, email=people[name].email,
                    status="delivered", due_at=at, queued_at=at, accepted_at=at, delivered_at=at,
                )
            )  # fmt: skip


async def _last_event(session: AsyncSession, people: dict[str, Member]) -> None:
    start = MONDAY - 6 * DAY + 4 * HOUR
    event = Event(
        title="Falls huddle", starts_at=start, ends_at=start + HOUR, venue="Online", created_at=start - DAY, updated_at=start - DAY
    )
    unlisted = Event(
        title="Visit to ward 9",
        starts_at=start + DAY,
        ends_at=start + DAY + HOUR,
        venue="Ward 9",
        created_at=start - DAY,
        updated_at=start - DAY,
    )
    session.add_all([event, unlisted])
    await session.flush()
    attendees = [Attendee(email=people[n].email, name=n, member_id=people[n].id) for n in ("dee", "hana")]
    await replace_attendance(session, event, attendees, now=start + HOUR, source="test")


async def _coming_event(session: AsyncSession) -> None:
    start = MONDAY + 8 * DAY + 3.5 * HOUR
    session.add(
        Event(title="Night handover, live", starts_at=start, ends_at=start + HOUR, created_at=MONDAY - DAY, updated_at=MONDAY - DAY)
    )


async def _requests(session: AsyncSession, people: dict[str, Member]) -> None:
    for name, last, reason, at in (
        ("asha", "Patel", "We keep missing patients who get worse overnight.", MONDAY - 16 * HOUR),
        ("femi", "Cole", "Falls at night worry me.", MONDAY - 2 * DAY),
    ):
        member = await a_member(session, f"{name}@clinic-in-town.org", at=at, first_name=name.capitalize(), last_name=last)
        request = await open_join_request(session, member, reason, now=at)
        drafted(request, at)
        session.add(request)
        people[name] = member


def drafted(request: JoinRequest, at: datetime) -> None:
    """The draft as the worker would have left it."""
    request.draft_subject, request.draft_body, request.drafted_at = "Welcome", "Dear colleague, welcome.", at
    if "overnight" in request.reason:
        resource = "01890000-0000-7000-8000-000000000001"
        request.matches = [{"resource_id": resource, "title": "SBAR handover in ten minutes", "score": 0.8, "why": "handover"}]
        request.match_is_confident = True


async def _feed_items(session: AsyncSession) -> None:
    for place, title in enumerate(("Deterioration: what a night team learned", "A checklist nobody uses")):
        at = MONDAY - (4 - place) * HOUR
        session.add(
            ContentItem(
                kind="content", title=title, url=f"https://example.org/{place}", source="Ward blog", status="collected", created_at=at,
                updated_at=at,
            )
        )  # fmt: skip
    for place, title in enumerate(("Sepsis in the first hour", "How to start a huddle", "What patients hear at night")):
        await an_item(session, title, now=MONDAY - (place + 2) * DAY, summary="Short and useful.")
