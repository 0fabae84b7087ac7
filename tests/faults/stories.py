"""What goes through each named point: how it begins, and how it looks when it has ended well."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from service.audience.push import push_due
from service.db import new_id
from service.members.models import Member
from service.messages.rules import MessageKind
from service.parts import Parts
from service.providers.base import ContactStatus
from tests.factories import a_delivery, a_member
from tests.fleet.fleet import NOON, Fleet
from tests.journeys.running import until

REASON = "We want to run our first PDSA cycle about falls and do not know how to begin."
CONSENT = {"source": "paper form", "at": "2026-01-05T10:00:00Z"}
PEOPLE = 3


@dataclass(frozen=True)
class Story:
    """`begin` sets something going and gives the addresses of those who are to get exactly `mails`, by tag; `check` looks at what else
    has to hold. `by_api`: the point is in the API, which dies while `begin` asks it, or Mailchimp does.
    """

    points: tuple[str, ...]
    begin: Callable[[Fleet], list[str]]
    tag: str = ""
    check: Callable[[Fleet, list[str]], None] = lambda _fleet, _people: None
    by_api: bool = False
    asked_by_mailchimp: bool = False


def people(count: int = PEOPLE) -> list[str]:
    mark = uuid4().hex[:8]
    return [f"p{n}-{mark}@trust.example.org" for n in range(count)]


def members(fleet: Fleet, addresses: list[str], **given: Any) -> list[Member]:
    async def make(parts: Parts) -> list[Member]:
        async with parts.database.transaction() as session:
            return [await a_member(session, email, at=NOON, **given) for email in addresses]

    return fleet.do(make)


def letters(kind: MessageKind) -> Callable[[Fleet], list[str]]:
    """One-to-one mail of a kind, queued as a feature does."""

    def begin(fleet: Fleet) -> list[str]:
        addresses = people()

        async def queue(parts: Parts) -> None:
            async with parts.database.transaction() as session:
                for email in addresses:
                    member = await a_member(session, email, at=NOON)
                    await a_delivery(session, parts, member, key=f"{kind}:{new_id()}", kind=kind)

        fleet.do(queue)
        return addresses

    return begin


def answers_lost(fleet: Fleet) -> list[str]:
    """Mailchimp took the mails, neither its answers nor its reports ever came, and the time has come to look them up."""
    fleet.fault("webhook_drop", product="transactional", count=None)  # what is told of needs no look-up
    fleet.fault("reset", product="transactional", operation="*send*", count=None)
    addresses = letters(MessageKind.WELCOME)(fleet)
    worker = fleet.start_worker()
    until(lambda: fleet.backlog()["in_doubt"] == len(addresses), seconds=60, every=0.05)
    worker.kill()
    fleet.sandbox.delete("/faults")
    fleet.fault("webhook_drop", product="transactional", count=None)
    fleet.advance(11)
    return addresses


def ask_to_join(fleet: Fleet) -> list[str]:
    """On the public page."""
    addresses = people(1)
    page = fleet.clients[0].get("/join")
    assert page.is_success
    answer = fleet.clients[0].post("/join", data={"email": addresses[0], "first_name": "Asha", "join_reason": REASON, "agrees": "yes"})
    assert answer.is_success, answer.text[:500]
    return addresses


def join_by_hand(fleet: Fleet) -> list[str]:
    """A facilitator enters somebody; the same request comes again when no answer came."""
    addresses = people(1)
    body = {"email": addresses[0], "first_name": "Asha", "join_reason": REASON, "consent": CONSENT}
    key = {"Idempotency-Key": str(uuid4())}
    try:
        fleet.post("members", body, **key)
    except httpx.TransportError:
        fleet.revive_apis()
        answer = fleet.clients[0].post("/api/v1/members", json=body, headers=key)
        if answer.status_code == 409:  # the outcome of the first is unknown: looked up, as the answer says
            if not fleet.get("members", q=addresses[0])["items"]:
                fleet.post("members", body)
            return addresses
        assert answer.is_success, answer.text
    return addresses


def approve_drafts(fleet: Fleet, addresses: list[str]) -> None:
    """What is drafted is approved; then the welcome goes, once."""

    def drafted() -> list[str]:
        waiting = fleet.get("join-requests", status="open", limit=200)["items"]
        ours = {member["id"] for email in addresses for member in fleet.get("members", q=email)["items"]}
        return [request["id"] for request in waiting if request["drafted_at"] and request["member_id"] in ours]

    for request_id in until(drafted, seconds=60, every=0.05):
        fleet.post(f"join-requests/{request_id}/approve")
    fleet.settle()
    expect_once(fleet, addresses, "welcome")


def begin_newsletter(fleet: Fleet) -> list[str]:
    """An extra edition with two items, to be sent at once to everybody there is."""
    addresses = people()
    members(fleet, addresses)
    mark = uuid4().hex[:6]
    items = [
        fleet.post("content", {"kind": "content", "title": f"Story {n} {mark}", "url": f"https://example.org/{mark}/{n}"})["id"]
        for n in range(2)
    ]
    for item in items:
        fleet.ask("PATCH", f"content/{item}", json={"status": "accepted"})
    edition = fleet.post("editions", {"subject": f"Edition {mark}", "item_ids": items, "lead_item_id": items[0]})
    fleet.post(f"editions/{edition['id']}/approve")
    fleet.post(f"editions/{edition['id']}/send")
    return addresses


def books_balance(fleet: Fleet, _addresses: list[str]) -> None:
    newest = next(edition for edition in fleet.get("editions", limit=5)["items"] if edition["status"] != "draft")
    assert newest["status"] == "sent", newest
    books = fleet.get(f"editions/{newest['id']}")["progress"]["books"]
    named = ("left_out", "accepted", "skipped", "failed", "needs_person")
    assert books["candidates"] == sum(books[name] for name in named), books


def begin_import(fleet: Fleet) -> list[str]:
    addresses = people()
    rows = "\n".join(f"{email},Asha,paper,2026-01-05T10:00:00Z" for email in addresses)
    text = f"email,first_name,consent_source,consent_at\n{rows}\n"
    fleet.ask("POST", "members/import", content=text.encode(), headers={"Content-Type": "text/csv"})
    return addresses


def are_members_once(fleet: Fleet, addresses: list[str]) -> None:
    for email in addresses:
        found = fleet.get("members", q=email)["items"]
        assert [member["email"] for member in found] == [email]


def are_in_the_audience(fleet: Fleet, addresses: list[str]) -> None:
    async def look(parts: Parts) -> Mapping[str, str]:
        found = [await parts.providers.audience.get(email) for email in addresses]
        return {email: contact.status or "" for email, contact in zip(addresses, found, strict=True) if contact is not None}

    assert fleet.do(look) == dict.fromkeys(addresses, ContactStatus.SUBSCRIBED)


def begin_erasure(fleet: Fleet) -> list[str]:
    """Somebody who is in Mailchimp's audience asks to be forgotten."""
    addresses = people(1)
    member = members(fleet, addresses)[0]

    async def push(parts: Parts) -> None:
        await push_due(parts)

    fleet.do(push)
    with suppress(httpx.TransportError):
        fleet.post(f"members/{member.id}/erase")
    return addresses


