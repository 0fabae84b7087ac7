"""What stored happenings do to deliveries, suppressions and members: in any order, any number of times."""

import asyncio
import logging
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event
from sqlmodel import col, select

from service.audience.models import AudienceContact
from service.audience.rules import subscriber_hash
from service.campaigns.models import Campaign, CampaignStep
from service.engagement.models import EngagementEvent
from service.logs import current_trace, follow
from service.members.models import Member
from service.members.rules import MemberStatus
from service.messages.models import Delivery, Message, Suppression
from service.messages.rules import DeliveryStatus, MessageKind
from service.messages.sending import deliver_due
from service.webhooks.apply import apply_waiting
from service.webhooks.audience_events import TAKEN
from service.webhooks.inbox import WAITS
from service.webhooks.models import WebhookEvent
from tests.factories import a_delivery, a_member, delivery_now
from tests.fakes import FrozenClock
from tests.webhooks.kit import Caller, message_item, subscribe_form

EMAIL = "asha@trust.nhs.uk"
SENT = int(datetime(2026, 7, 8, 8, 0, tzinfo=UTC).timestamp())


async def a_sent_mail(caller: Caller, **given: Any) -> Delivery:
    """A welcome that Transactional accepted at 08:00."""
    async with caller.parts.database.transaction() as session:
        row = await a_delivery(session, caller.parts, await a_member(session, EMAIL, **given))
        row.status, row.accepted_at, row.sending_at = DeliveryStatus.ACCEPTED, caller.parts.clock.now(), caller.parts.clock.now()
        row.provider_id = "ab12"
        session.add(row)
    return row


async def tell(caller: Caller, *items: Any) -> None:
    assert await caller.transactional(list(items)) == 200
    await apply_waiting(caller.parts)


async def tell_audience(caller: Caller, **form: str) -> str:
    """One audience event; what was made of it. `__` stands for brackets in names: data__email, merges__FNAME."""
    fields = {f"data[{name[6:]}]" if name.startswith("data__") else name: value for name, value in form.items()}
    assert await caller.audience(fields | {"data[list_id]": "L1"}) == 200
    await apply_waiting(caller.parts)
    return (await caller.stored())[-1].outcome


async def member_now(caller: Caller, email: str = EMAIL) -> Member:
    async with caller.parts.database.reading() as session:
        return (await session.exec(select(Member).where(Member.email_key == email))).one()


async def reasons(caller: Caller) -> list[str]:
    async with caller.parts.database.reading() as session:
        return sorted((await session.exec(select(Suppression.reason))).all())


@pytest.mark.parametrize(
    ("event", "more", "status", "field"),
    [
        ("send", {}, "accepted", "accepted_at"),
        ("deferral", {}, "deferred", "accepted_at"),
        ("delivered", {}, "delivered", "delivered_at"),
        ("soft_bounce", {"msg": {"bounce_description": "mailbox_full"}}, "soft_bounced", "bounced_at"),
        ("hard_bounce", {"msg": {"bounce_description": "bad_mailbox"}}, "bounced", "bounced_at"),
        ("spam", {}, "complained", "complained_at"),
        ("unsub", {}, "delivered", "unsubscribed_at"),
        ("open", {"ip": "203.0.113.9", "user_agent": "Outlook"}, "delivered", "accepted_at"),
        ("click", {"url": "https://example.org/a"}, "delivered", "accepted_at"),
    ],
)
async def test_each_kind_of_report_leaves_its_mark(caller: Caller, event: str, more: dict[str, Any], status: str, field: str) -> None:
    row = await a_sent_mail(caller)
    await tell(caller, message_item(event, str(row.id), ts=SENT, **more))
    now = await delivery_now(caller.parts, row.id)
    assert now.status == status
    assert getattr(now, field) is not None


