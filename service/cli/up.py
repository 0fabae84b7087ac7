"""`kindling up`: set-up, then everything on one machine until Ctrl-C."""

import asyncio
import signal
import time

import httpx

from service.auth.keys import create_key, ensure_bootstrap_key, has_admin_key
from service.auth.rules import Role
from service.bootstrap import make_matcher, open_parts
from service.cli.become import sandbox_command
from service.cli.context import fail
from service.cli.screen import err, out
from service.cli.supervisor import Child, ChildRefused, Supervisor, command_of
from service.clock import clock_from
from service.db import Database
from service.embedded import EmbeddedRedis
from service.migrations import migrate_in_thread
from service.providers.base import ProviderError
from service.providers.build import MailchimpProviders
from service.providers.findings import Finding
from service.resources.actions import load_starter_library
from service.settings import Settings
from service.webhooks.inbox import Source
from service.webhooks.setup import keep_key, set_up_mailchimp

START_SECONDS = 60.0


async def prepare(settings: Settings) -> str | None:
    """Database at the current shape, an admin key, the starter library. The key when one was made: shown once, never stored."""
    await migrate_in_thread(settings.database)
    database = Database(settings.database)
    now = clock_from(settings.clock_file).now()
    made: str | None = None
    try:
        async with database.transaction() as session:
            given = settings.admin_key.get_secret_value()
            if given:
                await ensure_bootstrap_key(session, given, now=now)
            elif not await has_admin_key(session):
                _, made = await create_key(session, name="first admin", role=Role.ADMIN, now=now)
        await load_starter_library(database, make_matcher(), now=now)
    finally:
        await database.close()
    return made


async def run_up(settings: Settings) -> None:
    """Run everything until SIGINT or SIGTERM."""
    key = await prepare(settings)
    redis_url = settings.redis_url.get_secret_value()
    redis = None
    if not redis_url:
        redis = EmbeddedRedis(settings.var_dir / "redis")
        redis.start()
        redis_url = redis.url()
    try:
        await _supervise(settings, key, redis, redis_url)
    finally:
        if redis is not None:
            redis.stop()


def children_of(settings: Settings, redis_url: str) -> list[Child]:
    """The processes of one installation on one machine."""
    shared = {"REDIS_URL": redis_url}
    children = [
        Child("API", command_of("serve"), shared),
        Child("worker", command_of("worker"), {**shared, "KINDLING_WORKER": "worker-1"}),
    ]
    if settings.needs_sandbox:
        children.insert(0, Child("sandbox", sandbox_command(settings)))
    return children


async def _supervise(settings: Settings, key: str | None, redis: EmbeddedRedis | None, redis_url: str) -> None:
    supervisor = Supervisor(children_of(settings, redis_url), redis)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop)
    greeting = asyncio.create_task(_greet(settings, key))
    try:
        await supervisor.run()
    except ChildRefused as refused:
        fail(f"The {refused} refuses its settings; see the line above.", code=2)
    finally:
        greeting.cancel()
        await asyncio.gather(greeting, return_exceptions=True)
    out.print("Stopped. Nothing is lost: what was not sent yet goes on at the next start.")


async def _greet(settings: Settings, key: str | None) -> None:
    await _until_it_answers(f"http://127.0.0.1:{settings.port}/readyz")
    if settings.needs_sandbox:
        try:
            for finding in await set_up_sandbox(settings):
                if not finding.ok:
                    err.print(f"The sandbox is not quite set up: {finding.name}: {finding.detail} {finding.mend}", markup=False)
        except (ProviderError, httpx.HTTPError) as error:
            err.print(f"The sandbox could not be set up: {error}", markup=False)
    out.print(f"[green]Kindling is up:[/green] {settings.base_url}   (API: {settings.base_url}/docs)")
    if settings.needs_sandbox:
        out.print(f"No Mailchimp key is set: mail goes to the sandbox, http://127.0.0.1:{settings.sandbox_port}/ shows each mailbox.")
    if key:
        out.print(f"Your first admin key, shown this once: [bold]{key}[/bold]", soft_wrap=True)
    out.print("Ctrl-C stops everything.")


async def _until_it_answers(url: str) -> None:
    """Wait as long as it takes; say so when it takes long."""
    started = time.monotonic()
    told = False
    async with httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(url, timeout=2)).is_success:
                    return
            except httpx.HTTPError:
                pass  # not up yet: asked again
            if not told and time.monotonic() - started > START_SECONDS:
                told = True
                err.print("The API does not answer yet; see the lines above.")
            await asyncio.sleep(0.2)


async def set_up_sandbox(settings: Settings) -> tuple[Finding, ...]:
    """The stand-in is set up like a real account, so that webhooks come in. The signing key of inbound mail is shown in Mailchimp's
    pages only (a facilitator copies it into MAILCHIMP_TRANSACTIONAL_WEBHOOK_KEY): here it is asked for. Raises any ProviderError."""
    async with open_parts(settings) as parts:
        adapters = parts.providers.built()
        if not isinstance(adapters, MailchimpProviders):
            return ()
        findings = await set_up_mailchimp(parts, adapters, dry_run=False)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.sandbox_port}") as sandbox:
            keys = (await sandbox.get("/_control/keys")).raise_for_status().json()
        for route in keys["inbound"]:
            await keep_key(parts, Source.INBOUND, url=route["url"], secret=route["auth_key"])
    return findings
