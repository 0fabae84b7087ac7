"""The sandbox's clock: real time plus an offset that the control API or a shared file moves."""

import json
import os
import time
from pathlib import Path

from sandbox.store import Store


class SandboxClock:
    """Tells the sandbox's time as a float; the offset survives a restart."""

    def __init__(self, store: Store, clock_file: str = "") -> None:
        """Read the offset from the store, or from `clock_file` when one is given."""
        self._store = store
        self._file = Path(clock_file) if clock_file else None
        self._stamp: tuple[int, int, int] | None = None
        self._offset = float(store.meta("clock_offset", 0.0))

    @property
    def offset(self) -> float:
        """Seconds that the sandbox is ahead of real time."""
        if self._file is not None:
            self._read_file(self._file)
        return self._offset

    def now(self) -> float:
        """Return the sandbox's present instant."""
        return time.time() + self.offset

    def move_to(self, instant: float) -> None:
        """Set the clock so that now() continues from `instant`; a shared file is moved as well."""
        self._offset = instant - time.time()
        self._store.set_meta("clock_offset", self._offset)
        if self._file is not None:
            draft = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            draft.write_text(json.dumps({"offset_seconds": self._offset}))
            draft.replace(self._file)

    def _read_file(self, file: Path) -> None:
        try:
            found = file.stat()
        except FileNotFoundError:
            return
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp == self._stamp:
            return
        try:
            self._offset = float(json.loads(file.read_text())["offset_seconds"])
        except (ValueError, KeyError, TypeError):
            return  # half written by another program: the next look finds it whole
        self._stamp = stamp