async def test_a_followed_link_is_kept_without_the_token_that_makes_it_the_members(caller: Caller) -> None:
    row = await a_sent_mail(caller)
    member, links = await member_now(caller), caller.parts.links
    for url in (f"{links.preferences(member.id)}?lang=cy", links.event(row.id, member.id), "https://example.org/events/tea"):
        await tell(caller, message_item("click", str(row.id), ts=SENT, url=url))
    async with caller.parts.database.reading() as session:
        kept = set((await session.exec(select(EngagementEvent.url))).all())
    assert kept == {links.page("/preferences/…?lang=cy"), links.page(f"/events/{row.id}/…"), "https://example.org/events/tea"}


@pytest.mark.parametrize(
    ("event", "reason", "standing"),
    [("hard_bounce", "hard_bounce", "cleaned"), ("spam", "complaint", "unsubscribed"), ("unsub", "unsubscribe", "unsubscribed")],
)
async def test_bounce_complaint_and_leaving_suppress_the_address(caller: Caller, event: str, reason: str, standing: str) -> None:
    row = await a_sent_mail(caller)
    await tell(caller, message_item(event, str(row.id), ts=SENT))
    assert await reasons(caller) == [reason]
    assert (await member_now(caller)).status == standing


async def test_reports_in_any_order_and_any_number_of_times_end_the_same(caller: Caller, clock: FrozenClock) -> None:
    clock.advance(hours=2)
    items = [
        ("send", SENT, {}),
        ("delivered", SENT + 5, {}),
        ("open", SENT + 900, {"user_agent": "Outlook", "ip": "203.0.113.9"}),
        ("click", SENT + 960, {"url": "https://example.org/a", "user_agent": "Outlook", "ip": "203.0.113.9"}),
        ("hard_bounce", SENT + 1800, {"msg": {"bounce_description": "bad_mailbox"}}),
    ]
    draw = random.Random(7)
    ends = set()
    for n in range(4):
        async with caller.parts.database.transaction() as session:
            member = await a_member(session, f"m{n}@trust.nhs.uk")
            row = await a_delivery(session, caller.parts, member, key=f"welcome:{n}")
            row.status, row.sending_at = DeliveryStatus.SENDING, datetime(2026, 7, 8, 8, 0, tzinfo=UTC)
            session.add(row)
        told = [message_item(event, str(row.id), ts=ts, provider_id=f"id{n}", **more) for event, ts, more in items] * 2
        draw.shuffle(told)
        for item in told:
            await tell(caller, item)
        now = await delivery_now(caller.parts, row.id)
        ends.add((now.status, now.delivered_at, now.bounced_at, now.first_opened_at, now.first_human_clicked_at, now.reason))
    assert len(ends) == 1
    assert next(iter(ends))[0] == "bounced"
    async with caller.parts.database.reading() as session:
        assert len((await session.exec(select(EngagementEvent))).all()) == 4 * 2


async def test_a_report_that_was_faster_than_our_record_settles_what_is_in_doubt(caller: Caller) -> None:
    row = await a_sent_mail(caller)
    async with caller.parts.database.transaction() as session:
        stored = await session.get_one(Delivery, row.id)
        stored.status, stored.accepted_at, stored.needs_person, stored.provider_id = DeliveryStatus.IN_DOUBT, None, True, ""
        session.add(stored)
    await tell(caller, message_item("delivered", str(row.id), ts=SENT))
    now = await delivery_now(caller.parts, row.id)
    assert (now.status, now.needs_person, now.provider_id, now.accepted_at) == ("delivered", False, "ab12", row.sending_at)


async def test_a_report_without_our_id_is_found_by_the_providers(caller: Caller) -> None:
    row = await a_sent_mail(caller)
    await tell(caller, {"event": "delivered", "_id": "ab12", "ts": SENT, "msg": {}})
    assert (await delivery_now(caller.parts, row.id)).status == "delivered"


