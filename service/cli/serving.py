"""Running the API in this process."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer
import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.areas import read_all
from service.bootstrap import open_parts_with_redis
from service.clock import clock_from
from service.db import Database
from service.memory import be_modest, keep_what_is_loaded
from service.migrations import Shape, shape_of
from service.parts import Parts
from service.settings import Settings

log = logging.getLogger(__name__)

GRACE_SECONDS = 20
SOON = 1.0
"""Seconds: whoever waited for the start has had an answer by then, and is not held up by this."""


def serve(settings: Settings) -> None:
    """The API, until it is told to stop. Migrations are not run here: `kindling migrate` is."""
    run(create_app(lambda: _opened(settings)), settings)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Parts]:
    async with open_parts_with_redis(settings) as parts:
        reading = asyncio.create_task(_read_the_rest())
        yield parts
        reading.cancel()


async def _read_the_rest() -> None:
    """What the first answers did not need, before somebody waits for it. A process that can't read it ends: it would only look well."""
    await asyncio.sleep(SOON)
    gc.disable()  # as at the start: much is made, and nothing thrown away
    try:
        await asyncio.to_thread(read_all)
    except Exception:
        log.critical("this installation is not whole: it can't be served", exc_info=True)
        signal.raise_signal(signal.SIGTERM)
    keep_what_is_loaded()


def run(app: FastAPI, settings: Settings) -> None:
    """An application, under the settings of a server."""
    be_modest()
    keep_what_is_loaded()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # request lines hold tokens
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
    )


async def ensure_given_admin_key(settings: Settings) -> None:
    """The key of ADMIN_KEY counts from now on, if one is given and the database is there."""
    given = settings.admin_key.get_secret_value()
    if not given:
        return
    from service.auth.keys import ensure_bootstrap_key  # noqa: PLC0415  # few give one

    database = Database(settings.database)
    try:
        if (await shape_of(database)).shape is Shape.BEHIND:
            typer.echo("ADMIN_KEY counts once the database is up to date: run `kindling migrate`.", err=True)
            return
        async with database.transaction() as session:
            counts = await ensure_bootstrap_key(session, given, now=clock_from(settings.clock_file).now())
        if not counts:
            typer.echo("ADMIN_KEY was revoked and does not count: choose another, or leave it empty.", err=True)
    finally:
        await database.close()
