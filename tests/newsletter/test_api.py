"""From feeds to a sent edition by the API alone, and what each route answers."""

import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from sqlmodel import select

from service.auth.models import AuditEntry
from service.engagement.models import EngagementEvent
from service.messages.models import Delivery
from service.newsletter.feeds import collect_due_feeds
from service.newsletter.models import Edition
from service.parts import Parts
from service.providers.base import Misconfigured, OutcomeUnknown, Rejected, Temporary
from service.settings import Switch
from tests.fakes import NOW
from tests.newsletter.community import add_readers, mailchimp_accepts, ready_edition, tick
from tests.newsletter.fakes import FakeCampaigns
from tests.newsletter.test_feeds import FakeFetch, fetched, payload

FEEDS = {
    "https://news.riverside.example.org/feed/": "trust_news_rss2.xml",
    "https://library.example.ac.uk/safety.atom": "library_atom.xml",
    "https://frailty.example.org/feed.json": "network_feed.json",
}
API = "/api/v1"


async def collect_everything(parts: Parts) -> None:
    async def fetch(url: str, **more: object) -> object:
        return await FakeFetch([fetched(payload(FEEDS[url]))])(url, **more)  # type: ignore[arg-type]

    await collect_due_feeds(parts.database, clock=parts.clock, fetch=fetch)  # type: ignore[arg-type]


async def ok(response: httpx.Response, status: int = 200) -> dict:  # type: ignore[type-arg]
    assert response.status_code == status, response.text
    return response.json()  # type: ignore[no-any-return]


async def test_from_three_feeds_to_a_sent_edition_by_the_api_alone(
    client: httpx.AsyncClient, parts: Parts, mailchimp: FakeCampaigns
) -> None:
    await add_readers(parts.database, "asha", "ben", allows_measuring=True)
    await add_readers(parts.database, "chi", allows_measuring=False)
    for url in FEEDS:
        await ok(await client.post(f"{API}/feeds", json={"url": url}), 201)
    await collect_everything(parts)
    feeds = await ok(await client.get(f"{API}/feeds"))
    assert {f["problem"] for f in feeds["items"]} == {""}
    found = (await ok(await client.get(f"{API}/content?status=collected&limit=50")))["items"]
    assert len(found) == 7
    for item in found:
        await ok(await client.patch(f"{API}/content/{item['id']}", json={"status": "accepted"}))
    notice = {"kind": "announcement", "title": "A host wanted for August", "url": "https://example.org/host", "summary": "45 *minutes*"}
    await ok(await client.post(f"{API}/content", json=notice), 201)
    await tick(parts, NOW)
    edition = (await ok(await client.get(f"{API}/editions?status=draft")))["items"][0]
    path = f"{API}/editions/{edition['id']}"
    proposal = await ok(await client.post(f"{path}/propose"))
    assert len(proposal["items"]) == 6
    assert len(proposal["announcements"]) == 1
    assert proposal["lead"]["why"]
    subject = "A falls huddle that takes four minutes"
    body = {"subject": subject, "preview_text": "And a review of sleep and delirium to read together.", "intro": "Dear all, **good news**."}
    edited = await ok(await client.patch(path, json=body))
    assert edited["subject"] == subject
    checked = await ok(await client.get(f"{path}/checklist"))
    assert checked["ready"] is True, checked
    assert checked["readers"] == {"candidates": 3, "readers": 3, "measured": 2, "left_out": {}}
    html = await client.get(f"{path}/preview")
    assert html.headers["content-type"].startswith("text/html")
    assert "sandbox" in html.headers["content-security-policy"]
    assert "A host wanted for August" in html.text
    assert "45 <em>minutes</em>" in html.text
    assert "*|" not in html.text
    assert (await client.post(f"{path}/test", json={"emails": ["maria@trust.nhs.uk"]})).status_code == 204
    assert mailchimp.drafts["c1"].subject == f"[TEST] {subject}"
    approved = await ok(await client.post(f"{path}/approve", json={"name": "Maria Okafor"}))
    assert (approved["status"], approved["approved_by"]) == ("approved", "Maria Okafor")
    await tick(parts, NOW + timedelta(minutes=45))
    sending = await ok(await client.get(path))
    assert (sending["status"], sending["progress"]["phase"], sending["progress"]["books"]["waiting"]) == ("sending", "preparing", 3)
    await mailchimp_accepts(parts.database, UUID(approved["id"]), NOW + timedelta(hours=1))
    await tick(parts, NOW + timedelta(hours=1, minutes=1))
    report = await ok(await client.get(f"{path}/report"))
    assert (report["sent"], report["delivered"], report["measured"], report["opened"]) == (3, 3, 2, 0)
    assert (await ok(await client.get(path)))["status"] == "sent"
    page = await client.get("/newsletter/1", headers={"Authorization": ""})
    assert subject in page.text
    assert "<strong>good news</strong>" in page.text


