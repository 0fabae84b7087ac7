"""Signing in and out of the console: links, keys, cookies, forms from elsewhere, roles."""

import re

import pytest
from sqlmodel import select

from service.auth.keys import create_key, revoke_key
from service.auth.models import AuditEntry
from service.auth.rules import Role
from service.console.access import ConsoleRoute
from service.console.models import ConsoleSession, SignInLink
from service.console.people import allow_person, people, remove_person
from service.console.routes import PAGES
from service.console.sessions import IDLE, LONGEST
from service.messages.models import Delivery, Message
from service.parts import Parts
from tests.console.conftest import SAME_SITE, Visitor

ADDRESS = "facilitator@example.org"
ON_SQLITE = pytest.mark.parametrize("template", ["sqlite"], indirect=True)
"""What needs no second database to be proved."""


async def mailed_link(parts: Parts) -> str:
    """The path of the link in the newest mail."""
    async with parts.database.reading() as session:
        texts = (await session.exec(select(Message.text).where(Message.kind == "sign_in").order_by(Message.id.desc()))).all()  # type: ignore[attr-defined]
    found = re.search(r"/console/sign-in/\S+", texts[0])
    assert found
    return found.group(0)


async def audited(parts: Parts) -> list[str]:
    async with parts.database.reading() as session:
        return [f"{e.actor} {e.action} {e.origin}" for e in await session.exec(select(AuditEntry).order_by(AuditEntry.id))]  # type: ignore[arg-type]


@ON_SQLITE
async def test_without_a_session_every_page_leads_to_the_sign_in_page_and_back(visitor: Visitor) -> None:
    answer = await visitor.client.get("/console/requests?status=open")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/sign-in?next=/console/requests%3Fstatus%3Dopen"
    page = await visitor.client.get(answer.headers["location"])
    assert 'name="next" value="/console/requests?status=open"' in page.text


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/console//evil.example", "/join", "/console/../x\\y"])
@ON_SQLITE
async def test_after_signing_in_nobody_is_led_to_another_site(elsewhere: str, visitor: Visitor) -> None:
    page = await visitor.client.get("/console/sign-in", params={"next": elsewhere})
    assert 'name="next" value="/console"' in page.text


async def test_a_mailed_link_signs_in_once_after_the_button(visitor: Visitor) -> None:
    asked = await visitor.client.post("/console/sign-in", data={"email": ADDRESS}, headers=SAME_SITE)
    assert "Now look into your mailbox" in asked.text
    link = await mailed_link(visitor.parts)
    looked = await visitor.client.get(link)
    assert "Sign in as Facilitator?" in looked.text
    assert "set-cookie" not in looked.headers
    assert looked.headers["referrer-policy"] == "no-referrer"
    answer = await visitor.client.post(link, headers=SAME_SITE)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "<h1>Today</h1>" in await visitor.see("/console")
    again = await visitor.client.post(link, headers=SAME_SITE)
    assert again.status_code == 422
    assert "does not work any more" in again.text
    assert any(line.startswith("person:") and line.endswith("sign_in 203.0.113.9") for line in await audited(visitor.parts))


@ON_SQLITE
async def test_a_link_is_good_for_fifteen_minutes(visitor: Visitor) -> None:
    await visitor.client.post("/console/sign-in", data={"email": ADDRESS}, headers=SAME_SITE)
    link = await mailed_link(visitor.parts)
    visitor.parts.clock.advance(minutes=16)  # type: ignore[attr-defined]
    assert (await visitor.client.post(link, headers=SAME_SITE)).status_code == 422


@ON_SQLITE
async def test_a_stranger_sees_the_same_page_and_gets_no_mail(visitor: Visitor) -> None:
    known = await visitor.client.post("/console/sign-in", data={"email": ADDRESS}, headers=SAME_SITE)
    strange = await visitor.client.post("/console/sign-in", data={"email": "stranger@example.net"}, headers=SAME_SITE)
    assert strange.text.replace("stranger@example.net", ADDRESS) == known.text
    async with visitor.parts.database.reading() as session:
        assert len((await session.exec(select(SignInLink))).all()) == 1
        assert [d.email for d in await session.exec(select(Delivery))] == [ADDRESS]


@ON_SQLITE
async def test_links_are_asked_for_only_so_often(visitor: Visitor) -> None:
    for _ in range(10):
        assert (await visitor.client.post("/console/sign-in", data={"email": "x@example.net"}, headers=SAME_SITE)).status_code == 200
    refused = await visitor.client.post("/console/sign-in", data={"email": "x@example.net"}, headers=SAME_SITE)
    assert refused.status_code == 429
    assert "Too many links asked for" in refused.text
    assert int(refused.headers["retry-after"]) > 0


