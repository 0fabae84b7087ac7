"""What the calls do, seen from both sides: our adapters, and the sandbox's own record. Over real HTTP."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from service.providers.base import (
    CampaignDraft,
    CampaignStatus,
    Contact,
    ContactStatus,
    Misconfigured,
    OutboundEmail,
    OutcomeUnknown,
    Rejected,
    SendStatus,
)
from service.providers.build import MailchimpProviders, build_providers, build_slots
from service.providers.findings import SetupPlan
from service.providers.incoming import ProviderEventKind as Kind
from service.providers.mailchimp_members import member_key
from service.providers.mailchimp_webhooks import parse_form, verify_signature
from service.providers.transactional_webhooks import Verdict, form_of, parse_batch, parse_item, verify
from tests.fakes import FrozenClock
from tests.providers.sandboxed import Receiver, Sandbox, running_receiver, running_sandbox

HTML = '<p>Hello *|FNAME|*, <a href="https://example.org/a">read</a></p><p>*|UNSUB|* *|LIST:ADDRESS|*</p>'
MAIL = OutboundEmail(
    "d-1",
    "welcome",
    "clicks+ann@example.org",
    "Ann",
    "hello@example.org",
    "CoP",
    "Hello",
    '<p>Hi <a href="https://example.org/a">read</a></p>',
    "Hi https://example.org/a",
    track_opens=True,
    track_clicks=True,
)


@pytest.fixture(scope="module")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    sandbox_process.ask("DELETE", "/faults")
    sandbox_process.ask("POST", "/reset")
    sandbox_process.ask("DELETE", "/requests")
    return sandbox_process


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest_asyncio.fixture
async def adapters(sandbox: Sandbox) -> AsyncIterator[MailchimpProviders]:
    built = build_providers(sandbox.config, slots=build_slots(sandbox.config, None), clock=FrozenClock())
    yield built
    await built.close()


def people(count: int, start: int = 0) -> list[Contact]:
    opted = datetime(2026, 1, 5, tzinfo=UTC)
    return [
        Contact(f"m{i}@example.org", None, merge_fields={"FNAME": f"N{i}"}, tags=("cop",), opt_in_at=opted)
        for i in range(start, start + count)
    ]


async def test_new_people_cost_one_write_for_500_and_a_second_run_adds_nobody(adapters: MailchimpProviders, sandbox: Sandbox) -> None:
    everybody = people(1200)
    for start in range(0, 1200, 500):
        assert await adapters.audience.add(everybody[start : start + 500]) == []
    assert sandbox.counts()["writes"] == 3
    assert (await adapters.audience.check()).member_count == 1200
    problems = await adapters.audience.add(everybody[:500])
    assert {(problem.title, problem.final) for problem in problems} == {("Member Exists", True)}
    assert len(problems) == 500
    assert (await adapters.audience.check()).member_count == 1200


async def test_consent_is_never_overwritten_by_a_sync(adapters: MailchimpProviders) -> None:
    await adapters.audience.put(Contact("ann@example.org", None, merge_fields={"FNAME": "Ann"}, tags=("cop",)))
    await adapters.audience.unsubscribe("ann@example.org")
    contact = Contact("ann@example.org", None, merge_fields={"FNAME": "Anne"}, tags=("cop", "falls"))
    assert await adapters.audience.put_many([contact]) == []
    found = await adapters.audience.get("ANN@example.org")
    assert found is not None
    assert (found.status, found.merge_fields["FNAME"], set(found.tags)) == (ContactStatus.UNSUBSCRIBED, "Anne", {"cop", "falls"})


async def test_who_left_cannot_be_put_back_and_who_was_erased_neither(adapters: MailchimpProviders, sandbox: Sandbox) -> None:
    await adapters.audience.add(people(2))
    sandbox.ask("POST", "/audience/unsubscribe", email="m0@example.org")
    await adapters.audience.forget("m1@example.org")
    await adapters.audience.forget("m1@example.org")
    assert await adapters.audience.get("m1@example.org") is None
    for email, title in (("m0@example.org", "Member In Compliance State"), ("m1@example.org", "Forgotten Email Not Subscribed")):
        with pytest.raises(Rejected) as caught:
            await adapters.audience.put(Contact(email, ContactStatus.SUBSCRIBED))
        assert caught.value.title == title
        assert email not in caught.value.detail
    titles = [
        problem.title
        for problem in await adapters.audience.put_many([replace(contact, status=ContactStatus.SUBSCRIBED) for contact in people(2)])
    ]
    assert sorted(titles) == ["Forgotten Email Not Subscribed", "Member In Compliance State"]


async def test_a_changed_address_moves_the_contact_and_keeps_its_id(adapters: MailchimpProviders) -> None:
    before = await adapters.audience.put(Contact("old@example.org", None, merge_fields={"FNAME": "Ann"}))
    moved = Contact("new@example.org", None, merge_fields={"FNAME": "Ann"}, previous_hash=member_key("old@example.org"))
    for _ in range(2):  # a repeat after a crash
        after = await adapters.audience.put(moved)
        assert (after.email, after.contact_id) == ("new@example.org", before.contact_id)
    assert (await adapters.audience.check()).member_count == 1


async def test_changes_come_back_from_an_instant_on(adapters: MailchimpProviders, sandbox: Sandbox) -> None:
    for start in range(0, 2300, 500):
        await adapters.audience.add(people(min(500, 2300 - start), start))
    everybody = [contact async for contact in adapters.audience.changed_since(None)]
    assert len({contact.email for contact in everybody}) == len(everybody) == 2300
    sandbox.advance(hours=1)
    latest = max(contact.last_changed_at for contact in everybody if contact.last_changed_at)
    await adapters.audience.unsubscribe("m7@example.org")
    changed = [contact async for contact in adapters.audience.changed_since(latest + timedelta(minutes=1))]
    assert [(contact.email, contact.status) for contact in changed] == [("m7@example.org", ContactStatus.UNSUBSCRIBED)]


def draft(**more: object) -> CampaignDraft:
    return replace(CampaignDraft("cop|2026-W28", "News", "This week", "CoP", "hello@example.org", None, True, True), **more)  # type: ignore[arg-type]


async def test_an_edition_goes_from_draft_to_results(adapters: MailchimpProviders, sandbox: Sandbox) -> None:
    names = [
        "clicks+a@example.org",
        "apple+b@example.org",
        "bounce+c@example.org",
        "unsub+d@example.org",
        "complain+e@example.org",
        "silent+f@example.org",
    ]
    await adapters.audience.add([Contact(name, None, merge_fields={"FNAME": "N"}) for name in [*names, "left.out@example.org"]])
    folder = await adapters.campaigns.folder("Kindling")
    assert await adapters.campaigns.folder("Kindling") == folder
    segment = await adapters.campaigns.segment("2026-W28", [*names, "stranger@example.org"])
    made = await adapters.campaigns.create(draft(segment_id=segment, folder_id=folder))
    assert made.status is CampaignStatus.SAVE
    ready, items = await adapters.campaigns.checklist(made.id)
    assert not ready
    assert "error" in {item.level for item in items}
    await adapters.campaigns.set_content(made.id, html=HTML, text="Hi *|UNSUB|* *|LIST:ADDRESS|*")
    assert (await adapters.campaigns.checklist(made.id))[0]
    assert (await adapters.campaigns.get(made.id)).recipient_count == 6  # type: ignore[union-attr]
    await adapters.campaigns.test(made.id, ["fay@example.org"])
    assert await adapters.reports.summary(made.id) is None
    started = datetime.fromisoformat(sandbox.ask("GET", "/clock")["now"])
    await adapters.campaigns.send(made.id)
    with pytest.raises(Rejected):
        await adapters.campaigns.send(made.id)
    sandbox.advance(hours=100)
    sent = await adapters.campaigns.get(made.id)
    assert sent is not None
    assert (sent.status, sent.emails_sent) == (CampaignStatus.SENT, 6)
    assert sandbox.ask("GET", "/accepted?title=cop|2026-W28")["total"] == 6
    assert {recipient.email for recipient in [r async for r in adapters.reports.recipients(made.id)]} == set(names)
    activity = [one async for one in adapters.reports.activity(made.id, since=None)]
    done = {(one.email, one.action) for one in activity}
    for expected in [
        (names[0], "click"),
        (names[0], "open"),
        (names[2], "hard_bounce"),
        (names[3], "unsubscribe"),
        (names[4], "complaint"),
    ]:
        assert expected in done
    assert {one.is_proxy_open for one in activity if (one.email, one.action) == (names[1], "open")} == {True}
    assert {one.email for one in activity} <= set(names) - {names[5]}
    summary = await adapters.reports.summary(made.id)
    assert summary is not None
    assert (summary.emails_sent, summary.hard_bounces, summary.complaints) == (6, 1, 1)
    assert summary.unique_opens == len({one.email for one in activity if one.action == "open"})
    assert summary.unique_subscriber_clicks == len({one.email for one in activity if one.action == "click"})
    late = [one async for one in adapters.reports.activity(made.id, since=started + timedelta(hours=99))]
    assert late == [one for one in activity if one.at >= started + timedelta(hours=99)]
    past = [one.id async for one in adapters.reports.sent_campaigns(since=started - timedelta(hours=1))]
    assert past == [made.id]


async def test_a_campaign_whose_answer_was_lost_is_found_and_never_made_twice(adapters: MailchimpProviders, sandbox: Sandbox) -> None:
    folder = await adapters.campaigns.folder("Kindling")
    since = datetime.fromisoformat(sandbox.ask("GET", "/clock")["now"]) - timedelta(days=1)
    sandbox.fault("reset", operation="POST /campaigns")
    with pytest.raises(OutcomeUnknown):
        await adapters.campaigns.create(draft(folder_id=folder))
    (found,) = await adapters.campaigns.find("cop|2026-W28", folder_id=folder, created_since=since)
    assert found.status is CampaignStatus.SAVE
    assert await adapters.campaigns.find("cop|2026-W2", folder_id=folder, created_since=since) == []


async def test_scheduling_and_going_back(adapters: MailchimpProviders, sandbox: Sandbox) -> None:
    await adapters.audience.add(people(2))
    made = await adapters.campaigns.create(draft())
    await adapters.campaigns.set_content(made.id, html=HTML, text="*|UNSUB|* *|LIST:ADDRESS|*")
    now = datetime.fromisoformat(sandbox.ask("GET", "/clock")["now"])
    at = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    await adapters.campaigns.schedule(made.id, at)
    scheduled = await adapters.campaigns.get(made.id)
    assert scheduled is not None
    assert (scheduled.status, scheduled.send_time) == (CampaignStatus.SCHEDULE, at)
    await adapters.campaigns.unschedule(made.id)
    assert (await adapters.campaigns.get(made.id)).status is CampaignStatus.SAVE  # type: ignore[union-attr]
    sandbox.ask("POST", "/settings", scheduling=False)
    with pytest.raises(Misconfigured):
        await adapters.campaigns.schedule(made.id, at)
    sandbox.ask("POST", "/settings", scheduling=True)
    await adapters.campaigns.delete(made.id)
    assert await adapters.campaigns.get(made.id) is None


async def test_a_mail_whose_answer_was_lost_is_found_by_its_delivery(adapters: MailchimpProviders, sandbox: Sandbox) -> None:
    assert adapters.mailer is not None
    now = datetime.fromisoformat(sandbox.ask("GET", "/clock")["now"])
    await adapters.set_up(SetupPlan(), dry_run=False)  # the index must be there before the first mail
    sandbox.fault("reset", operation="messages/send")
    with pytest.raises(OutcomeUnknown):
        await adapters.mailer.send(MAIL)
    window = {"kind": "welcome", "since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
    found = await adapters.mailer.find("d-1", **window)
    assert found is not None
    assert found.status is SendStatus.ACCEPTED
    assert await adapters.mailer.find("d-2", **window) is None
    assert sandbox.ask("GET", "/accepted?delivery_id=d-1")["total"] == 1


async def test_the_denylist_turns_mail_down_until_the_address_is_allowed(adapters: MailchimpProviders) -> None:
    mailer = adapters.mailer
    assert mailer is not None
    await mailer.check()
    await mailer.deny(MAIL.to_email, comment="unsubscribed here")
    assert [entry.email async for entry in mailer.rejects()] == [MAIL.to_email]
    turned_down = await mailer.send(MAIL)
    assert (turned_down.status, turned_down.reason) == (SendStatus.REJECTED, "custom")
    for _ in range(2):
        await mailer.allow(MAIL.to_email)
    assert (await mailer.send(MAIL)).status is SendStatus.ACCEPTED


async def test_set_up_makes_everything_once(adapters: MailchimpProviders, sandbox: Sandbox, receiver: Receiver) -> None:
    plan = SetupPlan(
        audience_webhook_url=receiver.url("/webhooks/mailchimp/s3cret"),
        transactional_webhook_url=receiver.url("/webhooks/transactional"),
        inbound_domain="reply.example.org",
        inbound_url=receiver.url("/webhooks/inbound"),
        from_email="hello@example.org",
    )
    before = sandbox.counts()["writes"]
    rehearsal = await adapters.set_up(plan, dry_run=True)
    assert sandbox.counts()["writes"] == before, "a dry run writes nothing"
    assert (rehearsal.signing_secret, rehearsal.folder_id) == ("", "")
    done = await adapters.set_up(plan, dry_run=False)
    assert [finding for finding in done.findings if not finding.ok] == []
    assert {finding.name for finding in done.findings if finding.changed} >= {
        "campaign folder",
        "audience webhook",
        "transactional webhook",
        "metadata index",
        "inbound route",
    }
    assert done.signing_secret
    assert done.transactional_key
    assert done.signing_secret not in repr(done)
    again = await adapters.set_up(replace(plan, holds_signing_secret=True), dry_run=False)
    assert [finding.name for finding in again.findings if finding.changed or not finding.ok] == []
    assert again.transactional_key == done.transactional_key
    lost = await adapters.set_up(plan, dry_run=False)  # the secret was lost: a new one
    assert lost.signing_secret not in ("", done.signing_secret)
    facts = await adapters.account_facts()
    assert facts.plan_can_schedule
    assert "example.org" in facts.verified_domains


async def test_an_unreachable_address_is_a_finding_with_its_mend(adapters: MailchimpProviders) -> None:
    plan = SetupPlan(audience_webhook_url="http://127.0.0.1:9/a", transactional_webhook_url="http://127.0.0.1:9/b")
    bad = {finding.name: finding for finding in (await adapters.set_up(plan, dry_run=False)).findings if not finding.ok}
    assert set(bad) == {"audience webhook", "transactional webhook"}
    assert all("PUBLIC_URL" in finding.mend for finding in bad.values())


async def test_what_people_do_comes_back_signed(adapters: MailchimpProviders, sandbox: Sandbox, receiver: Receiver) -> None:
    plan = SetupPlan(
        audience_webhook_url=receiver.url("/a"),
        transactional_webhook_url=receiver.url("/t"),
        inbound_domain="reply.example.org",
        inbound_url=receiver.url("/i"),
    )
    secrets = await adapters.set_up(plan, dry_run=False)
    assert adapters.mailer is not None
    await adapters.mailer.send(replace(MAIL, reply_to="r+token@reply.example.org"))
    await adapters.audience.add([Contact("ann@example.org", None)])
    sandbox.ask("POST", "/audience/unsubscribe", email="ann@example.org")
    sandbox.advance(hours=48)
    now = datetime.fromisoformat(sandbox.ask("GET", "/clock")["now"])
    kinds = set()
    for post in receiver.at("/t"):
        signature = post.headers["x-mandrill-signature"]
        assert verify(form_of(post.raw), signature, urls=[receiver.url("/t")], keys=[secrets.transactional_key]) is Verdict.GENUINE
        for kept in parse_batch(form_of(post.raw), received_at=now):
            found = parse_item(kept.raw, received_at=now)
            assert (found.delivery_id, found.email) == ("d-1", MAIL.to_email)
            kinds.add(found.kind)
    assert kinds >= {Kind.SENT, Kind.DELIVERED, Kind.OPENED, Kind.CLICKED}
    assert kinds <= set(Kind) - {Kind.UNKNOWN}
    (left,) = [parse_form(post.raw, received_at=now)[0] for post in receiver.at("/a")]
    assert (left.kind, left.email) == (Kind.UNSUBSCRIBED, "ann@example.org")
    post = receiver.at("/a")[0]
    stamp = int(post.headers["x-mailchimp-signature"].split(",")[0].removeprefix("t="))
    assert verify_signature(
        post.raw, post.headers["x-mailchimp-signature"], secrets=["old", secrets.signing_secret], now=datetime.fromtimestamp(stamp, UTC)
    )
