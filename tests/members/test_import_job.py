import csv
import io
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import Request
from sqlmodel import func, select
from starlette.exceptions import HTTPException

from service.errors import Conflict
from service.jobs.models import Job
from service.jobs.progress import claim_job, due_jobs, keep
from service.members.import_job import KEPT_IN_DATABASE, run_import, start_import
from service.members.models import Member, MemberChange
from service.members.transfer import ImportOptions
from service.members.uploads import receive_file
from tests.api_client import Api
from tests.fakes import NOW, RecordingQueue
from tests.members.files import mailchimp_csv

FAULTY = "email,first_name,consent_source,consent_at\r\nann@nhs.net,Ann,form,2026-03-04\r\nnonsense,Bob,,\r\ncat@nhs.net,Cat,,\r\n"


async def posted(api: Api, content: bytes, query: str = "", kind: str = "text/csv") -> UUID:
    answer = await api.facilitator.post(f"members/import{query}", content=content, headers={"content-type": kind})
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "queued"
    return UUID(answer.json()["id"])


async def shown(api: Api, job_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await api.viewer.get(f"jobs/{job_id}")).json()
    return found


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def members(api: Api) -> int:
    async with api.parts.database.reading() as session:
        return (await session.exec(select(func.count()).select_from(Member))).one()


async def test_an_upload_becomes_a_job_that_a_worker_runs(api: Api, queue: RecordingQueue) -> None:
    job_id = await posted(api, FAULTY.encode())
    assert queue.rings == [("import_members", str(job_id))]
    async with api.parts.database.reading() as session:
        assert await due_jobs(session) == [("import_members", job_id)]
    assert await run_import(api.parts, job_id)
    job = await shown(api, job_id)
    assert (job["status"], job["total"], job["done"], job["rejected_count"]) == ("done", 3, 3, 1)
    assert [(entry["row"], entry["field"]) for entry in job["rejected"]] == [(3, "email")]
    assert [entry["row"] for entry in job["result"]["notes"]] == [4]
    assert (job["result"]["added"], job["result"]["columns_not_read"]) == (2, [])
    listed = list(csv.reader(io.StringIO((await api.viewer.get(f"jobs/{job_id}/rejected.csv")).text)))
    assert [row[:2] for row in listed] == [["row", "field"], ["3", "email"]]
    assert "nonsense" not in str(job)
    assert names_in(api.parts.settings.var_dir / "imports") == []
    async with api.parts.database.reading() as session:
        assert (await session.exec(select(Job.payload))).all() == [""]
    assert await run_import(api.parts, job_id)
    assert await members(api) == 2


async def test_a_form_with_a_file_does_as_well(api: Api) -> None:
    answer = await api.facilitator.post("members/import", files={"file": ("people.csv", FAULTY.encode(), "text/csv")}, data={"x": "y"})
    assert answer.status_code == 202
    await run_import(api.parts, UUID(answer.json()["id"]))
    assert await members(api) == 2


async def test_a_dry_run_reports_and_writes_nothing(api: Api) -> None:
    job_id = await posted(api, FAULTY.encode(), "?dry_run=true")
    await run_import(api.parts, job_id)
    job = await shown(api, job_id)
    assert (job["status"], job["done"], job["rejected_count"], job["result"]["added"]) == ("done", 3, 1, 2)
    assert await members(api) == 0


async def test_measuring_is_as_tracking_says_unless_the_facilitator_or_the_row_says_no(api: Api) -> None:
    await run_import(api.parts, await posted(api, b"email\nann@nhs.net"))
    await run_import(api.parts, await posted(api, b"email,allows_measuring\nbob@nhs.net,\ncat@nhs.net,no", "?measuring=true"))
    await run_import(api.parts, await posted(api, b"email\ndan@nhs.net", "?measuring=false"))
    async with api.parts.database.reading() as session:
        allowed = dict((await session.exec(select(Member.email, Member.allows_measuring))).all())
    assert allowed == {"ann@nhs.net": True, "bob@nhs.net": True, "cat@nhs.net": False, "dan@nhs.net": False}


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"", "text/csv", "empty"),
        (b"PK\x03\x04rest", "text/csv", "Excel"),
        (b"name\nAnn", "text/csv", "email"),
        (b"--x\r\nnot a form", "multipart/form-data; boundary=x", "file"),
        (b"", "multipart/form-data", "form"),
    ],
)
async def test_what_is_no_list_is_refused_at_once_and_nothing_stays(api: Api, content: bytes, kind: str, says: str) -> None:
    answer = await api.facilitator.post("members/import", content=content, headers={"content-type": kind})
    assert answer.status_code == 422, answer.text
    assert says in answer.json()["detail"]
    assert names_in(api.parts.settings.var_dir / "imports") == []


