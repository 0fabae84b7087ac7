"""The Campaigns adapter: each step as Mailchimp wants it, each safe to look up before repeating."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import httpx
import orjson
import pytest

from service.providers.base import CampaignDraft, CampaignStatus, ChecklistItem, Misconfigured, OutcomeUnknown, ProviderError, Rejected
from service.providers.build import MailchimpProviders
from tests.providers.scripted import Scripted, answer, problem

DRAFT = CampaignDraft(
    "cop|2026-W28", "News", "This week", "CoP", "cop@example.org", 77, track_opens=True, track_clicks=False, folder_id="F"
)


def campaign(campaign_id: str = "c1", title: str = DRAFT.title, status: str = "save", **more: object) -> dict[str, object]:
    return {"id": campaign_id, "status": status, "settings": {"title": title}, **more}


async def test_a_campaign_is_made_for_a_segment_in_our_folder(providers: MailchimpProviders, script: Scripted) -> None:
    script.on(
        "POST", "/campaigns", answer(campaign(recipients={"recipient_count": 5}, emails_sent=0, send_time="", long_archive_url="https://a"))
    )
    made = await providers.campaigns.create(DRAFT)
    assert script.body() == {
        "type": "regular",
        "recipients": {"list_id": "L1", "segment_opts": {"saved_segment_id": 77}},
        "settings": {
            "title": "cop|2026-W28",
            "subject_line": "News",
            "preview_text": "This week",
            "from_name": "CoP",
            "reply_to": "cop@example.org",
            "to_name": "*|FNAME|*",
            "auto_footer": False,
            "inline_css": False,
            "authenticate": True,
            "folder_id": "F",
        },
        "tracking": {"opens": True, "html_clicks": False, "text_clicks": False},
    }
    assert (made.id, made.status, made.recipient_count, made.archive_url, made.send_time) == (
        "c1",
        CampaignStatus.SAVE,
        5,
        "https://a",
        None,
    )


async def test_a_lost_answer_to_create_is_unknown_and_found_by_exact_title(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("POST", "/campaigns", httpx.ReadTimeout("slow"))
    with pytest.raises(OutcomeUnknown):
        await providers.campaigns.create(DRAFT)
    rows = [campaign("c0", "cop|2026-W28 copy"), campaign("c1"), campaign("c2", status="a status of next year", title="other")]
    script.on("GET", "/campaigns", answer({"campaigns": rows}))
    found = await providers.campaigns.find(DRAFT.title, folder_id="F", created_since=datetime(2026, 7, 7, tzinfo=UTC))
    assert [one.id for one in found] == ["c1"]
    query = script.requests[-1].url.params
    assert (query["folder_id"], query["list_id"], query["since_create_time"], query["count"]) == (
        "F",
        "L1",
        "2026-07-07T00:00:00+00:00",
        "1000",
    )


async def test_an_unknown_campaign_is_none_and_deleting_it_is_fine(providers: MailchimpProviders) -> None:
    assert await providers.campaigns.get("gone") is None
    await providers.campaigns.delete("gone")


async def test_content_and_checklist(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("PUT", "/campaigns/c1/content", answer({"html": "x"}))
    items = [{"id": 501, "type": "error", "heading": "Subject", "details": "Add one"}]
    script.on("GET", "/campaigns/c1/send-checklist", answer({"is_ready": False, "items": items}))
    await providers.campaigns.set_content("c1", html="<p>Hi</p>", text="Hi")
    assert script.body() == {"html": "<p>Hi</p>", "plain_text": "Hi"}
    assert await providers.campaigns.checklist("c1") == (False, [ChecklistItem("error", "Subject", "Add one")])


@pytest.mark.parametrize(
    ("local", "utc"),
    [("2026-10-21T10:00", "2026-10-21T09:00:00+00:00"), ("2026-10-28T10:00", "2026-10-28T10:00:00+00:00")],
)
async def test_schedule_is_utc_across_summer_time(providers: MailchimpProviders, script: Scripted, local: str, utc: str) -> None:
    script.on("POST", "/campaigns/c1/actions/schedule", httpx.Response(204))
    await providers.campaigns.schedule("c1", datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/London")))
    assert script.body() == {"schedule_time": utc}


async def test_only_quarter_hours_can_be_scheduled(providers: MailchimpProviders, script: Scripted) -> None:
    with pytest.raises(ValueError, match=":00, :15"):
        await providers.campaigns.schedule("c1", datetime(2026, 7, 8, 9, 10, tzinfo=UTC))
    assert script.requests == []


@pytest.mark.parametrize(
    ("given", "family"),
    [
        (problem(403, "Forbidden", detail="not on this plan"), Misconfigured),
        (problem(400, "Bad Request", detail="Your plan can't schedule campaigns"), Misconfigured),
        (problem(400, "Bad Request", detail="campaign is already scheduled"), Rejected),
    ],
)
async def test_a_plan_that_cannot_schedule_is_a_matter_of_the_account(
    providers: MailchimpProviders, script: Scripted, given: httpx.Response, family: type[ProviderError]
) -> None:
    script.on("POST", "/campaigns/c1/actions/schedule", given)
    with pytest.raises(family):
        await providers.campaigns.schedule("c1", datetime(2026, 7, 8, 9, 15, tzinfo=UTC))


@pytest.mark.parametrize(("call", "path"), [("send", "send"), ("unschedule", "unschedule"), ("cancel", "cancel-send")])
async def test_actions_refused_by_state_are_rejected(providers: MailchimpProviders, script: Scripted, call: str, path: str) -> None:
    script.on("POST", f"/campaigns/c1/actions/{path}", httpx.Response(204), problem(405, "Method Not Allowed"), httpx.Response(502))
    await getattr(providers.campaigns, call)("c1")
    for family in (Rejected, OutcomeUnknown):
        with pytest.raises(family):
            await getattr(providers.campaigns, call)("c1")
    assert len(script.requests) == 3


async def test_a_test_mail_names_its_readers(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("POST", "/campaigns/c1/actions/test", httpx.Response(204))
    await providers.campaigns.test("c1", ["fay@example.org"])
    assert script.body() == {"test_emails": ["fay@example.org"], "send_type": "html"}


async def test_the_folder_is_made_once(providers: MailchimpProviders, script: Scripted) -> None:
    script.on(
        "GET",
        "/campaign-folders",
        answer({"folders": [{"id": "f0", "name": "Other"}]}),
        answer({"folders": [{"id": "f1", "name": "Kindling"}]}),
    )
    script.on("POST", "/campaign-folders", answer({"id": "f1", "name": "Kindling"}))
    assert [await providers.campaigns.folder("Kindling") for _ in range(2)] == ["f1", "f1"]
    assert script.asked().count("POST /campaign-folders") == 1


class _Segments:
    """Static segments as Mailchimp keeps them, for people in the audience only; at most 500 changes a call."""

    def __init__(self) -> None:
        self.by_id: dict[int, tuple[str, set[str]]] = {}
        self.changes: list[int] = []

    def register(self, script: Scripted) -> None:
        script.on(
            "GET",
            "/lists/L1/segments",
            lambda _: answer({"segments": [{"id": key, "name": name} for key, (name, _m) in self.by_id.items()]}),
        )
        script.on("POST", "/lists/L1/segments", self.create)
        script.on("GET", "/lists/L1/segments/5/members", self.members)
        script.on("POST", "/lists/L1/segments/5", self.change)

    def create(self, request: httpx.Request) -> httpx.Response:
        self.by_id[5] = (orjson.loads(request.content)["name"], set())
        return answer({"id": 5})

    def members(self, request: httpx.Request) -> httpx.Response:
        offset, count = int(request.url.params["offset"]), int(request.url.params["count"])
        return answer({"members": [{"email_address": email} for email in sorted(self.by_id[5][1])[offset : offset + count]]})

    def change(self, request: httpx.Request) -> httpx.Response:
        body = orjson.loads(request.content)
        add, remove = body["members_to_add"], body["members_to_remove"]
        assert len(add) <= 500
        assert len(remove) <= 500
        self.changes.append(len(add) + len(remove))
        members = self.by_id[5][1]
        members.update(email.lower() for email in add if not email.startswith("stranger"))
        members.difference_update(remove)
        return answer({"errors": []})


async def test_a_segment_holds_exactly_the_people_asked_for(providers: MailchimpProviders, script: Scripted) -> None:
    segments = _Segments()
    segments.register(script)
    first = [f"M{i}@example.org" for i in range(1200)] + ["stranger@example.org"]
    assert await providers.campaigns.segment("2026-W28", first) == 5
    assert segments.changes == [500, 500, 201]
    second = [f"m{i}@example.org" for i in range(600, 1201)]
    assert await providers.campaigns.segment("2026-W28", second) == 5
    assert segments.by_id[5] == ("2026-W28", set(second))
    before = list(segments.changes)
    await providers.campaigns.segment("2026-W28", second)
    assert segments.changes == before, "a second run changes nothing"


async def test_an_absent_segment_may_be_deleted(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("DELETE", "/lists/L1/segments/5", httpx.Response(204), problem(404, "Resource Not Found"))
    await providers.campaigns.delete_segment(5)
    await providers.campaigns.delete_segment(5)