async def test_a_report_for_an_unknown_delivery_waits_and_is_applied_once_it_is_there(caller: Caller, clock: FrozenClock) -> None:
    row_id = uuid4()
    await tell(caller, message_item("delivered", str(row_id), ts=SENT))
    [waiting] = await caller.stored()
    assert (waiting.handled_at, waiting.attempts, waiting.error) == (None, 1, "its delivery is not known yet")
    row = await a_sent_mail(caller)
    async with caller.parts.database.transaction() as session:
        stored = await session.get_one(WebhookEvent, waiting.id)
        stored.payload = stored.payload.replace(str(row_id), str(row.id))
        session.add(stored)
    assert await apply_waiting(caller.parts) == 0
    clock.advance(seconds=11)
    assert await apply_waiting(caller.parts) == 1
    assert (await delivery_now(caller.parts, row.id)).status == "delivered"


async def test_a_report_nobody_can_place_is_parked_in_the_end_where_a_person_sees_it(caller: Caller, clock: FrozenClock) -> None:
    await tell(caller, message_item("delivered", str(uuid4()), ts=SENT, provider_id="nobody"))
    for wait in WAITS:
        clock.advance(seconds=wait.total_seconds() + 1)
        await apply_waiting(caller.parts)
    [row] = await caller.stored()
    assert row.parked_at == clock.now()
    assert timedelta(hours=12) < sum(WAITS, timedelta()) < timedelta(hours=24)
    clock.advance(hours=24)
    assert await apply_waiting(caller.parts) == 0


async def test_one_that_can_not_be_applied_stops_no_other(caller: Caller) -> None:
    row = await a_sent_mail(caller)
    async with caller.parts.database.transaction() as session:
        for n, payload in enumerate(('{"event": "delivered"', "{}")):
            session.add(
                WebhookEvent(key=f"k{n}", source="transactional", payload=payload, received_at=row.queued_at, next_try_at=row.queued_at)
            )
    await tell(caller, message_item("delivered", str(row.id), ts=SENT))
    assert (await delivery_now(caller.parts, row.id)).status == "delivered"
    broken = [e for e in await caller.stored() if e.key == "k0"]
    assert (broken[0].handled_at, broken[0].attempts) == (None, 1)


async def test_where_many_can_not_be_written_together_each_is_written_alone(caller: Caller) -> None:
    row = await a_sent_mail(caller)
    broken = "https://broken.example.org/"
    refusal = f"""CREATE TRIGGER broken BEFORE INSERT ON engagement_event WHEN NEW.url = '{broken}' BEGIN SELECT RAISE(ABORT, 'no'); END"""
    if not caller.parts.database.is_sqlite:
        refusal = f"ALTER TABLE engagement_event ADD CONSTRAINT broken CHECK (url <> '{broken}')"
    async with caller.parts.database.transaction() as session:
        await (await session.connection()).exec_driver_sql(refusal)
    reader = {"ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"}
    clicks = [
        message_item("click", str(row.id), ts=SENT + 60 * n, url=url, **reader) for n, url in enumerate((broken, "https://e.org/"), start=5)
    ]
    caller.parts.clock.advance(hours=1)  # type: ignore[attr-defined]
    await tell(caller, message_item("spam", str(row.id), ts=SENT + 900), *clicks)
    assert [(e.raw_type, e.handled_at is None, e.error) for e in await caller.stored()] == [
        ("spam", False, ""), ("click", True, "IntegrityError"), ("click", False, ""),
    ]  # fmt: skip
    async with caller.parts.database.reading() as session:
        assert (await session.exec(select(EngagementEvent.url))).all() == ["https://e.org/"]
    member = await member_now(caller)
    assert (member.status, member.last_active_at) == (MemberStatus.UNSUBSCRIBED, datetime.fromtimestamp(SENT + 360, UTC))


async def test_a_nul_in_what_a_visitor_sent_stops_nothing(caller: Caller) -> None:
    row = await a_sent_mail(caller)
    await tell(caller, message_item("click", str(row.id), ts=SENT, url="https://e.org/\x00", user_agent="odd\x00agent"))
    async with caller.parts.database.reading() as session:
        assert (await session.exec(select(EngagementEvent.user_agent))).all() == ["odd\ufffdagent"]


async def test_unknown_types_are_kept_and_passed_over(caller: Caller) -> None:
    row = await a_sent_mail(caller)
    await tell(caller, message_item("teleported", str(row.id), ts=SENT))
    [stored] = await caller.stored()
    assert (stored.outcome, stored.handled_at is not None) == ("unknown_type", True)


