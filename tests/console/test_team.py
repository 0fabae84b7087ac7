"""Who runs the community, in the console: days away, lines taken on, and one entry for sign-in and morning mail."""

import re

import pytest
from sqlmodel import select

from service.auth.rules import Role
from service.briefing.models import Facilitator, FacilitatorLeave, WeekClaim
from service.console.people import allow_person
from service.parts import Parts
from tests.console.conftest import SAME_SITE, Seeded, Visitor
from tests.console.test_sign_in import mailed_link

pytestmark = pytest.mark.parametrize("template", ["sqlite"], indirect=True)
NUR = "nur@example.org"


async def sign_in_as_nur(visitor: Visitor, *, role: Role = Role.FACILITATOR, morning_mail: bool | None = True) -> None:
    async with visitor.parts.database.transaction() as session:
        now = visitor.parts.clock.now()
        await allow_person(session, name="Nur", email=NUR, role=role, by="test", now=now, morning_mail=morning_mail)
    await visitor.client.post("/console/sign-in", data={"email": NUR}, headers=SAME_SITE)
    await visitor.client.post(await mailed_link(visitor.parts), headers=SAME_SITE)


async def the_facilitator(parts: Parts) -> Facilitator:
    async with parts.database.reading() as session:
        return (await session.exec(select(Facilitator).where(Facilitator.email == NUR))).one()


async def test_days_away_are_noted_and_taken_back(visitor: Visitor) -> None:
    await sign_in_as_nur(visitor)
    await visitor.see("/console/team")
    nur = await the_facilitator(visitor.parts)
    backwards = await visitor.press("/console/team/leave", status=422, who=str(nur.id), **{"from": "2026-08-14", "until": "2026-08-03"})
    assert "Last day: is before from" in backwards
    assert "Who: choose from the list" in await visitor.press("/console/team/leave", status=422, who="x", **{"from": "2026-08-03"})
    page = await visitor.press("/console/team/leave", who=str(nur.id), **{"from": "2026-08-03", "until": "2026-08-14"})
    assert "Away 2026-08-03 to 2026-08-14" in page
    remove = re.search(rf"/console/team/{nur.id}/leave/[0-9a-f-]+/remove", page)
    assert remove
    assert "Away" not in await visitor.press(remove.group(0))
    async with visitor.parts.database.reading() as session:
        assert (await session.exec(select(FacilitatorLeave))).all() == []


async def test_a_line_of_today_is_taken_on_and_given_back(seeded: Seeded) -> None:
    visitor, _ = seeded
    await visitor.sign_in()
    await visitor.press("/console/claims", status=409, line="reply:x")  # signed in with a key: nobody's name
    await sign_in_as_nur(visitor)
    page = await visitor.see("/console")
    line = re.search(r'name="line" value="([^"]+)">\s*<button class="second small">I will do this one', page)
    assert line
    assert "Nur has it" in await visitor.press("/console/claims", line=line.group(1))
    async with visitor.parts.database.reading() as session:
        assert [claim.line_key for claim in await session.exec(select(WeekClaim))] == [line.group(1)]
    assert "Nur has it" not in await visitor.press("/console/claims", line=line.group(1), back="yes")


async def test_one_entry_lets_somebody_sign_in_and_gives_the_morning_mail_and_ends_both(visitor: Visitor) -> None:
    await visitor.sign_in(Role.ADMIN)
    page = await visitor.press("/console/people", name="Nur", email=NUR, role="facilitator", morning_mail="yes")
    nur = await the_facilitator(visitor.parts)
    assert (nur.name, nur.active) == ("Nur", True)
    await visitor.press("/console/people", name="Ops", email="ops@example.org", role="admin")
    remove = re.search(rf"{NUR}</td>.*?(/console/people/[0-9a-f-]+/remove)", page)
    assert remove
    await visitor.press(remove.group(1))
    assert not (await the_facilitator(visitor.parts)).active
    async with visitor.parts.database.reading() as session:
        assert "ops@example.org" not in {row.email for row in await session.exec(select(Facilitator))}


async def test_a_viewer_sees_who_runs_it_and_changes_nothing(visitor: Visitor) -> None:
    await sign_in_as_nur(visitor, role=Role.VIEWER, morning_mail=None)
    assert "<form" not in (await visitor.see("/console/team")).partition("<main")[2]
    await visitor.press("/console/team", status=422, name="A", email="a@example.org")