async def test_the_contract_routes_answer_with_the_contracts_fields(client: httpx.AsyncClient) -> None:
    item = await ok(await client.post(f"{API}/content", json={"kind": "discussion", "title": "Who leads the huddle?"}), 201)
    assert {"kind", "title", "url", "summary", "source", "status"} <= item.keys()
    shown = await ok(await client.get(f"{API}/content/{item['id']}"))
    assert shown["same_story_as"] is None
    body = {"subject": "An extra call for help", "item_ids": [item["id"]], "lead_item_id": item["id"]}
    edition = await ok(await client.post(f"{API}/editions", json=body), 201)
    fields = {"number", "subject", "preview_text", "intro", "item_ids", "lead_item_id", "status", "scheduled_for"}
    assert fields <= edition.keys()
    assert (edition["status"], edition["item_ids"], edition["lead_item_id"]) == ("draft", [item["id"]], item["id"])
    listed = await ok(await client.get(f"{API}/editions"))
    assert listed["next_cursor"] is None
    assert [e["id"] for e in listed["items"]] == [edition["id"]]
    assert (await client.delete(f"{API}/editions/{edition['id']}")).status_code == 204
    assert (await client.delete(f"{API}/content/{item['id']}")).status_code == 204
    assert (await client.get(f"{API}/content/{item['id']}")).status_code == 404


async def test_an_extra_edition_is_scheduled_and_sent_at_once_and_asking_twice_sends_once(client: httpx.AsyncClient, parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    item = await ok(await client.post(f"{API}/content", json={"kind": "activity", "title": "Visit a ward"}), 201)
    edition = await ok(await client.post(f"{API}/editions", json={"subject": "Visit a ward with us", "lead_item_id": item["id"]}), 201)
    path = f"{API}/editions/{edition['id']}"
    assert (await client.post(f"{path}/send")).status_code == 409
    await ok(await client.post(f"{path}/approve"))
    late = await ok(await client.post(f"{path}/schedule", json={"scheduled_for": "2026-07-09T11:15:00+01:00"}))
    assert (late["status"], late["scheduled_for"]) == ("scheduled", "2026-07-09T10:15:00Z")
    bad = await client.post(f"{path}/schedule", json={"scheduled_for": "2026-07-09T11:07:00+01:00"})
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/scheduled_for")
    await ok(await client.post(f"{path}/send"), 202)
    await ok(await client.post(f"{path}/send"), 202)
    await tick(parts, NOW)
    await ok(await client.post(f"{path}/send"), 202)
    async with parts.database.reading() as session:
        assert len((await session.exec(select(Delivery))).all()) == 1
        actions = (await session.exec(select(AuditEntry.action))).all()
    assert {"approve_edition", "schedule_edition", "send_edition"} <= set(actions)
    assert ("advance_editions",) in parts.queue.rings  # type: ignore[attr-defined]


async def test_skip_reopen_and_cancel(client: httpx.AsyncClient, parts: Parts) -> None:
    edition = await ready_edition(parts)
    path = f"{API}/editions/{edition.id}"
    skipped = await ok(await client.post(f"{path}/skip"))
    assert (skipped["slot"], skipped["status"]) == ("2026-W29", "draft")
    await ok(await client.post(f"{path}/approve"))
    assert (await ok(await client.post(f"{path}/reopen")))["status"] == "draft"
    assert (await ok(await client.post(f"{path}/cancel")))["status"] == "cancelled"


async def test_after_hand_over_a_cancel_says_that_it_cannot_be_recalled(client: httpx.AsyncClient, parts: Parts) -> None:
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, NOW + timedelta(minutes=45))
    await mailchimp_accepts(parts.database, edition.id, NOW)
    answer = await client.post(f"{API}/editions/{edition.id}/cancel")
    assert (answer.status_code, "cannot be recalled" in answer.json()["detail"]) == (409, True)


