"""Parts of an edition for some readers only, and new members welcomed by name."""

from datetime import timedelta

import httpx
import pytest
from sqlmodel import select

from service.members.models import Member, Organisation
from service.messages.models import Message
from service.newsletter.composition import Candidate, ClickHistory, ReaderGroup, Readers, compose
from service.newsletter.newcomers import forget_newcomer
from service.newsletter.rules import ContentKind
from service.parts import Parts
from tests.fakes import NOW
from tests.newsletter.community import add_readers, an_item, edition_now, editions, ready_edition, tick
from tests.newsletter.fakes import FakeCampaigns
from tests.newsletter.test_api import API, ok

FREEZE = NOW + timedelta(minutes=45)


async def a_group(client: httpx.AsyncClient, name: str = "Falls", topics: tuple[str, ...] = ("falls", "frailty")) -> dict:  # type: ignore[type-arg]
    return await ok(await client.post(f"{API}/interest-groups", json={"name": name, "topics": list(topics)}), 201)


async def test_an_item_for_an_interest_group_is_seen_by_its_people_alone(
    client: httpx.AsyncClient, parts: Parts, mailchimp: FakeCampaigns
) -> None:
    [asha] = await add_readers(parts.database, "asha", interests=["FRAILTY"])
    [ben] = await add_readers(parts.database, "ben", interests=["audit"])
    group = await a_group(client)
    assert (group["merge_field"], group["people"]) == ("GRP1", 1)
    edition = await ready_edition(parts, approved=False)
    async with parts.database.transaction() as session:
        item = await an_item(session, "Bed rails", topics=["Falls"], status="collected")
    path = f"{API}/editions/{edition.id}"
    changed = await ok(await client.patch(path, json={"personal": {group["id"]: str(item.id)}}))
    assert changed["personal"] == {group["id"]: str(item.id)}
    for member, sees in ((asha, True), (ben, False), (None, False)):
        for form in ("html", "text"):
            query = {"format": form} | ({"member_id": str(member.id)} if member else {})
            mail = (await client.get(f"{path}/preview", params=query)).text
            assert ("Bed rails" in mail) is sees
            assert ("Picked for your interest in Falls" in mail) is sees
            assert "*|" not in mail
    assert (await ok(await client.get(f"{path}/checklist")))["ready"] is True
    await ok(await client.post(f"{path}/approve"))
    await tick(parts, FREEZE)
    async with parts.database.reading() as session:
        [message] = (await session.exec(select(Message))).all()
    assert message.html.count("*|IF:GRP1|*") == message.text.count("*|IF:GRP1|*") == 1
    frozen = await edition_now(parts.database, edition.id)
    assert "Bed rails" not in frozen.archive_html
    assert (await ok(await client.get(f"{API}/content/{item.id}")))["used_in"] == [str(frozen.number)]


async def test_what_cant_be_shown_to_a_group_is_refused_with_the_mend(client: httpx.AsyncClient, parts: Parts) -> None:
    group = await a_group(client)
    edition = await ready_edition(parts, approved=False)
    path = f"{API}/editions/{edition.id}"
    for wrong, words in (
        ({group["id"]: edition.item_ids[0]}, "shown to everybody already"),
        ({group["id"]: group["id"]}, "no such content item"),
        ({edition.item_ids[0]: edition.item_ids[0]}, "no such interest group"),
        ({"not an id": edition.item_ids[0]}, "uuid"),
        (None, "can't be null"),
    ):
        answer = await client.patch(path, json={"personal": wrong})
        assert answer.status_code == 422
        assert words in answer.text.lower() or words in answer.text


async def test_there_are_at_most_four_groups_each_with_a_field_of_its_own(client: httpx.AsyncClient, parts: Parts) -> None:
    made = [await a_group(client, f"Group {n}") for n in range(4)]
    assert [group["merge_field"] for group in made] == ["GRP1", "GRP2", "GRP3", "GRP4"]
    assert (await client.post(f"{API}/interest-groups", json={"name": "Fifth", "topics": ["x"]})).status_code == 409
    assert (await client.delete(f"{API}/interest-groups/{made[1]['id']}")).status_code == 204
    assert (await client.post(f"{API}/interest-groups", json={"name": "group 0", "topics": ["x"]})).status_code == 409
    assert (await a_group(client, "Fifth"))["merge_field"] == "GRP2"
    renamed = await ok(await client.patch(f"{API}/interest-groups/{made[0]['id']}", json={"name": "Nights", "topics": ["night"]}))
    assert (renamed["name"], renamed["topics"]) == ("Nights", ["night"])
    for nothing in ({"name": None}, {"topics": []}):
        assert (await client.patch(f"{API}/interest-groups/{made[0]['id']}", json=nothing)).status_code == 422
    names = [group["name"] for group in (await ok(await client.get(f"{API}/interest-groups")))["items"]]
    assert names == ["Fifth", "Group 2", "Group 3", "Nights"]
    assert (await client.delete(f"{API}/interest-groups/{made[1]['id']}")).status_code == 404


