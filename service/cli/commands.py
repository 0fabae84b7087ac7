"""The commands, each a few lines: read the settings, call a feature, show the result."""

import gc
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from service import __version__
from service.auth.rules import Role, Scope
from service.cli.become import become, sandbox_command
from service.cli.context import USAGE, fail, run, settings_or_fail, stay_here
from service.messages.rules import Resolution

# Each command imports what it needs when it runs: `kindling --help` and shell completion must not load the whole service.

app = typer.Typer(
    help="Kindling keeps a community of practice warm by email.",
    epilog="Exit status: 0 done; 1 not done, or something is left to mend; 2 the call or a setting was not understood.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
import_app = typer.Typer(help="Bring data in.", no_args_is_help=True)
keys_app = typer.Typer(help="API keys.", no_args_is_help=True)
attention_app = typer.Typer(help="What needs a person: what, since when, what is known, and what can be done.", invoke_without_command=True)
mailchimp_app = typer.Typer(help="The Mailchimp account.", no_args_is_help=True)
app.add_typer(import_app, name="import")
app.add_typer(keys_app, name="keys")
app.add_typer(mailchimp_app, name="mailchimp")
app.add_typer(attention_app, name="attention")


AsJson = Annotated[bool, typer.Option("--json", help="for programs: one JSON document on standard output")]


class MeasureFormat(StrEnum):
    """How measures are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


class WeekFormat(StrEnum):
    """How the week is printed."""

    TABLE = "table"
    JSON = "json"


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of the `kindling` command."""
    stay_here()
    app(args=list(arguments) if arguments is not None else None)


def _print_version(wanted: bool) -> None:  # typer's callback
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="say which version this is")] = False,
) -> None:
    """Kindling keeps a community of practice warm by email."""


@app.command()
def up() -> None:
    """API, worker and (without a Mailchimp key) the sandbox, until Ctrl-C."""
    from service.cli.up import run_up

    run(run_up(settings_or_fail()))


@app.command("serve")
def serve_command() -> None:
    """The API alone."""
    gc.disable()  # loading makes many objects and no garbage: looking for some costs a tenth of the start
    from service.cli.serving import ensure_given_admin_key, serve

    settings = settings_or_fail(quiet=False)
    run(ensure_given_admin_key(settings))
    serve(settings)


@app.command()
def worker() -> None:
    """A worker alone."""
    settings_or_fail()
    become("workers")


@app.command()
def sandbox() -> None:
    """The stand-in for Mailchimp alone."""
    become(*sandbox_command(settings_or_fail())[2:])


@app.command("migrate")
def migrate_command() -> None:
    """Bring the database to the current shape."""
    from service.migrations import Shape, migrate

    settings = settings_or_fail()
    ahead = migrate(settings.database) is Shape.AHEAD
    typer.echo("A newer version migrated the database: nothing to do." if ahead else "The database is up to date.")


@app.command("demo")
def demo_command(
    csv: Annotated[Path | None, typer.Option(help="members to use instead of the sample community (a Mailchimp export will do)")] = None,
) -> None:
    """The whole job, end to end, on a sample community or your own CSV, with the sandbox."""
    from service.cli.demo import run_demo

    if csv is not None and not csv.is_file():
        fail(f"There is no file {csv}. Give the path of a CSV file.")
    run(run_demo(settings_or_fail(), csv))


