"""One thin coroutine per job: it calls a feature and says how much was done. Arguments are ids only; the database knows the rest.

No job fails by an ordinary error it could meet: features write what happened into rows, and the tick finds what is left.
"""

from typing import Any
from uuid import UUID

from service.audience.denylist import sync_denylist
from service.audience.pull import pull_changes
from service.audience.push import push_due
from service.audience.sync_job import run_sync
from service.briefing.mail import send_morning_mails
from service.campaigns.backfill import run_backfill
from service.campaigns.personal import plan_personal
from service.campaigns.results import poll_due
from service.campaigns.steps import advance_due
from service.engagement.judging import rejudge_old
from service.engagement.standings import score_members
from service.events.changes import tell_changes
from service.events.mails import follow_up, remind, withdraw_pointless
from service.leadership.notes import run_leadership
from service.measures.keeping import keep_counted
from service.members.import_job import run_import
from service.messages.doubt import doubt_lapsed, look_up_doubtful
from service.messages.sending import deliver_due as send_due
from service.newsletter.due import run_due
from service.newsletter.feeds import collect_due_feeds
from service.newsletter.reminding import remind_facilitator
from service.nudges.by_itself import nudge_by_itself
from service.outgoing.calling import call_due
from service.outgoing.noticing import notice
from service.parts import Parts
from service.reports.closing import frame_of
from service.resources.links import check_links
from service.stories.asking import collect_told
from service.webhooks.apply import apply_waiting
from service.welcome.by_mailchimp import confirming
from service.welcome.drafts import draft_welcomes
from service.welcome.follow_up import follow_up_welcomes
from service.welcome.joining import ask_confirmations
from service.welcome.unanswered import let_go_unanswered
from workers.stopping import Stopping

Context = dict[str, Any]  # arq's own: holds what `startup` put there


def _parts(ctx: Context) -> Parts:
    parts: Parts = ctx["parts"]
    return parts


def _stop(ctx: Context) -> Stopping:
    found: Stopping = ctx.get("stop") or Stopping(ctx["leaving"])
    return found


async def deliver_due(ctx: Context) -> int:
    """Send one-to-one mail that is due."""
    return await send_due(_parts(ctx), owner=ctx["owner"], should_stop=_stop(ctx))


async def settle_doubtful(ctx: Context) -> int:
    """Find deliveries whose worker died, and ask the provider what became of them."""
    return await doubt_lapsed(_parts(ctx)) + await look_up_doubtful(_parts(ctx), should_stop=_stop(ctx))


async def apply_webhooks(ctx: Context) -> int:
    """Read the mailbox that answers come to, and apply what providers have reported."""
    parts = _parts(ctx)
    if parts.settings.mailbox_url.get_secret_value():
        from service.webhooks.mailbox import read_replies  # noqa: PLC0415  # IMAP: most have no mailbox to read

        await read_replies(parts)
    return await apply_waiting(parts, should_stop=_stop(ctx))


async def judge_engagement(ctx: Context) -> int:
    """Apply changed rules to earlier opens and clicks, and work out scores and standings."""
    parts, stop = _parts(ctx), _stop(ctx)
    return await rejudge_old(parts, should_stop=stop) + await score_members(parts, should_stop=stop)


async def prepare_welcomes(ctx: Context) -> int:
    """Ask for confirmations, draft welcomes, let go those that waited long enough, follow up the quiet ones."""
    parts = _parts(ctx)
    done = await ask_confirmations(parts) + await draft_welcomes(parts)
    return done + await let_go_unanswered(parts) + await follow_up_welcomes(parts)


async def sync_audience(ctx: Context) -> int:
    """Bring changed members and suppressions to Mailchimp, and Mailchimp's changes to us."""
    parts, stop = _parts(ctx), _stop(ctx)
    pushed, denied = await push_due(parts, should_stop=stop), await sync_denylist(parts, should_stop=stop)
    return pushed + denied + await pull_changes(parts, on_confirmed=confirming(parts), should_stop=stop)


async def sync_members(ctx: Context, job_id: str) -> None:
    """Bring both sides in line because somebody asked for it, and tell how far it is."""
    await run_sync(_parts(ctx), UUID(job_id), on_confirmed=confirming(_parts(ctx)), should_stop=_stop(ctx))


async def advance_editions(ctx: Context) -> int:
    """Freeze editions that are due, gather personal mail that goes by campaigns, and take campaigns through Mailchimp."""
    parts, stop = _parts(ctx), _stop(ctx)
    happened = await run_due(parts.database, now=parts.clock.now(), settings=parts.settings, renderer=parts.renderer)
    await remind_facilitator(parts, now=parts.clock.now())
    if happened:
        parts.passing("edition.frozen")
    steps = await plan_personal(parts) + await advance_due(parts, should_stop=stop)
    if steps:  # a campaign that has just gone completes its edition
        await run_due(parts.database, now=parts.clock.now(), settings=parts.settings, renderer=parts.renderer)
    return len(happened) + steps


async def collect_feeds(ctx: Context) -> int:
    """Read the feeds that are due."""
    parts = _parts(ctx)
    return len(
        await collect_due_feeds(parts.database, clock=parts.clock, should_stop=_stop(ctx), allow_hosts=parts.settings.reachable_hosts)
    )


async def write_about_events(ctx: Context) -> int:
    """Remind of events, and thank or miss people the day after."""
    told = await tell_changes(_parts(ctx))
    return told + await withdraw_pointless(_parts(ctx)) + await remind(_parts(ctx)) + await follow_up(_parts(ctx))


async def poll_reports(ctx: Context) -> int:
    """Read the reports of sent campaigns."""
    return await poll_due(_parts(ctx), should_stop=_stop(ctx))


async def keep_rhythm(ctx: Context) -> int:
    """What the facilitator's week needs by itself: stories that came back, terms in leadership groups and their monthly notes,
    nudges where they go by themselves, and the morning mail."""
    parts = _parts(ctx)
    async with parts.database.transaction() as session:
        told = await collect_told(session, now=parts.clock.now())
    return told + await run_leadership(parts) + await nudge_by_itself(parts) + await send_morning_mails(parts)


async def keep_measures(ctx: Context) -> int:
    """Fold and count again what the measures are read from."""
    parts = _parts(ctx)
    return await keep_counted(parts.database, frame_of(parts.settings), now=parts.clock.now(), should_stop=_stop(ctx))


async def tell_others(ctx: Context) -> int:
    """Tell other systems what has happened."""
    parts = _parts(ctx)
    await notice(parts)
    return await call_due(parts, should_stop=_stop(ctx), allow_hosts=parts.settings.reachable_hosts)


async def check_library_links(ctx: Context) -> int:
    """Look whether the links of the library that are due still answer."""
    return await check_links(_parts(ctx))


async def import_members(ctx: Context, job_id: str) -> None:
    """Run one import of members."""
    await run_import(_parts(ctx), UUID(job_id), should_stop=_stop(ctx))


async def import_campaigns(ctx: Context, job_id: str) -> None:
    """Read the reports of campaigns of the past."""
    await run_backfill(_parts(ctx), UUID(job_id), should_stop=_stop(ctx))


JOBS = (
    deliver_due,
    settle_doubtful,
    apply_webhooks,
    judge_engagement,
    prepare_welcomes,
    sync_audience,
    sync_members,
    advance_editions,
    collect_feeds,
    write_about_events,
    poll_reports,
    keep_rhythm,
    keep_measures,
    tell_others,
    check_library_links,
    import_members,
    import_campaigns,
)
