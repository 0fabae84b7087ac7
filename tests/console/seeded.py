"""A believable small community, for looking at pages: something in every state that a page can show."""

from datetime import timedelta
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.models import AudienceContact
from service.auth.keys import create_key
from service.auth.rules import Role
from service.campaigns.models import Campaign, CampaignStep
from service.db import new_id
from service.engagement.models import EngagementEvent, Reply
from service.engagement.signals import Verdict
from service.events.models import Attendance, Event
from service.jobs.models import Job, JobStatus
from service.members.joining import open_join_request
from service.members.models import Member
from service.messages.models import Delivery, Message, ProviderHalt
from service.messages.rules import DeliveryStatus
from service.newsletter.campaigns import Variant, campaign_title
from service.newsletter.models import ContentItem, Edition, Feed
from service.parts import Parts
from service.resources.models import Resource
from service.webhooks.models import WebhookEvent
from service.welcome.drafts import draft_welcomes
from tests.factories import a_member
from tests.fakes import NOW

PEOPLE = (
    ("Asha", "Rao", "Staff nurse", "Airedale NHS Foundation Trust"),
    ("Ben", "Whitfield", "Improvement lead", "Leeds Teaching Hospitals"),
    ("Chidi", "Okeke", "Pharmacist", "Airedale NHS Foundation Trust"),
    ("Dorothy", "Hale", "Patient partner", "Healthwatch Bradford"),
    ("Elin", "Morgan", "Ward manager", "Betsi Cadwaladr Health Board"),
    ("Farid", "Khan", "Physiotherapist", "Leeds Teaching Hospitals"),
    ("Grace", "Liu", "Matron", "Royal Berkshire"),
    ("Hannah", "Moore", "Community nurse", "Bradford District Care"),
)
REASONS = (
    "We keep missing patients who get worse overnight. How do other night teams hand over?",
    "I am new to quality improvement and would like to try something small on my ward.",
    "Falls on our older people's ward have gone up since the winter.",
)
WORDS = (
    "We tried the sheet on ward 4. Two near misses were seen at handover that we would have missed.\n\nMay I bring a colleague to the call?"
)
LIBRARY = (
    ("A night handover sheet that fits on one page", "handover", "Used on 14 wards; takes four minutes."),
    ("Spotting deterioration: what the NEWS2 score misses", "deterioration", "A short read with three cases."),
    ("Your first improvement cycle in two weeks", "quality improvement", "A template and a friendly call."),
    ("Falls huddles: how three wards halved falls", "falls", "Ten minutes a day, with the script."),
)
ITEMS = (
    ("discussion", "Who looks after the night team's breaks?", "accepted"),
    ("content", "What we learnt from 40 falls huddles", "accepted"),
    ("activity", "Open call: bring one case, Thursday 16:00", "accepted"),
    ("announcement", "The library has a new shelf on sepsis", "accepted"),
    ("content", "New guidance on oxygen at home", "collected"),
    ("content", "A podcast on psychological safety", "collected"),
    ("content", "Conference in York", "dropped"),
)