async def test_a_time_in_the_future_is_cut_to_now(caller: Caller) -> None:
    row = await a_sent_mail(caller)
    await tell(caller, message_item("delivered", str(row.id), ts=SENT + 900_000))
    assert (await delivery_now(caller.parts, row.id)).delivered_at == caller.parts.clock.now()


async def test_of_a_member_who_declined_measuring_no_opens_are_kept(caller: Caller) -> None:
    row = await a_sent_mail(caller, allows_measuring=False)
    await tell(caller, message_item("open", str(row.id), ts=SENT), message_item("click", str(row.id), ts=SENT, url="https://example.org/a"))
    async with caller.parts.database.reading() as session:
        assert (await session.exec(select(EngagementEvent))).all() == []


async def test_the_denylist_is_followed_when_it_grows_and_lifts_nothing_when_it_shrinks(caller: Caller) -> None:
    await a_sent_mail(caller)
    entry = {"email": EMAIL, "reason": "spam", "created_at": "2026-07-08 08:00:00"}
    await tell(caller, {"type": "blacklist", "action": "add", "ts": SENT, "reject": entry})
    assert await reasons(caller) == ["complaint"]
    await tell(caller, {"type": "blacklist", "action": "remove", "ts": SENT + 9, "reject": entry})
    async with caller.parts.database.reading() as session:
        assert (await session.exec(select(Suppression.lifted_at))).all() == [None]


async def test_a_soft_bounce_on_the_denylist_is_transactionals_own_business(caller: Caller) -> None:
    await a_sent_mail(caller)
    await tell(caller, {"type": "denylist", "action": "add", "ts": SENT, "reject": {"email": EMAIL, "reason": "soft-bounce"}})
    assert await reasons(caller) == []


# --- the audience ------------------------------------------------------------------------------------------------


async def test_somebody_who_subscribes_at_mailchimp_becomes_a_member(caller: Caller) -> None:
    assert await caller.audience(subscribe_form("new@trust.nhs.uk")) == 200
    await apply_waiting(caller.parts)
    member = await member_now(caller, "new@trust.nhs.uk")
    assert (member.status, member.first_name, member.consent_source, member.consent_ip) == (
        "subscribed",
        "Asha",
        "mailchimp",
        "203.0.113.9",
    )


@pytest.mark.parametrize(
    ("form", "reason", "standing"),
    [
        ({"type": "unsubscribe", "data__action": "unsub", "data__reason": "manual"}, "unsubscribe", "unsubscribed"),
        ({"type": "unsubscribe", "data__action": "unsub", "data__reason": "abuse"}, "complaint", "unsubscribed"),
        ({"type": "unsubscribe", "data__action": "delete", "data__reason": "manual"}, "unsubscribe", "unsubscribed"),
        ({"type": "cleaned", "data__reason": "hard"}, "hard_bounce", "cleaned"),
        ({"type": "cleaned", "data__reason": "abuse"}, "complaint", "unsubscribed"),
    ],
)
async def test_whoever_leaves_at_mailchimp_gets_nothing_from_here(caller: Caller, form: dict[str, str], reason: str, standing: str) -> None:
    async with caller.parts.database.transaction() as session:
        await a_member(session, EMAIL)
    assert await tell_audience(caller, **form, fired_at="2026-07-08 08:00:00", data__email=EMAIL.upper()) == "applied"
    assert await reasons(caller) == [reason]
    assert (await member_now(caller)).status == standing


async def test_an_unsubscribe_from_before_they_joined_again_comes_too_late_to_count(caller: Caller) -> None:
    async with caller.parts.database.transaction() as session:
        member = await a_member(session, EMAIL)
        member.consent_source, member.consent_at = "join_page", caller.parts.clock.now()
        session.add(member)
    told = await tell_audience(caller, type="unsubscribe", data__email=EMAIL, data__reason="manual", fired_at="2026-07-08 07:30:00")
    assert told == "joined_again_since"
    assert (await member_now(caller)).status == MemberStatus.SUBSCRIBED
    await tell_audience(caller, type="unsubscribe", data__email=EMAIL, data__reason="manual", fired_at="2026-07-08 08:30:00")
    assert (await member_now(caller)).status == MemberStatus.UNSUBSCRIBED


