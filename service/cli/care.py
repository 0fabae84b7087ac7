"""`kindling doctor` and `kindling mailchimp setup`: each finding in a line, with the mend."""

from collections.abc import AsyncIterator
from datetime import timedelta

from rich.table import Table

from service.audience.sync_job import due_count, problem_count
from service.bootstrap import open_parts_with_redis
from service.cli.checks import check_migrated
from service.cli.screen import out, tell
from service.db import database_now
from service.measures.closing import closed_quarters, explained_by_late_signs, recompute_differences
from service.messages.halts import halts
from service.migrations import Shape, shape_of
from service.outgoing.endpoints import stopped_count
from service.parts import Parts
from service.providers.base import Product, ProviderError
from service.providers.build import MailchimpProviders
from service.providers.findings import Finding
from service.reports.closing import frame_of
from service.settings import Environment, Settings
from service.webhooks.inbox import parked_count
from service.webhooks.mailbox import mailbox_finding
from service.webhooks.setup import set_up_mailchimp

MOST_CLOCK_DIFFERENCE = timedelta(seconds=30)
WAYS = {
    Product.TRANSACTIONAL: "Transactional: each personal mail by itself",
    Product.SMTP: "a mail server (SMTP_URL): each personal mail by itself, opens and clicks not measured",
    Product.MARKETING: "Marketing only: small campaigns of the day",
}


async def examine(settings: Settings, *, as_json: bool) -> bool:
    """Print what was found; True when nothing fails."""
    async with open_parts_with_redis(settings) as parts:
        found = [finding async for finding in _findings(parts)]
    if as_json:
        tell(found)
    else:
        table = Table(show_header=False, box=None, pad_edge=False)
        for finding in found:
            mark = "[green]ok  [/green]" if finding.ok else "[red]FAIL[/red]"
            table.add_row(mark, finding.name, finding.detail + (f"\n→ {finding.mend}" if finding.mend and not finding.ok else ""))
        out.print(table)
    return all(finding.ok for finding in found)


async def _findings(parts: Parts) -> AsyncIterator[Finding]:
    async for finding in _database(parts):
        yield finding
    ok = await parts.queue.answers()
    yield Finding("Redis", ok, "answers" if ok else "does not answer", "Start it, or correct REDIS_URL.")
    for found in _settings(parts.settings):
        yield found
    mailbox = await mailbox_finding(parts.settings)
    if mailbox is not None:
        yield mailbox
    async for finding in _mailchimp(parts):
        yield finding


async def _database(parts: Parts) -> AsyncIterator[Finding]:
    kind = "SQLite" if parts.database.is_sqlite else "PostgreSQL"
    found = await shape_of(parts.database)
    yield Finding("database", True, f"{kind} answers")
    further = ", by a newer version; this one goes on with it, but can't back it up" if found.shape is Shape.AHEAD else ""
    yield Finding("migrations", found.shape is not Shape.BEHIND, f"at {found.revision or 'none'}{further}", "Run `kindling migrate`.")
    if found.shape is Shape.BEHIND:
        return
    async with parts.database.reading() as session:
        difference = abs(await database_now(session) - parts.clock.now())
        stopped, deaf = await halts(session), await stopped_count(session)
    rehearsal = parts.settings.clock_file is not None
    fits = rehearsal or difference < MOST_CLOCK_DIFFERENCE
    detail = "moved by CLOCK_FILE for a rehearsal" if rehearsal else f"{difference.total_seconds():.1f} s from the database's"
    yield Finding("clock", fits, detail, "Set this machine's clock by a time server.")
    for row in stopped:
        yield Finding(
            f"sending by {row.product}",
            False,
            f"stopped since {row.since:%Y-%m-%d %H:%M} UTC: {row.title}" + (f" (reference {row.instance})" if row.instance else ""),
            "Mend the key or account." + (" Mailchimp's support asks for the reference." if row.instance else ""),
        )
    if deaf:
        mend = "GET /api/v1/webhook-endpoints says which and why: mend the other side and start it again, or remove it."
        yield Finding("outgoing webhooks", False, f"{deaf} were stopped, since calls failed for days", mend)
    async for finding in _quarters(parts):
        yield finding


def _settings(settings: Settings) -> list[Finding]:
    at_home = settings.environment is Environment.EMBEDDED
    reply_way = f"come in at {settings.reply_host}" if settings.reply_host else f"go to {settings.from_email.partition('@')[2]} mailboxes"
    return [
        Finding(
            "time zone", True, f"{settings.timezone}; the newsletter goes {settings.newsletter_weekday} {settings.newsletter_time:%H:%M}"
        ),
        Finding("environment", True, "embedded: for trying out and small communities" if at_home else "production"),
        Finding("replies", True, reply_way),
        Finding(
            "facilitator",
            bool(settings.facilitator_address),
            "gets replies and the morning mail" if settings.facilitator_address else "has no address",
            "Set FACILITATOR_EMAIL.",
        ),
    ]