async def test_a_preview_as_a_member_uses_their_name_and_harmless_links(client: httpx.AsyncClient, parts: Parts) -> None:
    asha, _ = await add_readers(parts.database, "asha", "ben")
    edition = await ready_edition(parts)
    text = (await client.get(f"{API}/editions/{edition.id}/preview?format=text&member_id={asha.id}")).text
    assert "Dear Asha," in text
    assert "/unsubscribe/" not in text
    assert (await client.get(f"{API}/editions/{edition.id}/preview?member_id={uuid4()}")).status_code == 404
    assert (await client.get(f"{API}/editions/{edition.id}/preview?format=pdf")).status_code == 422


async def test_peoples_words_never_become_tags_or_markup(client: httpx.AsyncClient, parts: Parts) -> None:
    title = "<script>alert(1)</script> {{ 7*7 }} *|EMAIL|* {% raw %}"
    item = await ok(await client.post(f"{API}/content", json={"kind": "content", "title": title, "summary": title}), 201)
    body = {"subject": "Words that look like *|FNAME|* tags", "lead_item_id": item["id"], "intro": title, "question": title}
    edition = await ok(await client.post(f"{API}/editions", json=body), 201)
    html = (await client.get(f"{API}/editions/{edition['id']}/preview")).text
    assert "<script>alert" not in html
    assert "{{ 7*7 }}" in html
    checked = await ok(await client.get(f"{API}/editions/{edition['id']}/checklist"))
    assert "merge_tags" not in {f["check"] for f in checked["findings"]}
    await add_readers(parts.database, "asha")
    await ok(await client.post(f"{API}/editions/{edition['id']}/approve"))
    await ok(await client.post(f"{API}/editions/{edition['id']}/send"), 202)
    await tick(parts, NOW)
    await mailchimp_accepts(parts.database, UUID(edition["id"]), NOW)
    await tick(parts, NOW)
    page = (await client.get(f"/newsletter/{edition['number']}")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("call", "error", "status", "words"),
    [
        ("create", Temporary("Too Many Requests", status=429), 503, "Try again"),
        ("create", Misconfigured("API Key Invalid", status=401), 409, "Check the key"),
        ("set_content", Rejected("Invalid Resource", status=400), 409, "refused"),
        ("test", OutcomeUnknown("Timeout"), 503, "Look into the mailbox"),
        ("delete", Temporary("Busy", status=500), 204, ""),
    ],
)
async def test_a_test_send_says_what_became_of_it_and_leaves_nothing_behind(
    client: httpx.AsyncClient, parts: Parts, mailchimp: FakeCampaigns, call: str, error: Exception, status: int, words: str
) -> None:
    edition = await ready_edition(parts, approved=False)
    mailchimp.trouble[call] = error  # type: ignore[assignment]
    answer = await client.post(f"{API}/editions/{edition.id}/test", json={"emails": ["maria@trust.nhs.uk"]})
    assert answer.status_code == status
    assert words in answer.text
    assert len(mailchimp.deleted) == (len(mailchimp.drafts) if call != "delete" else 0)
    async with parts.database.reading() as session:
        assert (await session.exec(select(Delivery))).all() == []
        audited = (await session.exec(select(AuditEntry.action).where(AuditEntry.action == "test_edition"))).all()
    assert len(audited) == (1 if status == 204 else 0)


@pytest.mark.parametrize("emails", [[], ["not an address"], ["a@example.org"] * 6])
async def test_a_test_goes_to_one_to_five_real_addresses(client: httpx.AsyncClient, parts: Parts, emails: list[str]) -> None:
    edition = await ready_edition(parts, approved=False)
    assert (await client.post(f"{API}/editions/{edition.id}/test", json={"emails": emails})).status_code == 422