async def a_campaign_mail(caller: Caller) -> Delivery:
    now = caller.parts.clock.now()
    async with caller.parts.database.transaction() as session:
        member = await a_member(session, EMAIL)
        message = Message(kind=MessageKind.NEWSLETTER, subject="s", html="h", text="t", created_at=now)
        session.add(message)
        await session.flush()
        campaign = Campaign(
            title="t", kind=MessageKind.NEWSLETTER, message_id=message.id, step=CampaignStep.SENT, remote_id="c1", created_at=now
        )
        campaign.next_poll_at = now + timedelta(hours=1)
        session.add(campaign)
        await session.flush()
        row = Delivery(
            key="edition:1", kind=MessageKind.NEWSLETTER, message_id=message.id, member_id=member.id, email=EMAIL, status="delivered",
            campaign_id=campaign.id, due_at=now, queued_at=now, accepted_at=now,
        )  # fmt: skip
        session.add(row)
    return row


async def test_leaving_by_a_campaign_is_noted_on_its_delivery(caller: Caller) -> None:
    row = await a_campaign_mail(caller)
    await tell_audience(
        caller, type="unsubscribe", data__email=EMAIL, data__campaign_id="c1", data__reason="manual", fired_at="2026-07-08 07:59:00"
    )
    assert (await delivery_now(caller.parts, row.id)).unsubscribed_at == datetime(2026, 7, 8, 7, 59, tzinfo=UTC)


async def test_news_of_a_sent_campaign_has_its_report_read_now(caller: Caller) -> None:
    await a_campaign_mail(caller)
    assert await tell_audience(caller, type="campaign", data__id="c1", data__status="sent", fired_at="2026-07-08 07:59:00") == "applied"
    async with caller.parts.database.reading() as session:
        [campaign] = (await session.exec(select(Campaign))).all()
    assert campaign.next_poll_at == caller.parts.clock.now()
    assert await tell_audience(caller, type="campaign", data__id="c9", data__status="sent", fired_at="2026-07-08 07:59:00") == "not_ours"


async def known_to_mailchimp(caller: Caller, email: str = EMAIL) -> UUID:
    async with caller.parts.database.transaction() as session:
        member = await a_member(session, email)
        session.add(AudienceContact(member_id=member.id, email_hash=subscriber_hash(email), remote_status="subscribed"))
    return member.id


@pytest.mark.parametrize(
    "form",
    [
        {"data__old_email": EMAIL, "data__new_email": "asha.k@trust.nhs.uk", "data__new_id": "ff00"},
        {"data__old_email": EMAIL, "data__email": "asha.k@trust.nhs.uk"},
    ],
    ids=["as documented", "as older ones are"],
)
async def test_an_address_changed_at_mailchimp_moves_the_member_and_makes_no_second(caller: Caller, form: dict[str, str]) -> None:
    member_id = await known_to_mailchimp(caller)
    assert await tell_audience(caller, type="upemail", fired_at="2026-07-08 07:59:00", **form) == "applied"
    async with caller.parts.database.reading() as session:
        [member] = (await session.exec(select(Member))).all()
        contact = await session.get_one(AudienceContact, member_id)
    assert (member.id, member.email) == (member_id, "asha.k@trust.nhs.uk")
    assert contact.email_hash == subscriber_hash("asha.k@trust.nhs.uk")


async def test_an_address_that_belongs_to_another_member_waits_for_a_person(caller: Caller) -> None:
    await known_to_mailchimp(caller)
    await known_to_mailchimp(caller, "ben@trust.nhs.uk")
    form = {"data__old_email": EMAIL, "data__new_email": "ben@trust.nhs.uk"}
    await tell_audience(caller, type="upemail", fired_at="2026-07-08 07:59:00", **form)
    [row] = await caller.stored()
    assert (row.parked_at, row.handled_at, row.error) == (caller.parts.clock.now(), None, TAKEN)
    async with caller.parts.database.reading() as session:
        assert sorted((await session.exec(select(Member.email).order_by(col(Member.email)))).all()) == [EMAIL, "ben@trust.nhs.uk"]