async def _mailchimp(parts: Parts) -> AsyncIterator[Finding]:
    if parts.settings.uses_sandbox:
        yield Finding("Mailchimp", True, "no key is set: the stand-in is used, no mail leaves this machine")
    try:
        info = await parts.providers.audience.check()
    except ProviderError as error:
        yield Finding(
            "Mailchimp key", False, str(error), "Check MAILCHIMP_API_KEY and MAILCHIMP_AUDIENCE_ID, and that Mailchimp is reachable."
        )
        return
    yield Finding("Mailchimp key", True, f"works; the audience has {info.member_count} contacts")
    async for finding in _exchange(parts):
        yield finding
    yield Finding("personal mail", True, WAYS[parts.providers.personal])
    adapters = parts.providers.built()
    if isinstance(adapters, MailchimpProviders):
        can_schedule = (await adapters.account_facts()).plan_can_schedule is not False
        timer = (
            "scheduled at Mailchimp for quarter hours, else our own timer sends"
            if can_schedule
            else "our own timer sends: the plan can't schedule"
        )
        yield Finding("newsletter time", True, timer)
    if parts.providers.mailer is not None:
        try:
            await parts.providers.mailer.check()
            yield Finding("personal mail's key", True, "works")
        except ProviderError as error:
            setting = "SMTP_URL" if parts.settings.uses_smtp else "MAILCHIMP_TRANSACTIONAL_KEY"
            yield Finding("personal mail's key", False, str(error), f"Check {setting}.")
            return
    if isinstance(adapters, MailchimpProviders):
        for finding in await set_up_mailchimp(parts, adapters, dry_run=True):
            missing = finding.changed
            yield Finding(finding.name, finding.ok and not missing, finding.detail, finding.mend or "Run `kindling mailchimp setup`.")


async def _exchange(parts: Parts) -> AsyncIterator[Finding]:
    """How what goes to and fro between us and Mailchimp stands."""
    async with parts.database.reading() as session:
        due, refused = await due_count(session, now=parts.clock.now()), await problem_count(session)
        parked = await parked_count(session)
    detail = "everybody is written" if not due else f"{due} members are still to be written"
    yield Finding("audience", True, f"{detail}; Mailchimp refuses {refused}" + (" (GET /api/v1/audience/problems)" if refused else ""))
    mend = "Look at GET /api/v1/webhook-events and try them again (POST .../retry) once what they are about is there."
    yield Finding("reports from Mailchimp", not parked, f"{parked} could not be applied" if parked else "all are applied", mend)


async def _quarters(parts: Parts) -> AsyncIterator[Finding]:
    """Closed quarters against what their data give today."""
    settings, now = parts.settings, parts.clock.now()
    frame = frame_of(settings)
    async with parts.database.reading() as session:
        differing = [(q, await recompute_differences(session, q, frame, now=now)) for q in await closed_quarters(session)]
    for quarter, differences in differing:
        changed = sorted(name for name in differences if not explained_by_late_signs(name))
        late = len(differences) - len(changed)
        detail = "as it was closed"
        if changed:
            detail = f"would be different today: {', '.join(changed)}"
        elif late:
            detail = f"as it was closed; {late} figures would be different today, since opens, clicks or answers came in later"
        mend = f"See `restated` in GET /api/v1/measures/{quarter}. What was reported stays; tell your sponsors if it matters."
        yield Finding(f"closed quarter {quarter}", not changed, detail, mend)


async def set_up(settings: Settings, *, dry_run: bool, as_json: bool) -> bool:
    """Make what is missing at Mailchimp and print each finding; True when nothing is left for a person."""
    async with open_parts_with_redis(settings) as parts:
        await check_migrated(parts.database)
        adapters = parts.providers.built()
        found = await set_up_mailchimp(parts, adapters, dry_run=dry_run) if isinstance(adapters, MailchimpProviders) else []
    if as_json:
        tell(found)
        return all(finding.ok for finding in found)
    for finding in found:
        mark = "[green]ok[/green]" if finding.ok else "[red]mend[/red]"
        out.print(f"{mark}  {finding.name}: {finding.detail}" + (f"\n    → {finding.mend}" if finding.mend else ""))
    return all(finding.ok for finding in found)
