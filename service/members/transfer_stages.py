"""The two ends of an import that go on beside its planning: rows of the file read ahead, and new rows put in behind. Commits nothing."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Self

from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import ReadyRows, insert_ready, make_ready
from service.members.models import ConsentRecord, JoinRequest, Member, MemberChange, Organisation, OrganisationDomain
from service.members.transfer_plan import NewRows
from service.members.transfer_rows import PersonRow, Reject, RowReader, Values

BATCH_ROWS = 1_000
"""In one transaction."""
PART_ROWS = 500
"""Planned while the part before is written."""
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

    def parts(self) -> Iterator[list[PersonRow]]:
        """The people in the order of the file, some at a time."""
        left = iter(self.people)
        while part := list(islice(left, PART_ROWS)):
            yield part


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


class Writing:
    """Puts new rows in, one part at a time, while the caller plans the next. All are in when it is left without an error; the session is
    nobody else's till then.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._under_way: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def go_on(self, rows: NewRows) -> None:
        """Begin with these rows, after those before. Raises what went wrong with those."""
        ready = self._made_ready(rows)
        if self._under_way is not None:
            await self._under_way
        self._under_way = asyncio.create_task(self._write(ready))
        await asyncio.sleep(0)  # they are on their way before the caller plans on

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._under_way is None:
            return
        if error is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)
            return
        await self._under_way
        await self._session.flush()  # the known members that were changed

    def _made_ready(self, rows: NewRows) -> list[ReadyRows]:
        by_table: list[tuple[type[SQLModel], list[Values]]] = [
            (Organisation, rows.organisations), (OrganisationDomain, rows.domains), (Member, rows.members), (MemberChange, rows.changes),
            (ConsentRecord, rows.consents), (JoinRequest, rows.requests),
        ]  # fmt: skip
        return [make_ready(self._session, table, made) for table, made in by_table if made]

    async def _write(self, ready: list[ReadyRows]) -> None:
        for rows in ready:
            await insert_ready(self._session, rows)
