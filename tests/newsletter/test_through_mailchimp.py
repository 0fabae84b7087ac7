"""An edition through the Mailchimp stand-in over real HTTP: what each reader finds in their mailbox."""

import html
import re
from datetime import timedelta

import httpx

from service.campaigns.steps import advance_due
from service.events.models import Event
from service.members.interest_groups import InterestGroupCreate, add_group
from service.newsletter.due import run_due
from service.newsletter.editions import approve_edition, change_edition, ensure_draft
from service.newsletter.shapes import EditionUpdate
from tests.mailchimp import World
from tests.newsletter.community import an_item, edition_now, fill

SECOND = "Four minutes that halve falls"


def mail_of(world: World, email: str) -> tuple[str, str, str]:
    """(subject, HTML, text) of the one mail in somebody's mailbox, as its pages show it."""
    base = f"http://127.0.0.1:{world.sandbox.port}"
    [(mail_id, subject)] = re.findall(r'href="/mail/([^"]+)">([^<]+)<', httpx.get(f"{base}/mailbox/{email}").text)
    [text] = re.findall(r"<pre[^>]*>(.*?)</pre>", httpx.get(f"{base}/mail/{mail_id}").text, re.DOTALL)
    return html.unescape(subject), httpx.get(f"{base}/mail/{mail_id}/html").text, html.unescape(text)


async def test_each_reader_gets_one_mail_with_their_own_part_and_one_of_two_subjects(world: World) -> None:
    start = world.clock.now()
    parts = world.parts
    falls = {f"falls{n}@trust.nhs.uk" for n in range(6)}
    others = {f"other{n}@trust.nhs.uk" for n in range(6)}
    async with parts.database.transaction() as session:
        group = await add_group(session, InterestGroupCreate(name="Falls", topics=["falls"]), now=start)
    await world.members(*sorted(falls), interests=["Falls"], allows_measuring=True)
    await world.members(*sorted(others), interests=["audit"], allows_measuring=True)
    await world.push()
    async with parts.database.transaction() as session:
        edition = await fill(session, await ensure_draft(session, now=start, settings=parts.settings), now=start)
        rails = await an_item(session, "Bed rails", now=start, topics=["falls"])
        body = EditionUpdate(personal={group.id: rails.id}, subject_b=SECOND)
        await change_edition(session, edition.id, body, now=start)
        meeting = start + timedelta(days=3)
        ends = meeting + timedelta(hours=1)
        session.add(Event(title="Open call", starts_at=meeting, ends_at=ends, url="https://e.org/1", created_at=start, updated_at=start))
        await approve_edition(session, edition.id, by="Maria", now=start, settings=parts.settings)
    for _ in range(16):
        world.advance(minutes=5)
        await run_due(parts.database, now=world.clock.now(), settings=parts.settings, renderer=parts.renderer)
        await advance_due(parts)
    assert (await edition_now(parts.database, edition.id)).status == "sent"
    assert world.accepted() == dict.fromkeys(falls | others, 1)
    subjects = set()
    for email in sorted(falls | others):
        subject, *forms = mail_of(world, email)
        subjects.add(subject)
        for form in forms:
            assert ("Bed rails" in form) is (email in falls)
            assert "Sign up" in form
            assert "*|" not in form
    assert subjects == {edition.subject, SECOND}