async def test_a_key_signs_in_with_its_role_and_a_revoked_one_signs_out_at_once(visitor: Visitor) -> None:
    async with visitor.parts.database.transaction() as session:
        row, key = await create_key(session, name="Maria", role=Role.VIEWER, now=visitor.parts.clock.now())
    wrong = await visitor.client.post("/console/sign-in/key", data={"key": "kdl_wrong"}, headers=SAME_SITE)
    assert wrong.status_code == 422
    answer = await visitor.client.post("/console/sign-in/key", data={"key": key, "next": "/console/requests"}, headers=SAME_SITE)
    assert answer.headers["location"] == "/console/requests"
    assert "(viewer)" in await visitor.see("/console")
    async with visitor.parts.database.transaction() as session:
        await revoke_key(session, row.id, now=visitor.parts.clock.now())
    assert (await visitor.client.get("/console")).status_code == 303


@ON_SQLITE
async def test_the_cookie_is_kept_as_a_hash_and_ends_with_signing_out(visitor: Visitor) -> None:
    await visitor.sign_in()
    token = visitor.client.cookies["kindling_console"]
    async with visitor.parts.database.reading() as session:
        kept = (await session.exec(select(ConsoleSession))).one()
    assert token not in kept.token_hash
    await visitor.press("/console/sign-out")
    visitor.client.cookies.set("kindling_console", token)
    assert (await visitor.client.get("/console")).status_code == 303


@pytest.mark.parametrize("after", [IDLE, LONGEST])
@ON_SQLITE
async def test_a_session_ends_by_itself(after: object, visitor: Visitor) -> None:
    await visitor.sign_in()
    visitor.parts.clock.at += after  # type: ignore[attr-defined]
    visitor.parts.clock.advance(seconds=1)  # type: ignore[attr-defined]
    assert (await visitor.client.get("/console")).status_code == 303


async def test_a_person_who_is_removed_is_signed_out_everywhere(visitor: Visitor) -> None:
    now = visitor.parts.clock.now()
    async with visitor.parts.database.transaction() as session:
        person = await allow_person(session, name="Asha", email="asha@example.org", role=Role.ADMIN, by="test", now=now)
    await visitor.client.post("/console/sign-in", data={"email": "Asha@Example.org"}, headers=SAME_SITE)
    await visitor.client.post(await mailed_link(visitor.parts), headers=SAME_SITE)
    assert "(admin)" in await visitor.see("/console")
    async with visitor.parts.database.transaction() as session:
        await remove_person(session, person.id, by="test", now=now)
        assert await people(session) == []
    assert (await visitor.client.get("/console")).status_code == 303
    await visitor.client.post("/console/sign-in", data={"email": "asha@example.org"}, headers=SAME_SITE)
    async with visitor.parts.database.reading() as session:
        assert len((await session.exec(select(SignInLink))).all()) == 1


def all_posts() -> list[str]:
    found = []
    for page in PAGES:
        for route in page.routes:
            assert isinstance(route, ConsoleRoute), route
            if "POST" in route.methods:
                found.append("/console" + re.sub(r"\{[^}]*\}", "01890000-0000-7000-8000-000000000000", route.path))
    return found


@ON_SQLITE
async def test_no_form_from_elsewhere_changes_anything(visitor: Visitor) -> None:
    await visitor.sign_in(Role.ADMIN)
    paths = all_posts()
    assert len(paths) > 2
    for path in [*paths, "/console/sign-out"]:
        without = await visitor.client.post(path, headers=SAME_SITE)
        assert without.status_code == 403, f"{path} takes a form without the hidden field"
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
            other = await visitor.client.post(path, data={"csrf": visitor.csrf}, headers=headers)
            assert other.status_code == 403, f"{path} takes a form from another site"
    for path in ("/console/sign-in", "/console/sign-in/key"):
        other = await visitor.client.post(path, data={"email": ADDRESS, "key": "k"}, headers={"sec-fetch-site": "cross-site"})
        assert other.status_code == 422


@ON_SQLITE
async def test_the_text_of_a_sign_in_mail_is_for_its_reader_alone(visitor: Visitor) -> None:
    await visitor.client.post("/console/sign-in", data={"email": ADDRESS}, headers=SAME_SITE)
    async with visitor.parts.database.transaction() as session:
        _, key = await create_key(session, name="v", role=Role.VIEWER, now=visitor.parts.clock.now())
        delivery = (await session.exec(select(Delivery))).one()
    told = await visitor.client.get(f"/api/v1/deliveries/{delivery.id}", headers={"authorization": f"Bearer {key}"})
    assert told.json()["text"].count("/console/sign-in/…") == 1
    assert told.json()["text"].count("/console/sign-in/") == 1