async def test_a_name_changed_at_mailchimp_is_taken_over_and_an_empty_one_is_not(caller: Caller) -> None:
    await known_to_mailchimp(caller)
    form = {"data__email": EMAIL, "data__merges][FNAME": "Aisha", "data__merges][LNAME": ""}
    await tell_audience(caller, type="profile", fired_at="2026-07-08 07:59:00", **form)
    member = await member_now(caller)
    assert (member.first_name, member.last_name) == ("Aisha", "")


async def test_an_event_about_nobody_we_know_changes_nothing(caller: Caller) -> None:
    form = {"data__email": "stranger@trust.nhs.uk", "fired_at": "2026-07-08 07:59:00"}
    assert await tell_audience(caller, type="profile", **form) == "nothing_to_do"
    assert await tell_audience(caller, type="vanished", **form) == "nothing_to_do"
    async with caller.parts.database.reading() as session:
        assert (await session.exec(select(Member))).all() == []


async def test_our_refusal_stands_against_a_subscription_at_mailchimp(caller: Caller) -> None:
    await known_to_mailchimp(caller)
    await tell_audience(caller, type="unsubscribe", data__email=EMAIL, data__reason="manual", fired_at="2026-07-08 07:59:00")
    assert await caller.audience(subscribe_form(fired_at="2026-07-08 07:59:30")) == 200
    await apply_waiting(caller.parts)
    member = await member_now(caller)
    assert (member.status, member.audience_due_at is not None) == (MemberStatus.UNSUBSCRIBED, True)


async def test_two_workers_apply_each_happening_once(caller: Caller) -> None:
    row = await a_sent_mail(caller)
    items = [message_item("open", str(row.id), ts=SENT - 60 * n, user_agent=f"a{n}") for n in range(50)]
    assert await caller.transactional(items) == 200
    counts = await asyncio.gather(apply_waiting(caller.parts), apply_waiting(replace(caller.parts)))
    assert sum(counts) == 50
    async with caller.parts.database.reading() as session:
        assert len((await session.exec(select(EngagementEvent))).all()) == 50


async def test_what_waits_is_found_without_reading_all_that_is_kept(caller: Caller) -> None:
    if not caller.parts.database.is_sqlite:
        pytest.skip("PostgreSQL reads a table of few rows whole, whatever index there is")
    asked: list[tuple[str, Any]] = []
    engine = caller.parts.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda _c, _k, statement, values, *_: asked.append((statement, values)))
    assert await apply_waiting(caller.parts) == 0
    [(statement, values)] = [(text, values) for text, values in asked if "FROM webhook_event" in text]
    async with caller.parts.database.reading() as session:
        plan = await (await session.connection()).exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        [row] = plan.all()  # one step: nothing is sorted either
    assert "USING INDEX ix_webhook_event_waiting" in row[3]


class Traces(logging.Handler):
    """What was logged under which id."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.found: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append((current_trace(), record.getMessage().partition(":")[0]))


async def test_one_id_goes_from_the_request_through_the_mail_to_what_is_told_of_it(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="service")
    with follow("from-the-proxy-1"):  # as around each request
        async with caller.parts.database.transaction() as session:
            row = await a_delivery(session, caller.parts, await a_member(session, EMAIL))
    traces = Traces()
    logging.getLogger("service").addHandler(traces)
    try:
        await deliver_due(caller.parts, owner="w")
        await tell(caller, message_item("delivered", str(row.id), provider_id="remote-1"))
    finally:
        logging.getLogger("service").removeHandler(traces)
    assert [what for trace, what in traces.found if trace == "from-the-proxy-1"] == ["sent", "report applied"]
    assert (await delivery_now(caller.parts, row.id)).trace == "from-the-proxy-1"
