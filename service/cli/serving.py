"""Running the API in this process."""

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.bootstrap import open_parts_with_redis
from service.settings import Settings

GRACE_SECONDS = 20


def serve(settings: Settings) -> None:
    """The API, until it is told to stop. Migrations are not run here: `kindling migrate` is."""
    run(create_app(lambda: open_parts_with_redis(settings)), settings)


def run(app: FastAPI, settings: Settings) -> None:
    """An application, under the settings of a server."""
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