@import_app.command("members")
def import_members(
    file: Annotated[Path, typer.Argument(help="CSV: our own columns, or a Mailchimp audience export as it is")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would happen, change nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Members from a CSV file, with a progress bar and a file of rejected rows with reasons."""
    from service.cli.importing import import_file

    if not file.is_file():
        fail(f"There is no file {file}. Give the path of a CSV file.")
    run(import_file(settings_or_fail(), file, dry_run=dry_run, as_json=as_json))


@import_app.command("campaigns")
def import_campaigns(
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="the first day, 2024-04-01 for example")],
    as_json: AsJson = False,
) -> None:
    """The reports of campaigns that Mailchimp sent before Kindling was there, with a progress bar."""
    from service.cli.past import read_past_campaigns

    run(read_past_campaigns(settings_or_fail(), since.date(), as_json=as_json))


@import_app.command("events")
def import_events(
    file: Annotated[Path, typer.Argument(help="CSV: title and starts_at, and with email or name columns a line for each who came")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would happen, change nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Events of the past, and who came, from a CSV file."""
    from service.cli.past import read_past_events

    if not file.is_file():
        fail(f"There is no file {file}. Give the path of a CSV file.")
    run(read_past_events(settings_or_fail(), file, dry_run=dry_run, as_json=as_json))


@keys_app.command("create")
def create_key_command(
    role: Annotated[Role, typer.Option(help="viewer reads, facilitator runs the community, admin also keys and erasure")],
    name: Annotated[str, typer.Option(help="who or what will use it")],
    scope: Annotated[list[Scope] | None, typer.Option(help="narrow the role to this; may be given several times")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="so many days it counts; left out: until it is revoked")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key; it is printed once."""
    if not name.strip():
        fail("Say who or what will use the key: --name 'quarterly report'.", code=USAGE)
    from service.cli.keys import make_key

    run(make_key(settings_or_fail(), role, name, scope or [], days, as_json=as_json))


@keys_app.command("list")
def list_keys_command(as_json: AsJson = False) -> None:
    """All keys with their role and last use, newest first; never the secrets."""
    from service.cli.keys import list_keys

    run(list_keys(settings_or_fail(), as_json=as_json))


KeyId = Annotated[UUID, typer.Argument(help="the key's id, as `kindling keys list` shows it", metavar="ID")]


@keys_app.command("rotate")
def rotate_key_command(
    key: KeyId,
    grace_hours: Annotated[int, typer.Option(min=0, max=24 * 90, help="so long the old key counts beside the new one")] = 24,
    as_json: AsJson = False,
) -> None:
    """Make a new key in place of one, with its name, role, scopes and length of life; it is printed once."""
    from service.cli.keys import rotate

    run(rotate(settings_or_fail(), key, grace_hours, as_json=as_json))


@keys_app.command("revoke")
def revoke_key_command(key: KeyId, as_json: AsJson = False) -> None:
    """End a key at once."""
    from service.cli.keys import end_key

    run(end_key(settings_or_fail(), key, as_json=as_json))


@app.command()
def measures(
    quarter: Annotated[str | None, typer.Argument(help="2026-Q3; the running quarter when left out")] = None,
    format: Annotated[MeasureFormat, typer.Option(help="how to print")] = MeasureFormat.TABLE,  # noqa: A002  # the contract's name
    recount: Annotated[bool, typer.Option(help="first make the kept sums anew, after rows were brought in past the triggers")] = False,
    as_json: AsJson = False,
) -> None:
    """The quarterly measures."""
    from service.cli.measuring import print_measures

    run(print_measures(settings_or_fail(), quarter, MeasureFormat.JSON if as_json else format, recount=recount))


@app.command("backup")
def backup_command(
    file: Annotated[Path | None, typer.Argument(help="where to write it; a dated file in VAR_DIR/backups when left out")] = None,
    as_json: AsJson = False,
) -> None:
    """The whole database in one file, while everything goes on working."""
    from service.cli.backups import back_up

    run(back_up(settings_or_fail(), file, as_json=as_json))


@app.command("restore")
def restore_command(
    file: Annotated[Path, typer.Argument(help="a file made by `kindling backup`, on SQLite or PostgreSQL")],
    replace: Annotated[bool, typer.Option("--replace", help="empty the database first; else it must be empty")] = False,
    as_json: AsJson = False,
) -> None:
    """Fill the database from a backup: all of it, or nothing. Stop API and workers first."""
    from service.cli.backups import restore

    if not file.is_file():
        fail(f"There is no file {file}. Give the path of a backup.")
    run(restore(settings_or_fail(), file, replace=replace, as_json=as_json))


@app.command()
def week(
    date: Annotated[str | None, typer.Argument(help="2026-07-08; today when left out")] = None,
    format: Annotated[WeekFormat, typer.Option(help="how to print")] = WeekFormat.TABLE,  # noqa: A002  # as for measures
    whole: Annotated[bool, typer.Option("--whole", help="all days of the week, not the one alone")] = False,
    as_json: AsJson = False,
) -> None:
    """The facilitator's week: what the day asks for, with the minutes, and one step from each line to its being done."""
    from service.cli.weekly import print_week

    run(print_week(settings_or_fail(), date, WeekFormat.JSON if as_json else format, whole=whole))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check database, Redis, Mailchimp, webhooks, sender, clock: a line each, with the mend; exit status 1 if one fails."""
    from service.cli.care import examine

    if not run(examine(settings_or_fail(), as_json=as_json)):
        raise typer.Exit(1)


@attention_app.callback()
def attention(
    context: typer.Context,
    as_json: AsJson = False,
) -> None:
    """What needs a person: what, since when, what is known, and what can be done."""
    from service.cli.attention import print_attention

    if context.invoked_subcommand is None:
        run(print_attention(settings_or_fail(), as_json=as_json))


@attention_app.command("resolve")
def attention_resolve(
    delivery: Annotated[UUID, typer.Argument(help="the mail's id, as `kindling attention` shows it", metavar="ID")],
    action: Annotated[Resolution, typer.Argument(help="what you decide, having looked at Mailchimp or asked the person")],
) -> None:
    """Decide about one mail: look it up again, note it as sent, send it again, or leave it. Kept in the audit trail."""
    from service.cli.attention import resolve_delivery

    run(resolve_delivery(settings_or_fail(), delivery, action))


@mailchimp_app.command("sync")
def mailchimp_sync(as_json: AsJson = False) -> None:
    """Bring members and audience in line now, with a progress bar; exit status 1 when it could not be done to the end."""
    from service.cli.syncing import sync_audience

    if not run(sync_audience(settings_or_fail(), as_json=as_json)):
        raise typer.Exit(1)


@mailchimp_app.command("setup")
def mailchimp_setup(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what is missing, change nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Make what is missing at Mailchimp: merge fields, folder, webhooks, reply route. May be run again at any time. Exit status 1 when
    something is left for you."""
    from service.cli.care import set_up

    if not run(set_up(settings_or_fail(), dry_run=dry_run, as_json=as_json)):
        raise typer.Exit(1)
