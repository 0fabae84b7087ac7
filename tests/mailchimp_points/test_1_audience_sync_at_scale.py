"""Audience sync at scale: few calls, few connections over all processes, both directions, through a storm, and equal in the end.
The full size: `make bench-sync`.
"""

from pathlib import Path

import pytest
from sqlmodel import col, select

from bench.sync import measure
from service.members.models import Member
from service.migrations import migrate
from service.providers.base import Contact, ContactStatus
from tests.fleet.processes import Nursery
from tests.mailchimp import World
from tests.marks import only_on_linux


@pytest.mark.xdist_group("fleet")
@only_on_linux("forks processes")
def test_a_first_sync_keeps_to_one_call_for_500_people_and_ten_connections_over_all_processes(nursery: Nursery, tmp_path: Path) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path}/bench.db"
    migrate(database)
    found = measure(nursery, 1_201, processes=2, database=database, folder=tmp_path)
    assert found.holds, str(found)
    assert (found.writes, found.allowed_writes) == (3, 4)
    assert 1 < found.peak <= 10


async def test_a_storm_of_429_in_both_directions_ends_with_both_sides_equal(world: World) -> None:
    ours = [f"m{n}@trust.nhs.uk" for n in range(40)]
    theirs = [f"t{n}@trust.nhs.uk" for n in range(20)]
    await world.members(*ours)
    await world.providers.audience.add([Contact(email, None, opt_in_at=world.clock.now()) for email in theirs])
    for email in (*ours[:3], *theirs[:3]):
        await world.providers.audience.put(Contact(email, ContactStatus.UNSUBSCRIBED, status_if_new=ContactStatus.UNSUBSCRIBED))
    world.sandbox.fault("too_many", product="marketing", count=None, probability=0.5)
    for _ in range(12):
        world.advance(minutes=5)
        await world.push()
        await world.pull()
        world.sandbox.ask("POST", "/flush")
    world.sandbox.ask("DELETE", "/faults")
    for _ in range(4):
        world.advance(minutes=35)
        await world.push()
        await world.pull()
        world.sandbox.ask("POST", "/flush")
    async with world.parts.database.reading() as session:
        here = dict((await session.exec(select(Member.email, Member.status))).all())
        waiting = (await session.exec(select(Member.email).where(col(Member.audience_due_at).is_not(None)))).all()
    there = {contact.email: contact.status async for contact in world.providers.audience.changed_since(None)}
    left = {*ours[:3], *theirs[:3]}
    assert waiting == []
    assert {email for email, status in there.items() if status == "subscribed"} == {*ours, *theirs} - left
    assert {email for email, status in here.items() if status == "subscribed"} == {*ours, *theirs} - left
