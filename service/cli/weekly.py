"""`kindling week`: the facilitator's day or week in the terminal, or as JSON."""

import sys
from datetime import date

from rich.markup import escape

from service.bootstrap import open_parts
from service.briefing.rules import Line
from service.briefing.shapes import week_public
from service.briefing.tasks import addresses_of
from service.briefing.week import Day, week_of
from service.cli.checks import check_migrated
from service.cli.context import USAGE, fail
from service.cli.screen import out
from service.clock import YEARS
from service.settings import Settings


async def print_week(settings: Settings, day: str | None, how: str, *, whole: bool) -> None:
    """Print the day asked for (today when None), or its whole week."""
    asked = _day(day)
    async with open_parts(settings) as parts:
        await check_migrated(parts.database)
        now = parts.clock.now()
        async with parts.database.reading() as session:
            week = await week_of(session, parts, asked or now.astimezone(settings.zone).date(), now=now)
        links = addresses_of(parts, week, now=now)
        if how == "json":
            sys.stdout.write(week_public(week, links, timezone=settings.timezone).model_dump_json(by_alias=True, indent=2) + "\n")
            return
    for found in week.days:
        if whole or found.day == week.asked:
            _print_day(found, links)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        fail(f"{text} is not a date; write it like 2026-07-08.", code=USAGE)
    if found.year not in YEARS[1:-1]:
        fail(f"{text} is too far away; give a date of our time.", code=USAGE)
    return found


def _print_day(day: Day, links: dict[str, str]) -> None:
    title = f"{day.day:%A} {day.day.day} {day.day:%B %Y}"
    if day.why_not:
        out.print(f"\n[bold]{title}[/bold]: {day.why_not}")
        return
    out.print(f"\n[bold]{title}[/bold]: about {day.minutes} of {day.budget} minutes")
    for section in day.sections:
        if not section.lines and not section.done and not section.more:
            continue
        out.print(f"\n  [bold]{section.work.title}[/bold] ({section.minutes} of {section.work.minutes} minutes)")
        for line in section.lines:
            _print_line(line, links.get(line.key, ""))
        for line in section.done:
            out.print(f"    [green]✓[/green] {escape(line.text)}", soft_wrap=True)
        if section.more:
            out.print(f"    {section.more} more can wait for another day", style="dim")


def _print_line(line: Line, link: str) -> None:
    mark = f"{line.minutes:2d}'" if not line.claimed_by else " ->"
    taken = f" ({escape(line.claimed_by)} has it)" if line.claimed_by else ""
    out.print(f"    {mark} {escape(line.text)}{taken}", soft_wrap=True)
    if line.detail:
        out.print(f"        {escape(line.detail)}", style="dim", soft_wrap=True)
    if link and not line.claimed_by:
        out.print(f"        {escape(line.action)}: {link}", soft_wrap=True, highlight=False)
