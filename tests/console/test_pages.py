"""What can be done on the pages, and by whom: the same actions, rules and audit trail as the API's."""

import re

import pytest
from sqlmodel import select

from service.auth.models import AuditEntry
from service.auth.rules import Role
from service.console.models import ConsolePerson
from service.console.places import place_of
from service.members.models import Member
from service.messages.suppressions import stopped_keys
from tests.console.conftest import SAME_SITE, Seeded
from tests.console.test_browser import PAGES
from tests.databases import PostgresTemplate, SqliteTemplate

ADMINS_ONLY = {"keys", "audit", "settings"}


class TestOnSqlite:
    @pytest.fixture
    def template(self, sqlite_template: SqliteTemplate) -> SqliteTemplate | PostgresTemplate:
        return sqlite_template

    async def test_a_viewer_reads_everything_but_what_is_for_admins_and_sees_no_button(self, seeded: Seeded) -> None:
        visitor, paths = seeded
        await visitor.sign_in(Role.VIEWER)
        for name, path in PAGES.items():
            if name == "nowhere":
                continue
            text = await visitor.see(path.format(**paths), status=403 if name in ADMINS_ONLY else 200)
            forms = [form for form in re.findall(r'<form[^>]*method="post"[^>]*action="([^"]*)"', text) if form != "/console/sign-out"]
            entry = {"content-item", "member-edit", "member-new", "import", "event-new", "resource-new", "story-new", "nudges"}
            if name not in entry:
                assert forms == [], f"{path} offers a viewer {forms}"

    async def test_a_viewer_who_posts_all_the_same_is_refused(self, seeded: Seeded) -> None:
        visitor, paths = seeded
        await visitor.sign_in(Role.VIEWER)
        for path in (f"/console/requests/{paths['request']}/approve", f"/console/newsletter/{paths['edition']}/step", "/console/content"):
            answer = await visitor.press(path, status=422, step="cancel", title="x", kind="content")
            assert "This needs a key with the scope" in answer
        await visitor.press(f"/console/members/{paths['member']}/stop", status=403)
        await visitor.press("/console/people", status=403, name="Eve", email="eve@example.org", role="admin")
        async with visitor.parts.database.reading() as session:
            assert (await session.exec(select(ConsolePerson))).all() == []

    async def test_erasing_needs_the_word_and_an_admin(self, seeded: Seeded) -> None:
        visitor, paths = seeded
        await visitor.sign_in(Role.FACILITATOR)
        erase = f"/console/members/{paths['member']}/erase"
        assert "Type the word erase" in await visitor.press(erase, status=422, word="yes")
        await visitor.press(erase, status=403, word="erase")
        async with visitor.parts.database.reading() as session:
            member = (await session.exec(select(Member).where(Member.first_name == "Asha"))).one()
        assert member.erased_at is None

    async def test_a_form_with_mistakes_says_which_and_keeps_what_was_written(self, seeded: Seeded) -> None:
        visitor, _ = seeded
        await visitor.sign_in()
        answer = await visitor.press("/console/members", status=422, email="not an address", first_name="Zoe")
        assert 'href="#email"' in answer
        assert 'value="Zoe"' in answer
        answer = await visitor.press("/console/resources", status=422, title="Kept", url="nowhere")
        assert 'href="#url"' in answer
        assert 'value="Kept"' in answer

    async def test_a_key_is_shown_once(self, seeded: Seeded) -> None:
        visitor, _ = seeded
        await visitor.sign_in(Role.ADMIN)
        made = await visitor.press("/console/keys", key_name="reporting", key_role="viewer")
        found = re.search(r"<code>(kdl_[\w-]{40,})</code>", made)
        assert found
        assert found.group(1) not in await visitor.see("/console/keys")

    async def test_previews_run_nothing_and_load_nothing_from_elsewhere(self, seeded: Seeded) -> None:
        visitor, paths = seeded
        await visitor.sign_in()
        for path in (f"/console/requests/{paths['request']}/mail", f"/console/newsletter/{paths['edition']}/mail?view=dark"):
            answer = await visitor.client.get(path)
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("sandbox; default-src 'none'")
            assert "https:" not in policy
            assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        page = await visitor.client.get("/console")
        assert "script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'" in page.headers["content-security-policy"]
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"

    async def test_a_dark_preview_is_dark_whatever_the_facilitators_own_taste(self, seeded: Seeded) -> None:
        visitor, paths = seeded
        await visitor.sign_in()
        mail = f"/console/newsletter/{paths['edition']}/mail?view="
        dark, light = (await visitor.client.get(mail + "dark")).text, (await visitor.client.get(mail + "desktop")).text
        assert "prefers-color-scheme: dark" not in dark.replace("prefers-color-scheme:dark", "prefers-color-scheme: dark").split("<body")[0]
        assert "@media all {" in dark
        assert "@media not all {" in light


async def test_what_is_done_on_a_page_is_audited_as_the_persons_own(seeded: Seeded) -> None:
    visitor, paths = seeded
    await visitor.sign_in()
    assert "Approved." in await visitor.press(f"/console/requests/{paths['request']}/approve")
    await visitor.press(f"/console/members/{paths['member']}/edit", email="asha@trust.example.org", first_name="Aisha", language="en")
    await visitor.press(f"/console/members/{paths['member']}/stop")
    async with visitor.parts.database.reading() as session:
        assert await stopped_keys(session, ["asha@trust.example.org"]) == {"asha@trust.example.org"}
        entries = [e for e in await session.exec(select(AuditEntry)) if e.actor.startswith("key:")]
    done = {entry.action for entry in entries}
    assert {"sign_in", "approve_join_request", "change_member", "suppress"} <= done
    assert {entry.origin for entry in entries} == {"203.0.113.9"}


async def test_an_upload_from_elsewhere_is_refused_and_one_of_ours_becomes_a_job(seeded: Seeded) -> None:
    visitor, _ = seeded
    await visitor.sign_in()
    file = {"file": ("members.csv", b"email,first_name\nnew@trust.example.org,Nia\n", "text/csv")}
    refused = await visitor.client.post("/console/members/import", files=file, headers=SAME_SITE)
    assert refused.status_code == 403
    taken = await visitor.client.post("/console/members/import", data={"csrf": visitor.csrf}, files=file, headers=SAME_SITE)
    assert taken.status_code == 303
    assert "It waits for the worker" in await visitor.see(taken.headers["location"])


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("join_request:01", "/console/requests/01"),
        ("reply:02", "/console/replies/02"),
        ("content:03:items", "/console/newsletter/03"),
        ("event:04:list", "/console/events/04"),
        ("event:none:2026-W28", "/console/events/new"),
        ("plan:gap:value_detective", "/console/groups"),
        ("plan:question:05", "/console/newsletter/05"),
        ("plan:off", ""),
    ],
)
def test_each_line_of_the_briefing_leads_to_where_it_is_done(key: str, place: str) -> None:
    assert place_of(key) == place


async def test_the_page_says_before_an_erasure_that_a_sign_in_goes_with_it(seeded: Seeded) -> None:
    visitor, paths = seeded
    await visitor.sign_in(Role.ADMIN)
    here = f"/console/members/{paths['member']}"
    assert "also sign in to this console" not in await visitor.see(here)
    await visitor.press("/console/people", name="Asha Rao", email="asha@trust.example.org", role="facilitator")
    assert "also sign in to this console" in await visitor.see(here)
