"""`kindling import campaigns` and `kindling import events`: the past comes in, with a progress bar."""

import asyncio
from datetime import UTC, date, datetime, time
from pathlib import Path

from service.bootstrap import open_parts
from service.campaigns.backfill import run_backfill, start_backfill
from service.cli.checks import check_migrated
from service.cli.context import fail
from service.cli.screen import out, progress_bar, tell
from service.clock import clock_from
from service.db import Database
from service.events.models import EventsImported
from service.events.past import keep_past, read_past
from service.jobs.models import Job, JobStatus
from service.settings import Settings

LOOK_EVERY = 0.5


async def read_past_campaigns(settings: Settings, since: date, *, as_json: bool) -> None:
    """Read the reports of campaigns sent since the day; a running worker may do it too. Ends the command when it fails."""
    async with open_parts(settings) as parts:
        await check_migrated(parts.database)
        async with parts.database.transaction() as session:
            start = datetime.combine(since, time(), settings.zone).astimezone(UTC)
            job = await start_backfill(session, parts.queue, start, now=parts.clock.now())
        reading = asyncio.create_task(run_backfill(parts, job.id))
        with progress_bar(as_json=as_json) as progress:
            task = progress.add_task("reading reports", total=None)
            while job.status not in {JobStatus.DONE, JobStatus.FAILED}:
                await asyncio.wait([reading], timeout=LOOK_EVERY)
                async with parts.database.reading() as session:
                    job = await session.get_one(Job, job.id)
                progress.update(task, completed=job.done, total=job.total)
        await reading
    if job.status == JobStatus.FAILED:
        fail(job.error)
    found = job.result
    if as_json:
        tell(found)
        return
    out.print(
        f"{found['campaigns_read']} campaigns read ({found['deliveries']} mails), {found['campaigns_known']} were known. "
        "Look at them with `kindling measures QUARTER`."
    )


async def read_past_events(settings: Settings, file: Path, *, dry_run: bool, as_json: bool) -> None:
    """Bring in a file of past events. Raises InvalidInput for a file that is no such table."""
    past = read_past(await asyncio.to_thread(file.read_bytes), settings.zone)
    total = EventsImported(left_out_count=len(past.left_out), left_out=past.left_out)
    database = Database(settings.database)
    try:
        await check_migrated(database)
        with progress_bar(as_json=as_json) as progress:
            for event in progress.track(past.events, description="reading events"):
                if dry_run:
                    continue
                async with database.transaction() as session:
                    total = total.plus(await keep_past(session, event, now=clock_from(settings.clock_file).now(), zone=settings.zone))
    finally:
        await database.close()
    if as_json:
        tell({**total.model_dump(), "events": len(past.events), "dry_run": dry_run})
        return
    for line in total.left_out:
        out.print(f"line {line.row}: {line.field} {line.reason}", soft_wrap=True, markup=False)
    people = sum(len(event.people) for event in past.events)
    if dry_run:
        out.print(f"Nothing was changed. There are {len(past.events)} events and {people} lines of people in it.")
    else:
        people_came = f"{total.attendees} attendees, {total.members} of them members"
        out.print(f"{total.events_made} events made, {total.events_known} were known; {people_came}.")