async def test_a_file_over_the_limit_is_not_read_to_its_end(tmp_path: Path) -> None:
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        sent += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(HTTPException) as refused:
        await receive_file(request, tmp_path, most=5_000)
    assert refused.value.status_code == 413
    assert sent == 6
    assert names_in(tmp_path) == []


async def test_a_file_that_breaks_later_fails_with_the_row(api: Api) -> None:
    content = b'email,first_name\nann@nhs.net,"Ann' + b"n\n" * 100_000
    job_id = await posted(api, content)
    await run_import(api.parts, job_id)
    job = await shown(api, job_id)
    assert job["status"] == "failed"
    assert "never closed" in job["error"]
    assert await members(api) == 0


async def test_a_stopped_import_is_rung_for_again_and_ends_as_if_it_had_never_stopped(api: Api, queue: RecordingQueue) -> None:
    job_id = await posted(api, mailchimp_csv(2_500).encode())
    asked = iter([False, True])
    assert not await run_import(api.parts, job_id, should_stop=lambda: next(asked))
    halfway = await shown(api, job_id)
    assert (halfway["status"], halfway["done"], halfway["total"]) == ("queued", 1_000, 2_500)
    assert queue.rings[-1] == ("import_members", str(job_id))
    assert await run_import(api.parts, job_id)
    job = await shown(api, job_id)
    assert (job["status"], job["done"], job["result"]["added"], job["result"]["unchanged"]) == ("done", 2_500, 2_500, 0)


async def test_an_import_whose_worker_died_is_taken_up_and_adds_only_what_is_missing(api: Api) -> None:
    job_id = await posted(api, mailchimp_csv(1_500).encode())

    class Killed(BaseException):
        pass

    calls = 0

    def die() -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        return False

    with pytest.raises(Killed):
        await run_import(api.parts, job_id, should_stop=die)
    assert await members(api) == 1_000
    assert await run_import(api.parts, job_id)  # the lease of the dead still holds: not ours
    assert await members(api) == 1_000
    async with api.parts.database.transaction() as session:
        job = await session.get(Job, job_id)
        assert job
        job.lease_until = NOW
        session.add(job)
    async with api.parts.database.reading() as session:
        assert await due_jobs(session) == [("import_members", job_id)]
    assert await run_import(api.parts, job_id)
    assert (await shown(api, job_id))["result"]["added"] == 1_500
    async with api.parts.database.reading() as session:
        assert (await session.exec(select(func.count()).select_from(MemberChange))).one() == 1_500


async def test_a_worker_that_comes_late_writes_nothing(api: Api) -> None:
    job_id = await posted(api, FAULTY.encode())
    async with api.parts.database.transaction() as session:
        slow = await claim_job(session, job_id)
        assert slow
        session.expunge(slow)
    async with api.parts.database.transaction() as session:
        assert await claim_job(session, job_id) is None
        job = await session.get(Job, job_id)
        assert job
        job.lease_until = NOW
        session.add(job)
    async with api.parts.database.transaction() as session:
        assert await claim_job(session, job_id)
    with pytest.raises(Conflict):
        async with api.parts.database.transaction() as session:
            await keep(session, slow, done=99)
    assert (await shown(api, job_id))["done"] == 0


async def test_a_large_file_waits_in_the_imports_folder(api: Api, tmp_path: Path) -> None:
    content = b"email,note\nann@nhs.net," + b"\nann@nhs.net,".join([b"x" * 100_000] * 90)
    assert len(content) > KEPT_IN_DATABASE
    source = tmp_path / "large.csv"
    source.write_bytes(content)
    async with api.parts.database.transaction() as session:
        job = await start_import(session, api.parts.queue, source, var_dir=api.parts.settings.var_dir, options=ImportOptions(), now=NOW)
    assert len(job.payload) < 200
    assert await run_import(api.parts, job.id)
    found = await shown(api, job.id)
    assert (found["status"], found["result"]["added"], found["rejected_count"]) == ("done", 1, 89)
    assert names_in(api.parts.settings.var_dir / "imports") == []


async def test_an_export_streams_what_was_imported(api: Api) -> None:
    await run_import(api.parts, await posted(api, mailchimp_csv(1_200).encode()))
    answer = await api.viewer.get("members/export.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert (len(rows), rows[0]["consent_source"]) == (1_200, "mailchimp")
    assert answer.headers["cache-control"] == "no-store"
