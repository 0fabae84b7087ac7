"""The demo's frame: a folder of its own, real processes on real ports, the story, and the account of it."""

import asyncio
import os
import shutil
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
from pydantic import SecretStr

from service.auth.keys import create_key
from service.auth.rules import Role
from service.cli.become import sandbox_command
from service.cli.context import fail
from service.cli.demo.account import give_account
from service.cli.demo.story import Stage, tell_story
from service.cli.demo.timeline import Timeline, TookTooLong
from service.cli.screen import out
from service.cli.supervisor import Child, Supervisor, command_of
from service.cli.up import prepare, set_up_sandbox
from service.db import Database
from service.embedded import EmbeddedRedis, free_port
from service.settings import Settings, SettingsProblem, WelcomeMode

MARK = ".demo"
FIRST_DAY = ("2026-07-06", "08:30")
START_SECONDS = 60


def demo_folder(settings: Settings) -> Path:
    """Where the demo lives: `VAR_DIR` when it was given and holds nothing else, else `VAR_DIR/demo`. An earlier demo there is removed;
    nothing else ever is."""
    folder = settings.var_dir
    given = "VAR_DIR" in os.environ
    if not given or (folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists()):
        folder = folder / "demo"
    if (folder / MARK).exists():
        shutil.rmtree(folder)
    if folder.exists() and any(folder.iterdir()):
        raise SettingsProblem(f"VAR_DIR: {folder} holds files that are no demo's; move them or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    return folder


def demo_settings(folder: Path) -> Settings:
    """Settings of the demo: embedded, on its own ports, without any Mailchimp key, in a rehearsal's time."""
    return Settings(
        _env_file=None,
        var_dir=folder,
        database_url=SecretStr(""),
        redis_url=SecretStr(""),
        port=free_port(),
        sandbox_port=free_port(),
        clock_file=folder / "clock.json",
        community_name="Safer Nights community",
        from_name="Maria Okafor",
        from_email="community@example.org",
        facilitator_email="maria.okafor@example.org",
        reply_domain="replies.example.org",
        postal_address="1 Example Street, London SW1A 1AA",
        timezone="Europe/London",
        welcome_mode=WelcomeMode.REVIEW,
        log_level="WARNING",
    )


def environment_of(settings: Settings, redis_url: str) -> dict[str, str]:
    """The same settings for the processes the demo starts. Nothing of the caller's own configuration leaks in."""
    hidden = {f"{name.upper()}{ending}": "" for name in Settings.model_fields for ending in ("", "_FILE")}
    shown = {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings.model_dump(exclude_defaults=True).items()
    }
    return hidden | shown | {"REDIS_URL": redis_url, "KINDLING_ENV_FILE": ""}


async def run_demo(settings: Settings, csv: Path | None) -> None:
    """Run the demo from beginning to end; the account is printed and written into the folder."""
    try:
        folder = demo_folder(settings)
    except SettingsProblem as why:
        fail(str(why), code=2)
    wanted = demo_settings(folder)
    stage = Stage(out)
    stage.say(f"The demo lives in {folder}. Everything speaks over HTTP; no mail leaves this machine.")
    async with AsyncExitStack() as stack:
        redis = EmbeddedRedis(folder / "redis")
        redis.start()
        stack.callback(redis.stop)
        clients = _clients(wanted)
        api = await stack.enter_async_context(clients[0])
        sandbox = await stack.enter_async_context(clients[1])
        timeline = Timeline(folder / "clock.json", wanted.zone, api, sandbox)
        timeline.set_to(*FIRST_DAY)
        with stage.step("Set-up: database, admin key, resource library, processes"):
            await prepare(wanted)
            api.headers["Authorization"] = f"Bearer {await _key(wanted, timeline)}"
            supervisor = Supervisor(_children(wanted, redis.url()), redis)
            running = asyncio.create_task(supervisor.run())
            stack.push_async_callback(_stop, supervisor, running)
            await _until_up(api, sandbox)
            await set_up_sandbox(wanted)
        try:
            await tell_story(stage, timeline, api, sandbox, csv)
            balanced = await give_account(stage, api, sandbox, wanted)
        except TookTooLong as why:
            fail(f"The demo did not come to an end: {why}")
        except httpx.HTTPStatusError as error:
            fail(f"{error.request.method} {error.request.url.path} answered {error.response.status_code}: {error.response.text[:500]}")
    if not balanced:
        fail("The books do not balance: the sandbox accepted another number of mails than the measures say.")


def _clients(settings: Settings) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    local = "http://127.0.0.1"
    return (
        httpx.AsyncClient(base_url=f"{local}:{settings.port}/api/v1", timeout=60),
        httpx.AsyncClient(base_url=f"{local}:{settings.sandbox_port}", timeout=120),
    )


def _children(settings: Settings, redis_url: str) -> list[Child]:
    shared = environment_of(settings, redis_url)
    return [
        Child("sandbox", sandbox_command(settings)),
        Child("API", command_of("serve"), shared),
        Child("worker", command_of("worker"), {**shared, "KINDLING_WORKER": "worker-1"}),
    ]


async def _key(settings: Settings, timeline: Timeline) -> str:
    database = Database(settings.database)
    try:
        async with database.transaction() as session:
            _, key = await create_key(session, name="demo", role=Role.ADMIN, now=timeline.now())
    finally:
        await database.close()
    return key


async def _until_up(api: httpx.AsyncClient, sandbox: httpx.AsyncClient) -> None:
    ready = str(api.base_url).replace("/api/v1/", "/readyz")
    for _ in range(START_SECONDS * 10):
        with suppress(httpx.TransportError):
            if (await sandbox.get("/_control")).is_success and (await api.get(ready)).is_success:
                return
        await asyncio.sleep(0.1)
    raise TookTooLong("the processes did not start")


async def _stop(supervisor: Supervisor, running: "asyncio.Task[None]") -> None:
    supervisor.stop()
    await asyncio.gather(running, return_exceptions=True)