async def test_the_report_counts_people_per_link_and_compares_with_earlier_editions(client: httpx.AsyncClient, parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben", "chi", "dee")
    ids = []
    for week in range(2):
        now = NOW + timedelta(days=7 * week)
        edition = await ready_edition(parts, now=now)
        ids.append(edition.id)
        await tick(parts, now + timedelta(minutes=45))
        await mailchimp_accepts(parts.database, edition.id, now)
        await tick(parts, now + timedelta(hours=2))
    async with parts.database.transaction() as session:
        rows = (await session.exec(select(Delivery).where(Delivery.key.startswith(f"edition:{ids[1]}")))).all()  # type: ignore[attr-defined]
        link = "https://example.org/huddle"
        for n, (row, verdict) in enumerate(zip(rows, ["human", "human", "machine", "human"], strict=True)):
            row.first_opened_at = row.first_clicked_at = NOW
            if verdict == "human":
                row.first_human_opened_at = row.first_human_clicked_at = NOW
            if n == 0:
                row.replied_at = row.unsubscribed_at = NOW
            if n == 3:
                row.status, row.bounced_at = "bounced", NOW
            for time in range(2):
                session.add(
                    EngagementEvent(
                        key=f"{n}-{time}",
                        kind="click",
                        delivery_id=row.id,
                        at=NOW,
                        received_at=NOW,
                        source="report",
                        url=link,
                        verdict=verdict,
                    )
                )
            session.add(row)
    report = await ok(await client.get(f"{API}/editions/{ids[1]}/report"))
    assert (report["sent"], report["delivered"], report["bounced"]) == (4, 3, 1)
    assert (report["opened"], report["opened_pct"], report["opened_raw"], report["clicked"]) == (2, 66.7, 3, 2)
    assert (report["replies"], report["unsubscribed"]) == (1, 1)
    assert report["links"] == [{"url": link, "clicks": 6, "people": 3}]
    assert report["hours"]["timezone"] == "Europe/London"
    assert report["hours"]["matrix"][2][9] == sum(map(sum, report["hours"]["matrix"])) == 3  # each person once: NOW is a Wednesday, 09:00
    assert [e["number"] for e in report["earlier"]] == [1]
    assert report["usual"] == {"editions": 1, "opened_pct": 0.0, "clicked_pct": 0.0, "replies": 0.0, "unsubscribed": 0.0}
    draft = await ready_edition(parts, now=NOW + timedelta(days=14), approved=False)
    assert (await client.get(f"{API}/editions/{draft.id}/report")).status_code == 409


async def test_content_is_imported_by_csv_searched_and_recycled(client: httpx.AsyncClient, parts: Parts) -> None:
    csv = "kind,title,url\ncontent,Falls and sleep,https://example.org/1\npoem,No,\n"
    done = await ok(await client.post(f"{API}/content/import", content=csv, headers={"Content-Type": "text/csv"}))
    assert (done["created"], [r["line"] for r in done["rejected"]]) == (1, [3])
    found = await ok(await client.get(f"{API}/content", params={"q": "SLEEP", "kind": "content"}))
    assert len(found["items"]) == 1
    assert (await ok(await client.get(f"{API}/content", params={"q": "100%"})))["items"] == []
    assert (await ok(await client.post(f"{API}/content/{found['items'][0]['id']}/recycle")))["status"] == "accepted"


async def test_a_feed_on_a_private_address_is_never_read(client: httpx.AsyncClient) -> None:
    feed = await ok(await client.post(f"{API}/feeds", json={"url": "http://127.0.0.1:1/feed"}), 201)
    done = await ok(await client.post(f"{API}/feeds/{feed['id']}/collect"))
    assert "private network" in done["problem"]
    assert (await client.post(f"{API}/feeds", json={"url": "http://127.0.0.1:1/feed"})).status_code == 409
    assert (await client.post(f"{API}/feeds", json={"url": "file:///etc/passwd"})).status_code == 422
    changed = await ok(await client.patch(f"{API}/feeds/{feed['id']}", json={"active": False}))
    assert changed["active"] is False
    assert (await client.delete(f"{API}/feeds/{feed['id']}")).status_code == 204
    assert (await client.get(f"{API}/feeds/{feed['id']}")).status_code == 404


async def test_without_a_key_nothing_is_told(client: httpx.AsyncClient) -> None:
    for path in ("/content", "/feeds", "/editions"):
        assert (await client.get(f"{API}{path}", headers={"Authorization": "Bearer no"})).status_code == 401


# --- the archive -----------------------------------------------------------------------------------------------------


async def test_the_archive_shows_sent_editions_only_and_nothing_personal(client: httpx.AsyncClient, parts: Parts) -> None:
    empty = await client.get("/newsletter")
    assert "No edition has been sent yet." in empty.text
    await add_readers(parts.database, "asha")
    edition = await ready_edition(parts)
    await tick(parts, NOW + timedelta(minutes=45))
    assert (await client.get("/newsletter/1")).status_code == 404
    await mailchimp_accepts(parts.database, edition.id, NOW + timedelta(hours=1))
    await tick(parts, NOW + timedelta(hours=1))
    listed = (await client.get("/newsletter")).text
    assert '<a href="/newsletter/1">Three wards share their falls huddle</a>' in listed
    assert '<html lang="en-GB">' in listed
    page = (await client.get("/newsletter/1")).text
    assert "8 July 2026" in page
    assert "Lead of edition 1" in page
    for personal in ("*|", "Dear", "unsubscribe", "asha", "preferences"):
        assert personal not in page
    assert "http" not in page.replace("http://127.0.0.1:8000/newsletter/1", "").replace("https://example.org/", "")
    for missing in ("/newsletter/2", "/newsletter/0", "/newsletter/99999999999999999999", "/newsletter/x"):
        assert (await client.get(missing)).status_code in {404, 422}


async def test_search_engines_find_every_edition_or_are_asked_to_leave_them_out(client: httpx.AsyncClient, parts: Parts) -> None:
    async with parts.database.transaction() as session:
        for number in (1, 2):
            session.add(Edition(number=number, subject="Huddles", status="sent", sent_at=NOW, created_at=NOW, updated_at=NOW))
        session.add(Edition(number=3, subject="Not yet", status="draft", created_at=NOW, updated_at=NOW))
    where = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    answer = await client.get("/newsletter/sitemap.xml")
    listed = [url.text for url in ET.fromstring(answer.text).iter(f"{where}loc")]  # noqa: S314 - our own answer
    base = "http://127.0.0.1:8000/newsletter"
    assert listed == [base, f"{base}/2", f"{base}/1"]
    assert f"Sitemap: {base}/sitemap.xml" in (await client.get("/robots.txt")).text
    page = await client.get("/newsletter/1")
    assert '<meta property="article:published_time" content="2026-07-08T08:00:00Z">' in page.text
    assert "noindex" not in page.text + page.headers.get("x-robots-tag", "")
    parts.settings.newsletter_indexed = Switch.OFF
    for path in ("/newsletter", "/newsletter/1", "/newsletter/feed.xml"):
        hidden = await client.get(path)
        assert hidden.headers["x-robots-tag"] == "noindex"
        assert path.endswith(".xml") or '<meta name="robots" content="noindex">' in hidden.text
    assert "<loc>" not in (await client.get("/newsletter/sitemap.xml")).text
    robots = (await client.get("/robots.txt")).text
    assert "Sitemap" not in robots
    assert "Disallow: /newsletter" not in robots  # a page that is not read can't say that it is not to be listed


async def test_the_archives_feed_is_well_formed_atom(client: httpx.AsyncClient, parts: Parts) -> None:
    async with parts.database.transaction() as session:
        session.add(
            Edition(
                number=7,
                subject="Falls & sleep <3",
                preview_text="A & B",
                status="sent",
                sent_at=NOW,
                archive_html="<p>One &amp; two</p><script>alert(1)</script>",
                created_at=NOW,
                updated_at=NOW,
            )
        )
    answer = await client.get("/newsletter/feed.xml")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    root = ET.fromstring(answer.text)  # noqa: S314 - our own answer
    space = {"a": "http://www.w3.org/2005/Atom"}
    entry = root.find("a:entry", space)
    assert entry is not None
    assert entry.findtext("a:title", namespaces=space) == "Falls & sleep <3"
    assert entry.findtext("a:id", namespaces=space) == "http://127.0.0.1:8000/newsletter/7"
    assert entry.findtext("a:updated", namespaces=space) == "2026-07-08T08:00:00Z"
    assert entry.findtext("a:content", namespaces=space) == "<p>One &amp; two</p>"


async def test_the_archive_pages_back_through_the_years(client: httpx.AsyncClient, parts: Parts) -> None:
    async with parts.database.transaction() as session:
        for number in range(1, 61):
            session.add(Edition(number=number, subject=f"No. {number}.", status="sent", sent_at=NOW, created_at=NOW, updated_at=NOW))
    first = (await client.get("/newsletter")).text
    assert "No. 60." in first
    assert "No. 10." not in first
    assert '<a href="/newsletter?before=11">' in first
    assert "No. 10." in (await client.get("/newsletter?before=11")).text


def test_the_pages_name_no_other_host() -> None:
    templates = Path(__file__).parents[2] / "service" / "pages" / "templates"
    for path in [*templates.glob("newsletter*.html"), templates / "base.html"]:
        assert "//" not in path.read_text().replace("<!doctype", "")
