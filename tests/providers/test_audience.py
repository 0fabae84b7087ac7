"""The Audience adapter: consent is not overwritten, addresses move, nobody is lost while pages change."""

import io
import tarfile
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest

from service.providers.base import BatchOutcome, Contact, ContactStatus, OutcomeUnknown, Rejected
from service.providers.build import MailchimpProviders
from service.providers.mailchimp_members import member_key
from tests.providers.scripted import Scripted, Waits, answer, problem

ANN = "ann@example.org"
KEY = member_key(ANN)
NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def member(email: str = ANN, status: str = "subscribed", **more: object) -> dict[str, object]:
    return {"id": member_key(email), "email_address": email, "status": status, "merge_fields": {}, "tags": [], **more}


async def test_a_put_leaves_consent_alone(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("PUT", f"/lists/L1/members/{KEY}", answer(member(status="unsubscribed")))
    found = await providers.audience.put(
        Contact(ANN, None, merge_fields={"FNAME": "Ann"}, opt_in_at=NOON, opt_in_ip="192.0.2.1", language="en")
    )
    assert script.body() == {
        "email_address": ANN,
        "status_if_new": "subscribed",
        "merge_fields": {"FNAME": "Ann"},
        "language": "en",
        "timestamp_opt": "2026-07-01T12:00:00+00:00",
        "ip_opt": "192.0.2.1",
    }
    assert found.status is ContactStatus.UNSUBSCRIBED


async def test_a_status_is_sent_only_when_it_is_meant(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("PUT", f"/lists/L1/members/{KEY}", answer(member()))
    await providers.audience.put(Contact(ANN, ContactStatus.PENDING, status_if_new=ContactStatus.PENDING))
    assert (script.body()["status"], script.body()["status_if_new"]) == ("pending", "pending")


async def test_only_missing_tags_are_put_on(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("PUT", f"/lists/L1/members/{KEY}", answer(member(tags=[{"id": 1, "name": "old"}])))
    script.on("POST", f"/lists/L1/members/{KEY}/tags", httpx.Response(204))
    await providers.audience.put(Contact(ANN, None, tags=("old", "new")))
    assert script.body() == {"tags": [{"name": "new", "status": "active"}], "is_syncing": True}
    await providers.audience.put(Contact(ANN, None, tags=("old",)))
    assert script.asked()[-1].startswith("PUT")


async def test_long_values_go_out_cut_to_255_bytes(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("PUT", f"/lists/L1/members/{KEY}", answer(member()))
    await providers.audience.put(Contact(ANN, None, merge_fields={"REASON": "é" * 200}))
    assert script.body()["merge_fields"]["REASON"] == "é" * 127


async def test_new_people_go_in_one_call_and_known_ones_are_left_alone(providers: MailchimpProviders, script: Scripted) -> None:
    rows = [
        {"email_address": "BOB@example.org", "error": "bob@example.org is already a list member", "error_code": "ERROR_CONTACT_EXISTS"},
        {"email_address": "c@example.org", "error": "c@example.org is in a compliance state", "error_code": "ERROR_GENERIC"},
        {
            "email_address": "d@example.org",
            "error": "d@example.org was permanently deleted and cannot be re-imported",
            "error_code": "ERROR_GENERIC",
        },
        {
            "email_address": "e@example.org",
            "error": "e@example.org has signed up to a lot of lists very recently",
            "error_code": "ERROR_GENERIC",
        },
        {
            "email_address": "f@example.org",
            "error": "f@example.org looks fake",
            "field": "FNAME",
            "field_message": "too long",
            "error_code": "ERROR_GENERIC",
        },
    ]
    script.on("POST", "/lists/L1", answer({"new_members": [], "updated_members": [], "errors": rows}))
    contacts = [Contact(f"{name}@example.org", None, tags=("cop",)) for name in ("ann", "Bob", "c", "d", "e", "f")]
    problems = await providers.audience.add(contacts)
    assert script.body()["update_existing"] is False
    assert script.requests[0].url.params["skip_duplicate_check"] == "true"
    assert script.body()["members"][0] == {"email_address": "ann@example.org", "merge_fields": {}, "status": "subscribed", "tags": ["cop"]}
    assert [(problem.email, problem.title) for problem in problems] == [
        ("Bob@example.org", "Member Exists"),
        ("c@example.org", "Member In Compliance State"),
        ("d@example.org", "Forgotten Email Not Subscribed"),
        ("e@example.org", "Too Many Recent Signups"),
        ("f@example.org", "Invalid Resource"),
    ]
    assert problems[4].detail == "(address) looks fake; FNAME: too long"


async def test_more_than_500_in_a_call_is_our_mistake(providers: MailchimpProviders) -> None:
    many = [Contact(f"m{i}@example.org", None) for i in range(501)]
    for call in (providers.audience.add, providers.audience.put_many):
        with pytest.raises(ValueError, match="500"):
            await call(many)


async def test_a_changed_address_moves_the_contact(providers: MailchimpProviders, script: Scripted) -> None:
    old = member_key("old@example.org")
    script.on("GET", f"/lists/L1/members/{old}", answer(member("old@example.org")))
    script.on("PATCH", f"/lists/L1/members/{old}", answer(member()))
    await providers.audience.put(Contact(ANN, None, previous_hash=old))
    assert script.asked() == [f"GET /lists/L1/members/{old}", f"PATCH /lists/L1/members/{old}"]
    assert script.body() == {"email_address": ANN, "merge_fields": {}}


@pytest.mark.parametrize("before", [None, "cleaned", "archived"])
async def test_where_there_is_nothing_to_move_the_new_address_is_put(
    providers: MailchimpProviders, script: Scripted, before: str | None
) -> None:
    old = member_key("old@example.org")
    if before:
        script.on("GET", f"/lists/L1/members/{old}", answer(member("old@example.org", before)))
    script.on("PUT", f"/lists/L1/members/{KEY}", answer(member()))
    await providers.audience.put(Contact(ANN, None, previous_hash=old))
    assert script.asked() == [f"GET /lists/L1/members/{old}", f"PUT /lists/L1/members/{KEY}"]


async def test_two_contacts_for_one_person_become_one(providers: MailchimpProviders, script: Scripted) -> None:
    old = member_key("old@example.org")
    script.on("GET", f"/lists/L1/members/{old}", answer(member("old@example.org")))
    script.on("PATCH", f"/lists/L1/members/{old}", problem(400, "Member Exists"))
    script.on("DELETE", f"/lists/L1/members/{old}", httpx.Response(204))
    script.on("PUT", f"/lists/L1/members/{KEY}", answer(member()))
    await providers.audience.put(Contact(ANN, None, previous_hash=old))
    assert script.asked()[-2:] == [f"DELETE /lists/L1/members/{old}", f"PUT /lists/L1/members/{KEY}"]


@pytest.mark.parametrize("call", ["unsubscribe", "forget"])
async def test_removing_someone_unknown_is_fine(providers: MailchimpProviders, call: str) -> None:
    await getattr(providers.audience, call)("nobody@example.org")


async def test_unsubscribing_someone_mailchimp_holds_back_is_fine(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("PATCH", f"/lists/L1/members/{KEY}", problem(400, "Member In Compliance State"), problem(400, "Invalid Resource"))
    await providers.audience.unsubscribe(ANN)
    with pytest.raises(Rejected):
        await providers.audience.unsubscribe(ANN)


async def test_a_contact_is_read_whole(providers: MailchimpProviders, script: Scripted) -> None:
    document = member(
        merge_fields={"FNAME": "Ann", "ADDRESS": {"addr1": "x"}},
        tags=[{"id": 1, "name": "cop"}],
        language="cy",
        contact_id="c9",
        unique_email_id="8a25ff1d98",
        timestamp_opt="2026-01-01T00:00:00+00:00",
        ip_opt="192.0.2.1",
        last_changed="2026-02-01T01:00:00+01:00",
        unsubscribe_reason="N/A",
    )
    script.on("GET", f"/lists/L1/members/{KEY}", answer(document))
    assert await providers.audience.get(ANN) == Contact(
        ANN,
        ContactStatus.SUBSCRIBED,
        merge_fields={"FNAME": "Ann"},
        tags=("cop",),
        language="cy",
        contact_id="c9",
        unique_email_id="8a25ff1d98",
        opt_in_at=datetime(2026, 1, 1, tzinfo=UTC),
        opt_in_ip="192.0.2.1",
        last_changed_at=datetime(2026, 2, 1, tzinfo=UTC),
        unsubscribe_reason="N/A",
    )
    assert await providers.audience.get("nobody@example.org") is None


class _Changing:
    """A server's list of members, ordered by last change; one changes after each page."""

    def __init__(self, count: int, same_second: int) -> None:
        self.changed = {f"m{i}@example.org": NOON + timedelta(seconds=i // same_second) for i in range(count)}
        self.clock = NOON + timedelta(days=1)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        if query.get("status") == "archived":
            return answer({"members": [member("gone@example.org", "archived", last_changed=NOON.isoformat())]})
        since = datetime.fromisoformat(query["since_last_changed"]) if "since_last_changed" in query else datetime.min.replace(tzinfo=UTC)
        rows = sorted((at, email) for email, at in self.changed.items() if at > since)
        page = rows[int(query["offset"]) : int(query["offset"]) + int(query["count"])]
        for email in [email for _, email in rows[:3]]:  # the first ones change and so move to the end
            self.clock += timedelta(seconds=1)
            self.changed[email] = self.clock
        return answer({"members": [member(email, last_changed=at.isoformat()) for at, email in page]})


@pytest.mark.parametrize(("count", "same_second"), [(2500, 1), (3200, 500), (2600, 2600)])
async def test_nobody_is_missed_while_people_change_during_the_reading(
    providers: MailchimpProviders, script: Scripted, count: int, same_second: int
) -> None:
    server = _Changing(count, same_second)
    script.on("GET", "/lists/L1/members", server)
    found = [contact.email async for contact in providers.audience.changed_since(None)]
    assert set(found) == {*server.changed, "gone@example.org"}
    assert found[-1] == "gone@example.org"


def archive(rows: list[dict[str, object]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        content = orjson.dumps(rows)
        info = tarfile.TarInfo("results.json")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def batch(status: str, errored: int = 0, url: str = "http://mailchimp.test/3.0/results") -> httpx.Response:
    return answer({"id": "b1", "status": status, "errored_operations": errored, "response_body_url": url if status == "finished" else ""})


async def test_many_go_as_one_batch_job_and_problems_come_by_address(providers: MailchimpProviders, script: Scripted, waits: Waits) -> None:
    bob, cat, dan = (member_key(f"{name}@example.org") for name in ("bob", "cat", "dan"))
    rows = [
        {"operation_id": f"put:{KEY}", "status_code": 200, "response": "{}"},
        {
            "operation_id": f"put:{bob}",
            "status_code": 400,
            "response": orjson.dumps({"title": "Member In Compliance State", "detail": "bob@example.org is out"}).decode(),
        },
        {"operation_id": f"tags:{cat}", "status_code": 404, "response": '{"title": "Resource Not Found"}'},
        {"operation_id": f"put:{cat}", "status_code": 429, "response": ""},
        {"operation_id": f"tags:{dan}", "status_code": 404, "response": '{"title": "Resource Not Found"}'},
    ]
    script.on("POST", "/batches", batch("pending"))
    script.on("GET", "/batches/b1", batch("pending"), batch("started"), batch("finished", 3))
    script.on("GET", "/results", httpx.Response(403, text="expired"), httpx.Response(200, content=archive(rows)))
    contacts = [
        Contact(ANN, None),
        Contact("bob@example.org", None),
        Contact("cat@example.org", None, tags=("cop",)),
        Contact("dan@example.org", None),
    ]
    problems = await providers.audience.put_many(contacts)
    operations = script.body(0)["operations"]
    assert [operation["method"] for operation in operations] == ["PUT", "PUT", "PUT", "POST", "PUT"]
    assert operations[0]["path"] == f"/lists/L1/members/{KEY}"
    assert "status" not in orjson.loads(operations[0]["body"])
    assert waits.seconds == [1.0, 2.0]
    assert [(problem.email, problem.title, problem.final) for problem in problems] == [
        ("bob@example.org", "Member In Compliance State", True),
        ("cat@example.org", "HTTP 429", False),
        ("dan@example.org", "Resource Not Found", False),
    ]
    assert problems[0].detail == "(address) is out"


async def test_a_batch_job_can_be_followed_without_waiting(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("POST", "/batches", batch("pending"))
    script.on("GET", "/batches/b1", batch("started"), batch("finished"))
    script.on(
        "GET", "/results", httpx.Response(200, content=archive([{"operation_id": f"put:{KEY}", "status_code": 200, "response": "{}"}]))
    )
    contacts = [Contact(ANN, None)]
    batch_id = await providers.audience.start_put_many(contacts)
    assert await providers.audience.put_many_outcome(batch_id, contacts) is None
    assert await providers.audience.put_many_outcome(batch_id, contacts) == BatchOutcome([], [])


async def test_unreadable_results_are_an_unknown_outcome(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("GET", "/batches/b1", batch("finished", 1))
    script.on("GET", "/results", httpx.Response(200, content=b"not an archive"))
    with pytest.raises(OutcomeUnknown):
        await providers.audience.put_many_outcome("b1", [])
