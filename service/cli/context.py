"""What every command needs: settings or a clear refusal, one event loop, errors as one line with the next step."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from service.errors import ServiceError
from service.logs import configure_logs
from service.providers.base import ProviderError
from service.settings import Settings, SettingsProblem, load_settings

T = TypeVar("T")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

USAGE = 2
FAILED = 1


def fail(text: str, *, code: int = FAILED) -> NoReturn:
    """End the command with one line on standard error."""
    err.print(f"[red]{text}[/red]" if sys.stderr.isatty() else text, soft_wrap=True, markup=sys.stderr.isatty())
    raise typer.Exit(code)


def settings_or_fail(*, quiet: bool = True) -> Settings:
    """The settings of the environment; logging is set up. `quiet`: a command for people shows warnings only."""
    try:
        settings = load_settings()
        _ = settings.database  # a wrong address is told here, not in the middle of the work
    except SettingsProblem as why:
        fail(str(why), code=USAGE)
    configure_logs(settings.model_copy(update={"log_level": "WARNING"}) if quiet else settings)
    return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine; expected errors become one line."""
    try:
        return asyncio.run(work)
    except ServiceError as error:
        fail(error.detail)
    except (SQLAlchemyError, OSError) as error:
        fail(f"The database can't be used ({type(error).__name__}). Check DATABASE_URL and VAR_DIR, then run `kindling migrate`.")
    except ProviderError as error:
        fail(f"Mailchimp: {error}. Run `kindling doctor` to see what is wrong.")


__all__ = ["err", "fail", "out", "run", "settings_or_fail"]
