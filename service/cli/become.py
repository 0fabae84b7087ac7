"""Starting other programs of ours: by taking this process's place, or as a child."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.settings import Settings


def become(module: str, *arguments: str) -> None:
    """Replace this process by `python -m module`: signals then reach it directly."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606  # our own module, no shell


def sandbox_command(settings: "Settings") -> list[str]:
    """How the stand-in for Mailchimp is started: its data under VAR_DIR, on SANDBOX_PORT."""
    command = [sys.executable, "-m", "sandbox", "--port", str(settings.sandbox_port), "--data", str(settings.var_dir / "sandbox")]
    if settings.clock_file is not None:
        command += ["--clock-file", str(settings.clock_file)]
    return command
