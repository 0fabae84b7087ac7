"""Where commands write for people: tables, colours, progress. Commands that show nothing don't load it."""

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

__all__ = ["err", "out"]