async def seed(parts: Parts) -> dict[str, str]:
    """Paths of what was made, by name; `key` is an admin's key."""
    async with parts.database.transaction() as session:
        _, key = await create_key(session, name="Maria Okafor", role=Role.ADMIN, now=NOW)
        people = [
            await a_member(
                session, f"{first.lower()}@trust.example.org", first_name=first, last_name=last, profession=role, organisation=where,
                interests=["sepsis", "handover"], at=NOW - timedelta(days=90),
            )
            for first, last, role, where in PEOPLE
        ]  # fmt: skip
        for person in people[:4]:
            person.last_active_at, person.engagement_score = NOW - timedelta(days=3), 4.2
        session.add_all(
            Resource(
                title=t,
                url=f"https://example.org/{topic}",
                topics=[topic],
                summary=s,
                activities=["sharing"],
                created_at=NOW,
                updated_at=NOW,
            )
            for t, topic, s in LIBRARY
        )
        requests = [
            await open_join_request(session, member, reason, now=NOW - timedelta(days=n))
            for n, (member, reason) in enumerate(zip(people[5:], REASONS, strict=False))
        ]
        items = [
            ContentItem(
                kind=k,
                title=t,
                status=s,
                summary="In a few words.",
                source="BMJ Quality",
                url="https://example.org/x",
                created_at=NOW,
                updated_at=NOW,
            )
            for k, t, s in ITEMS
        ]
        session.add_all(
            [
                *items,
                Feed(
                    url="https://example.org/feed.xml",
                    title="BMJ Quality",
                    next_check_at=NOW,
                    created_at=NOW,
                    problem="The feed answers 404. Check its address.",
                ),
            ]
        )
        draft = Edition(
            number=3,
            slot="2026-W29",
            status="draft",
            subject="Who looks after the night team?",
            preview_text="And an open call on Thursday",
            item_ids=[str(i.id) for i in items[:2]],
            lead_item_id=str(items[0].id),
            scheduled_for=NOW + timedelta(days=7, hours=1),
            created_at=NOW,
            updated_at=NOW,
        )
        session.add(draft)
        sent = [await _sent(session, number, people) for number in (1, 2)]
        event = Event(
            title="Open call: bring one case",
            starts_at=NOW + timedelta(days=1, hours=7),
            ends_at=NOW + timedelta(days=1, hours=8),
            venue="Online",
            url="https://example.org/call",
            created_at=NOW,
            updated_at=NOW,
        )
        past = Event(
            title="Night handover, shown on a ward",
            starts_at=NOW - timedelta(days=6),
            ends_at=NOW - timedelta(days=6),
            venue="Airedale, ward 4",
            created_at=NOW,
            updated_at=NOW,
        )
        session.add_all([event, past])
        await session.flush()
        session.add_all(
            Attendance(
                event_id=past.id, person_key=f"member:{p.id}", member_id=p.id, name=p.first_name, attended_at=past.starts_at, source="api"
            )
            for p in people[:4]
        )
        replies = [_reply(p, n) for n, p in enumerate(people[:3])]
        doubt = _delivery(people[4], "welcome", await _message(session, "welcome", "Welcome to the community"))
        doubt.status, doubt.needs_person, doubt.last_error = (
            DeliveryStatus.IN_DOUBT,
            True,
            "Mailchimp did not answer, and does not know it.",
        )
        waiting = _delivery(people[5], "welcome", doubt.message_id, status=DeliveryStatus.ACCEPTED, provider="mailchimp_transactional")
        waiting.accepted_at, waiting.queued_reason = NOW - timedelta(minutes=20), "sending-backlogged"
        job = Job(
            kind="import_members",
            status=JobStatus.DONE,
            total=12,
            done=12,
            rejected_count=1,
            rejected=[{"row": 7, "field": "email", "reason": "is not an email address"}],
            result={"added": 11},
            created_at=NOW,
        )
        running = Job(kind="import_members", status=JobStatus.RUNNING, total=200, done=80, created_at=NOW)
        session.add_all(
            [
                *replies,
                doubt,
                waiting,
                job,
                running,
                ProviderHalt(product="marketing", since=NOW, title="API key disabled", status=403, instance="0a1b-support"),
            ]
        )
        await session.flush()
        parked = WebhookEvent(
            key="x",
            source="marketing",
            raw_type="cleaned",
            payload="{}",
            received_at=NOW,
            next_try_at=NOW,
            parked_at=NOW,
            error="nobody has this address",
        )
        refused = AudienceContact(
            member_id=people[7].id, email_hash="x", problem="was permanently deleted", problem_mend="They can join again at the join page."
        )
        session.add_all([parked, refused])
    await draft_welcomes(parts)
    return {
        "key": key, "request": str(requests[0].id), "member": str(people[0].id), "edition": str(draft.id), "sent": str(sent[1].id),
        "event": str(past.id), "reply": str(replies[0].id), "delivery": str(doubt.id), "waiting": str(waiting.id),
        "job": str(job.id), "running job": str(running.id),
        "item": str(items[0].id),
    }  # fmt: skip


async def _message(session: AsyncSession, kind: str, subject: str) -> UUID:
    message = Message(kind=kind, subject=subject, html="<p>Hello</p>", text="Hello", created_at=NOW)
    session.add(message)
    await session.flush()
    return message.id


def _delivery(member: Member, kind: str, message_id: UUID, **given: object) -> Delivery:
    return Delivery(
        key=f"{kind}:{new_id()}",
        kind=kind,
        message_id=message_id,
        member_id=member.id,
        email=member.email,
        tracked=True,
        due_at=NOW,
        queued_at=NOW,
        **given,
    )


async def _sent(session: AsyncSession, number: int, people: list[Member]) -> Edition:
    at = NOW - timedelta(days=7 * (3 - number))
    message = await _message(session, "newsletter", f"Edition {number}")
    edition = Edition(
        number=number,
        slot=f"2026-W{25 + number}",
        status="sent",
        subject=f"What helps at night, part {number}",
        frozen_at=at,
        sent_at=at,
        scheduled_for=at,
        approved_at=at,
        approved_by="Maria Okafor",
        candidates=len(people),
        message_id=message,
        archive_html="<p>Hello</p>",
        created_at=at,
        updated_at=at,
    )
    session.add(edition)
    await session.flush()
    campaign = Campaign(
        title=campaign_title(edition, Variant.MEASURED),
        kind="newsletter",
        message_id=message,
        step=CampaignStep.SENT,
        emails_sent=len(people),
        sent_at=at,
        created_at=at,
    )
    session.add(campaign)
    await session.flush()
    for place, person in enumerate(people):
        opened = at + timedelta(hours=2 + place) if place < 3 + 2 * number else None
        row = _delivery(
            person,
            "newsletter",
            message,
            status=DeliveryStatus.DELIVERED,
            campaign_id=campaign.id,
            provider="marketing",
            accepted_at=at,
            delivered_at=at,
            first_opened_at=opened,
            first_human_opened_at=opened,
            first_clicked_at=opened if place < 3 else None,
            first_human_clicked_at=opened if place < 3 else None,
        )
        session.add(row)
        await session.flush()
        if opened:
            for kind in ("open", "click") if place < 3 else ("open",):
                session.add(
                    EngagementEvent(
                        key=f"{row.id}:{kind}",
                        kind=kind,
                        member_id=person.id,
                        delivery_id=row.id,
                        at=opened,
                        received_at=opened,
                        source="report",
                        verdict=Verdict.HUMAN,
                        url="https://example.org/huddle" if kind == "click" else "",
                    )
                )
    return edition


def _reply(member: Member, n: int) -> Reply:
    at = NOW - timedelta(hours=5 + 20 * n)
    return Reply(
        message_key=str(new_id()),
        member_id=member.id,
        kind="reply",
        at=at,
        received_at=at,
        from_email=member.email,
        subject="Re: What helps at night",
        text=WORDS,
    )
