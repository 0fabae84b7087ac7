"""The rows an import left out, as a CSV for the person who mends them: row, field, reason, then the row as it was."""

from collections.abc import Sequence
from pathlib import Path

from service.members.transfer_export import csv_text
from service.members.transfer_rows import Reject


class RejectsFile:
    """Written as the import goes on; no file appears while nothing is rejected. Cells are safe to open in a spreadsheet."""

    def __init__(self, path: Path, *, goes_on: bool) -> None:
        self._path = path
        if not goes_on:
            path.unlink(missing_ok=True)

    def add(self, rejects: Sequence[Reject], headings: Sequence[str]) -> None:
        """Write these rows down."""
        if not rejects:
            return
        is_new = not self._path.exists()
        with self._path.open("a", encoding="utf-8-sig" if is_new else "utf-8", newline="") as file:
            if is_new:
                file.write(csv_text([["row", "field", "reason", *headings]]))
            file.write(csv_text([str(r.row), r.field, r.reason, *r.cells] for r in rejects))
