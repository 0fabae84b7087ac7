"""The demo's story: one quarter of a community, told through the API and the members' own pages."""

import asyncio
import html
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from service.cli.demo.timeline import Timeline, TookTooLong

DATA = Path(__file__).parent / "data"
STORY = DATA / "story.json"
QUARTER = "2026-Q3"
Json = dict[str, Any]


class Stage:
    """Prints what happens: a line per stage, with how long it took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._number = 0

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text, soft_wrap=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One stage."""
        self._number += 1
        self.console.print(f"[bold]{self._number:>2}. {title}[/bold]")
        started = time.monotonic()
        yield
        self.console.print(f"      [dim]{time.monotonic() - started:.1f} s[/dim]")


async def tell_story(stage: Stage, timeline: Timeline, api: httpx.AsyncClient, sandbox: httpx.AsyncClient, csv: Path | None) -> None:
    """Tell all of it. Raises TookTooLong and httpx.HTTPStatusError."""
    story: Json = json.loads(STORY.read_text())
    teller = Teller(stage, timeline, api, sandbox, story)
    with stage.step("Monday 6 July: members come in from a CSV, with consent and organisations"):
        await teller.import_members(csv or DATA / "community.csv")
    with stage.step("... and reach the Mailchimp audience by themselves"):
        await teller.audience()
    with stage.step("Four people ask to join, each with a reason, and confirm"):
        await teller.join()
    with stage.step("Their welcomes are drafted with matched resources; the facilitator approves"):
        await teller.welcome()
    with stage.step("Content is collected for the next editions"):
        await teller.collect()
    for number, edition in enumerate(story["editions"], start=1):
        with stage.step(f"Edition {number}, Wednesday {edition['day']}: {edition['subject']}"):
            await teller.edition(edition)
    with stage.step("September: who has not been seen for 60 days gets a nudge"):
        await teller.nudge()
    with stage.step(f"An event: {story['event']['title']}"):
        await teller.event()
    with stage.step("The quarter ends; late opens and clicks come in"):
        await timeline.move_to("2026-10-03", "08:00")
        await timeline.move_to("2026-10-11", "08:00")
        await teller.replies()


