"""Where commands write: tables, colours and progress for people, JSON for programs. Commands that show nothing don't load it."""

import sys

from pydantic_core import to_json
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def tell(value: object) -> None:
    """One JSON document on standard output, and nothing else there."""
    sys.stdout.write(to_json(value, indent=2, by_alias=True).decode() + "\n")


def progress_bar(*, as_json: bool = False) -> Progress:
    """How far long work is; beside what is for programs it shows on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err if as_json else out)


__all__ = ["err", "out", "progress_bar", "tell"]