async def test_mailchimp_hears_who_belongs_when_a_group_changes(client: httpx.AsyncClient, parts: Parts) -> None:
    await add_readers(parts.database, "asha", "ben")
    await a_group(client)
    async with parts.database.reading() as session:
        due = [member.audience_due_at for member in await session.exec(select(Member))]
    assert due == [NOW, NOW]


def test_a_proposal_gives_each_group_the_best_of_what_is_left() -> None:
    words = ("one", "two", "six", "ten", "red", "sky", "cup")
    items = [Candidate(word, ContentKind.CONTENT, f"{word} story", NOW) for word in words]
    items += [
        Candidate("old falls", ContentKind.CONTENT, "Rails", NOW - timedelta(days=60), topics=("Falls",)),
        Candidate("falls", ContentKind.CONTENT, "Slippers", NOW - timedelta(days=50), topics=("Falls",)),
    ]
    groups = [ReaderGroup("g1", "Falls", frozenset({"falls"})), ReaderGroup("g2", "Frailty", frozenset({"falls", "frailty"}))]
    found = compose(items, past_editions=[], now=NOW, readers=Readers(), clicks=ClickHistory(), groups=groups)
    assert {group: choice.item_id for group, choice in found.personal.items()} == {"g1": "falls", "g2": "old falls"}
    assert found.personal["g1"].why[0] == "Only readers with an interest in Falls see it."
    assert found.left_out == {}


@pytest.fixture
async def newcomers(parts: Parts) -> None:
    async with parts.database.transaction() as session:
        trust = Organisation(name="St Elsewhere & Sons", name_key="st elsewhere sons", created_at=NOW)
        session.add(trust)
    joined = NOW - timedelta(days=2)
    await add_readers(parts.database, "asha", joined_at=joined, may_be_named=True, organisation_id=trust.id)
    await add_readers(parts.database, "ben", joined_at=joined, may_be_named=True)
    await add_readers(parts.database, "shy", joined_at=joined)
    await add_readers(parts.database, "gone", joined_at=joined, may_be_named=True, status="unsubscribed")
    await add_readers(parts.database, "old", joined_at=NOW - timedelta(days=40), may_be_named=True)


async def test_new_members_who_agreed_are_welcomed_once(parts: Parts, newcomers: None) -> None:
    first = await ready_edition(parts)
    await tick(parts, FREEZE)
    frozen = await edition_now(parts.database, first.id)
    assert [(one["first_name"], one["organisation"]) for one in frozen.newcomers] == [("Asha", "St Elsewhere & Sons"), ("Ben", "")]
    async with parts.database.reading() as session:
        message = await session.get_one(Message, frozen.message_id)
    assert "Welcome to Asha (St Elsewhere & Sons) and Ben. Say hello" in message.text
    assert "Asha" not in frozen.archive_html
    for name in ("Shy", "Gone", "Old"):
        assert name not in message.text
    await ready_edition(parts, now=NOW + timedelta(days=7))
    await tick(parts, FREEZE + timedelta(days=7))
    assert (await editions(parts.database))[1].newcomers == []


async def test_who_is_erased_is_no_longer_named_in_what_is_kept(parts: Parts, newcomers: None) -> None:
    edition = await ready_edition(parts)
    await tick(parts, FREEZE)
    async with parts.database.transaction() as session:
        asha = (await session.exec(select(Member).where(Member.first_name == "Asha"))).one()
        assert await forget_newcomer(session, asha.id) == 1
    frozen = await edition_now(parts.database, edition.id)
    async with parts.database.reading() as session:
        message = await session.get_one(Message, frozen.message_id)
    assert "Welcome to a new member and Ben." in message.text
    assert "Welcome to a new member and <strong>Ben</strong>." in message.html
    for kept in (str(frozen.newcomers), message.html, message.text):
        assert "Asha" not in kept
        assert "Elsewhere" not in kept