@dataclass
class Teller:
    """One method per stage."""

    stage: Stage
    timeline: Timeline
    api: httpx.AsyncClient
    sandbox: httpx.AsyncClient
    story: Json
    content_ids: list[str] = field(default_factory=list)

    async def _get(self, path: str, **params: str | int) -> Any:
        return (await self.api.get(path, params=params)).raise_for_status().json()

    async def _post(self, path: str, body: Json | None = None) -> Any:
        return (await self.api.post(path, json=body or {})).raise_for_status().json()

    async def import_members(self, csv: Path) -> None:
        """Through the API, as a job with a progress bar; each rejected row is listed with its reason."""
        answer = await self.api.post(
            "/members/import", content=await asyncio.to_thread(csv.read_bytes), headers={"Content-Type": "text/csv"}
        )
        job = answer.raise_for_status().json()
        columns = (TextColumn("      {task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.stage.console, transient=True) as progress:
            task = progress.add_task("importing", total=None)
            while job["status"] not in {"done", "failed"}:
                await asyncio.sleep(0.1)
                job = await self._get(f"/jobs/{job['id']}")
                progress.update(task, completed=job["done"], total=job["total"])
        if job["status"] == "failed":
            raise TookTooLong(job["error"])
        counts = [f"{value} {name.replace('_', ' ')}" for name, value in job["result"].items() if value and isinstance(value, int)]
        self.stage.say(f"      {', '.join(counts)}")
        for row in job["rejected"]:
            self.stage.say(f"      [yellow]row {row['row']}: {row['field']} {row['reason']}[/yellow]")

    async def audience(self) -> None:
        """The worker's tick does it; we only wait and look."""
        await self.timeline.settle()
        writes = (await self.sandbox.get("/_control/requests")).json()
        members = (await self.sandbox.get("/3.0/lists/sandbox01", auth=("demo", "sandbox-key-us1"))).json()
        self.stage.say(
            f"      {members['stats']['member_count']} contacts at Mailchimp; at most {writes['peak']['marketing']} connections at once"
        )

    async def join(self) -> None:
        """As the people would: the join page, the mail, the button behind its link."""
        base = str(self.api.base_url).removesuffix("/api/v1/")
        async with httpx.AsyncClient(base_url=base, timeout=30, follow_redirects=True) as visitor:
            for person in self.story["newcomers"]:
                await self._ask(visitor, person)
            await self.timeline.settle()
            for person in self.story["newcomers"]:
                link = await self._link_in_mail(person["email"], "/confirm/")
                (await visitor.get(link)).raise_for_status()
                (await visitor.post(link)).raise_for_status()
        await self.timeline.settle()

    async def _ask(self, visitor: httpx.AsyncClient, person: Json) -> None:
        form = {
            "email": person["email"],
            "first_name": person["first_name"],
            "last_name": person["last_name"],
            "organisation": person["organisation"],
            "profession": person["profession"],
            "join_reason": person["reason"],
            "agrees": "yes",
            "allows_measuring": "yes",
        }
        (await visitor.post("/join", data=form)).raise_for_status()

    async def _link_in_mail(self, email: str, part: str) -> str:
        found = (await self.sandbox.get("/_control/accepted", params={"email": email, "items": 1})).json()
        for item in reversed(found["items"]):
            mail = html.unescape((await self.sandbox.get(f"/mail/{item['id']}/html")).text)
            link = re.search(rf"https?://[^\s\"<>]*{part}[^\s\"<>]+", mail)
            if link:
                return link.group(0)
        raise TookTooLong(f"no mail with {part} has come")

    async def welcome(self) -> None:
        """The queue as the facilitator sees it."""
        for request in (await self._get("/join-requests", status="open"))["items"]:
            best = request["matches"][0] if request["matches"] else None
            self.stage.say(f"      “{request['reason'][:90]}…”")
            if best:
                self.stage.say(f"        → {best['title']} ({best['score']:.2f}): {best['why']}")
            await self._post(f"/join-requests/{request['id']}/approve")
        await self.timeline.settle()
        await self.timeline.move_to("2026-07-07", "17:00")

    async def collect(self) -> None:
        """By the API; feeds would do the same."""
        for item in self.story["content"]:
            self.content_ids.append((await self._post("/content", item))["id"])
        self.stage.say(f"      {len(self.content_ids)} items accepted")

    async def edition(self, wanted: Json) -> None:
        """Composed and approved before Wednesday, frozen at 09:45, sent at 10:00 as a Mailchimp campaign."""
        day = wanted["day"]
        await self.timeline.move_to(day, "08:00")
        draft = next(e for e in (await self._get("/editions"))["items"] if e["status"] == "draft")
        body = {
            "subject": wanted["subject"],
            "preview_text": "Five minutes, once a week.",
            "intro": "Good morning. One thing to read, one to answer, one to come to.",
            "item_ids": [self.content_ids[i] for i in wanted["items"]],
            "lead_item_id": self.content_ids[wanted["lead"]],
        }
        (await self.api.patch(f"/editions/{draft['id']}", json=body)).raise_for_status()
        await self._post(f"/editions/{draft['id']}/approve")
        await self.timeline.move_to(day, "09:46")
        await self.timeline.move_to(day, "10:01")
        edition = await self._get(f"/editions/{draft['id']}")
        for clock in ("12:30", "17:00", "23:00"):
            await self.timeline.move_to(day, clock)
        await self.timeline.move_to(*_days_later(day, 3, "09:00"))
        report = await self._get(f"/editions/{draft['id']}/report")
        self.stage.say(
            f"      {edition['status']}; delivered {report['delivered']}, opened by people {report['opened']},"
            f" clicked {report['clicked']}, bounced {report['bounced']}"
        )

    async def nudge(self) -> None:
        """On a Tuesday morning: who, why, when, or why not."""
        await self.timeline.move_to("2026-09-15", "08:30")
        run = await self._post("/nudges/run")
        going = [item for item in run["items"] if item["due_at"]]
        kept = [item for item in run["items"] if not item["due_at"]]
        self.stage.say(f"      {len(going)} nudges queued, {len(kept)} members left out, each with its reason")
        for item in going[:2]:
            self.stage.say(f"        {item['why']}")
        await self.timeline.move_to("2026-09-15", "09:30")
        await self.timeline.move_to("2026-09-16", "17:00")

    async def event(self) -> None:
        """With people on the list and one guest nobody knows."""
        event, zone = self.story["event"], "+01:00"
        made = await self._post(
            "/events",
            {
                "title": event["title"],
                "starts_at": f"{event['day']}T{event['from']}:00{zone}",
                "ends_at": f"{event['day']}T{event['to']}:00{zone}",
                "venue": event["venue"],
                "url": event["url"],
            },
        )
        members = (await self._get("/members", status="subscribed", limit=40))["items"]
        attendees: list[Json] = [{"member_id": member["id"]} for member in members[::2]]
        attendees.append({"email": "guest@visitors.example", "name": "A guest"})
        await self.timeline.move_to(event["day"], "14:00")
        (await self.api.put(f"/events/{made['id']}/attendees", json={"attendees": attendees})).raise_for_status()
        self.stage.say(f"      {len(attendees)} people came")

    async def replies(self) -> None:
        """What members wrote back."""
        found = (await self._get("/replies", limit=200))["items"]
        by_kind: dict[str, int] = {}
        for reply in found:
            by_kind[reply["kind"]] = by_kind.get(reply["kind"], 0) + 1
        self.stage.say("      " + (", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in by_kind.items()) or "no replies"))


def _days_later(day: str, days: int, clock: str) -> tuple[str, str]:
    year, month, number = (int(part) for part in day.split("-"))
    return f"{year}-{month:02}-{number + days:02}", clock
