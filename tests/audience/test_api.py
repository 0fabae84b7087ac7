"""What a facilitator sees of the audience: how both sides stand, whom Mailchimp refuses and what to do, and a sync to follow."""

from uuid import UUID

from service.audience.sync_job import KIND, run_sync
from service.jobs.models import Job, JobStatus
from service.members.actions import change_member
from service.members.shapes import MemberUpdate
from service.members.standing import get_member
from tests.api_client import open_api
from tests.mailchimp import World

FAKE = "fake@example.invalid"


async def test_whom_mailchimp_refuses_is_listed_with_the_mend(world: World) -> None:
    good, bad = await world.members("asha@trust.nhs.uk", FAKE, organisation="Ysbyty " + "â" * 190)
    await world.push()
    async with open_api(world.parts) as api:
        state = (await api.viewer.get("audience")).json()
        assert state["contacts"] == {"subscribed": 1, "unknown": 1}
        assert (state["due"], state["refused"], state["cut"], state["stopped"]) == (0, 1, 1, False)
        items = (await api.viewer.get("audience/problems")).json()["items"]
        assert {item["member_id"] for item in items} == {str(good), str(bad)}
        by_id = {item["member_id"]: item for item in items}
        assert by_id[str(bad)]["problem"] == "Invalid Resource"
        assert "correct the member's address" in by_id[str(bad)]["mend"]
        assert (by_id[str(good)]["problem"], by_id[str(good)]["cut_fields"]) == ("", "ORG")
        assert (await api.viewer.get(f"members/{bad}/audience")).json() == by_id[str(bad)]
        first = (await api.viewer.get("audience/problems", params={"limit": 1})).json()
        rest = (await api.viewer.get("audience/problems", params={"limit": 1, "cursor": first["next_cursor"]})).json()
        assert {item["member_id"] for item in first["items"] + rest["items"]} == {str(good), str(bad)}
        [late] = await world.members("late@trust.nhs.uk")
        assert (await api.viewer.get(f"members/{late}/audience")).status_code == 404


async def test_a_sync_is_a_job_that_can_be_followed_to_its_end(world: World) -> None:
    await world.members(*(f"m{n}@trust.nhs.uk" for n in range(3)), FAKE)
    async with open_api(world.parts) as api:
        assert (await api.viewer.post("audience/sync")).status_code == 403
        started = await api.facilitator.post("audience/sync")
        assert started.status_code == 202
        job = started.json()
        assert (job["kind"], job["status"], job["total"], job["done"]) == (KIND, "queued", 4, 0)
        assert (await api.facilitator.post("audience/sync")).json()["id"] == job["id"]
        world.sandbox.ask("POST", "/audience/subscribe", email="new@trust.nhs.uk")
        assert await run_sync(world.parts, UUID(job["id"]))
        ended = (await api.viewer.get(f"jobs/{job['id']}")).json()
        assert (ended["status"], ended["total"], ended["done"]) == ("done", 5, 5)  # with the one who came from there
        assert ended["result"] == {"read": 1, "refused": 1}


async def test_a_sync_waits_for_a_job_at_mailchimp_and_then_ends(world: World) -> None:
    emails = [f"m{n}@trust.nhs.uk" for n in range(30)]
    async with world.parts.database.transaction() as session:
        job = Job(kind=KIND, created_at=world.clock.now())
        session.add(job)
    ids = await world.members(*emails)
    await world.push()
    async with world.parts.database.transaction() as session:
        for member_id in ids:
            member = await get_member(session, member_id)
            await change_member(session, member, MemberUpdate(first_name="Anew"), source="test", now=world.clock.now())
    assert not await run_sync(world.parts, job.id)
    world.sandbox.ask("POST", "/flush")
    assert await run_sync(world.parts, job.id)
    async with world.parts.database.reading() as session:
        row = await session.get_one(Job, job.id)
    assert (row.status, row.total, row.done) == (JobStatus.DONE, 30, 30)


async def test_a_sync_says_why_it_can_not_go(world: World) -> None:
    await world.members("asha@trust.nhs.uk")
    async with open_api(world.parts) as api:
        job = (await api.facilitator.post("audience/sync")).json()
        world.sandbox.fault("key_revoked", product="marketing", count=None)
        assert await run_sync(world.parts, UUID(job["id"]))
        ended = (await api.viewer.get(f"jobs/{job['id']}")).json()
        assert (ended["status"], ended["done"]) == ("failed", 0)
        assert "kindling doctor" in ended["error"]
        assert (await api.viewer.get("audience")).json()["stopped"] is True
        refused = await api.facilitator.post("audience/sync")
        assert (refused.status_code, refused.json()["detail"]) == (409, ended["error"])


async def test_a_sync_that_could_not_read_the_audience_says_so_and_goes_on(world: World) -> None:
    await world.members("asha@trust.nhs.uk")
    async with open_api(world.parts) as api:
        job = (await api.facilitator.post("audience/sync")).json()
        world.sandbox.fault("error", operation="GET /lists/{list_id}/members", count=None)
        assert not await run_sync(world.parts, UUID(job["id"]))
        waiting = (await api.viewer.get(f"jobs/{job['id']}")).json()
        assert (waiting["status"], waiting["done"]) == ("queued", 0)
        assert "tried again" in waiting["error"]
        world.sandbox.ask("DELETE", "/faults")
        assert await run_sync(world.parts, UUID(job["id"]))
        ended = (await api.viewer.get(f"jobs/{job['id']}")).json()
        assert (ended["status"], ended["done"], ended["error"]) == ("done", 1, "")