def is_forgotten(fleet: Fleet, addresses: list[str]) -> None:
    assert fleet.get("members", q=addresses[0])["items"] == []

    async def look(parts: Parts) -> bool:
        return await parts.providers.audience.get(addresses[0]) is None

    until(lambda: fleet.do(look), seconds=60, every=0.3)


def receipts(fleet: Fleet) -> list[str]:
    """Mail has gone, and what became of it is told again and again until it is stored."""
    return letters(MessageKind.WELCOME)(fleet)


def are_delivered(fleet: Fleet, addresses: list[str]) -> None:
    ids = [fleet.get("members", q=email)["items"][0]["id"] for email in addresses]

    def statuses() -> set[str]:
        return {row["status"] for member_id in ids for row in fleet.get("deliveries", member_id=member_id)["items"]}

    until(lambda: statuses() == {"delivered"}, seconds=60, every=0.1)


def expect_once(fleet: Fleet, addresses: list[str], tag: str) -> None:
    """The sandbox's record: each of them got exactly one."""
    found = fleet.accepted(tag=tag) if tag != "newsletter" else fleet.accepted(product="campaign")
    counts = {email: found["by_recipient"].get(email, 0) for email in addresses}
    assert counts == dict.fromkeys(addresses, 1), json.dumps(counts)


STORIES = (
    Story(
        ("delivery.claiming", "delivery.recorded", "delivery.claimed", "delivery.recording", "delivery.called"),
        letters(MessageKind.WELCOME),
        "welcome",
    ),
    Story(("doubt.looked_up",), answers_lost, "welcome"),
    Story(("webhook.applying", "webhook.applied"), receipts, "welcome", are_delivered),
    Story(("webhook.storing", "webhook.stored"), receipts, "welcome", are_delivered, by_api=True, asked_by_mailchimp=True),
    Story(("confirmation.queued",), ask_to_join, "confirm_join"),
    Story(("welcome.drafted",), join_by_hand, "", approve_drafts),
    Story(("request.done", "request.committed"), join_by_hand, "", approve_drafts, by_api=True),
    Story(("audience.written",), lambda fleet: [m.email for m in members(fleet, people())], "", are_in_the_audience),
    Story(
        (
            "edition.frozen",
            "campaign.planned",
            "campaign.created",
            "campaign.filled",
            "campaign.about_to_send",
            "campaign.ready",
            "campaign.sending",
        ),
        begin_newsletter,
        "newsletter",
        books_balance,
    ),
    Story(("report.read",), begin_newsletter, "newsletter", books_balance),
    Story(("import.batch",), begin_import, "", are_members_once),
    Story(("erasure.here", "erasure.there"), begin_erasure, "", is_forgotten, by_api=True),
)
