"""What every command needs: settings or a clear refusal, one event loop, errors as one line with the next step.

What is costly to load is loaded in the function that needs it: `kindling --help` and shell completion answer at once.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from service.settings import Settings

T = TypeVar("T")

USAGE = 2
FAILED = 1


HERE = "localhost,127.0.0.1,::1"


def stay_here() -> None:
    """Calls to this machine (the stand-in, our own pages) never go through a proxy that the network asks for; children keep to it."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), HERE)))


def fail(text: str, *, code: int = FAILED) -> NoReturn:
    """End the command with one line on standard error."""
    typer.secho(text, fg="red", err=True)  # no colour where nobody looks
    raise typer.Exit(code)


def settings_or_fail(*, quiet: bool = True) -> "Settings":
    """The settings of the environment; logging is set up. `quiet`: a command says itself what is wrong, in its own
    words; only errors are logged."""
    from service.logs import configure_logs  # noqa: PLC0415
    from service.settings import SettingsProblem, load_settings  # noqa: PLC0415

    try:
        settings = load_settings()
        _ = settings.database  # a wrong address is told here, not in the middle of the work
    except SettingsProblem as why:
        fail(str(why), code=USAGE)
    configure_logs(settings.model_copy(update={"log_level": "ERROR"}) if quiet else settings)
    return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine; expected errors become one line."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from service.errors import ServiceError  # noqa: PLC0415
    from service.providers.base import ProviderError  # noqa: PLC0415

    try:
        return asyncio.run(work)
    except ServiceError as error:
        fail(error.detail)
    except (SQLAlchemyError, OSError) as error:
        fail(f"The database can't be used ({type(error).__name__}). Check DATABASE_URL and VAR_DIR, then run `kindling migrate`.")
    except ProviderError as error:
        fail(f"Mailchimp: {error}. Run `kindling doctor` to see what is wrong.")


__all__ = ["fail", "run", "settings_or_fail", "stay_here"]
