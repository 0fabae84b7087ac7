"""Running the API in this process."""

import gc

import typer
import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.auth.keys import ensure_bootstrap_key
from service.bootstrap import open_parts_with_redis
from service.clock import clock_from
from service.db import Database
from service.migrations import revisions
from service.settings import Settings

GRACE_SECONDS = 20


def serve(settings: Settings) -> None:
    """The API, until it is told to stop. Migrations are not run here: `kindling migrate` is."""
    run(create_app(lambda: open_parts_with_redis(settings)), settings)


def run(app: FastAPI, settings: Settings) -> None:
    """An application, under the settings of a server."""
    gc.freeze()  # what is there now stays to the end
    gc.enable()
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
    database = Database(settings.database)
    try:
        has, newest = await revisions(database)
        if has != newest:
            typer.echo("ADMIN_KEY counts once the database is up to date: run `kindling migrate`.", err=True)
            return
        async with database.transaction() as session:
            await ensure_bootstrap_key(session, given, now=clock_from(settings.clock_file).now())
    finally:
        await database.close()
