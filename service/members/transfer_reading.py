"""A file's rows, read and checked ahead of what is done with them. Knows no database."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from service.members.transfer_rows import PersonRow, Reject, RowReader

BATCH_ROWS = 1_000
"""In one transaction."""
SLICE_ROWS = 50
"""Read before others have a turn."""
Raw = tuple[int, list[str]]
"""Number and cells of a row."""


@dataclass(slots=True)
class Batch:
    """Rows of the file, and what they are by themselves."""

    raw: list[Raw] = field(default_factory=list)
    people: list[PersonRow] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class Reading:
    """Reads and checks a file batch by batch. The first `done` rows were dealt with before: only remembered, to know duplicates."""

    def __init__(self, source: Iterator[Raw], reader: RowReader, *, done: int) -> None:
        self._source = source
        self._reader = reader
        self._seen: dict[str, int] = {}
        self._coming: asyncio.Task[Batch] | None = None
        for number, cells in islice(source, done):
            found = reader.read(number, cells)
            if isinstance(found, PersonRow):
                self._seen.setdefault(found.key, number)

    def go_on(self) -> asyncio.Task[Batch]:
        """Read the next batch while the caller waits for something else."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._batch())
        return self._coming

    async def next(self) -> Batch:
        """The next batch, an empty one at the end. What can't be read is raised here, when its turn has come."""
        batch = await self.go_on()
        self._coming = None
        return batch

    async def stop(self) -> None:
        """Forget what was read ahead."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.gather(self._coming, return_exceptions=True)

    async def _batch(self) -> Batch:
        batch = Batch()
        for number, cells in islice(self._source, BATCH_ROWS):
            if number % SLICE_ROWS == 0:
                await asyncio.sleep(0)
            batch.raw.append((number, cells))
            found = self._reader.read(number, cells)
            if isinstance(found, Reject):
                batch.rejects.append(found)
            elif (first := self._seen.setdefault(found.key, number)) != number:
                batch.rejects.append(Reject(number, "email", f"is the same address as in row {first}; the first one counts", tuple(cells)))
            else:
                batch.people.append(found)
        return batch
