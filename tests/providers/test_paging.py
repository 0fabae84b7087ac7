"""Reading pages of a list that changes between two pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.providers.base import Temporary
from service.providers.paging import read_pages


class _MovingList:
    """A list; after each page the next change is made to it: a number of rows goes from the front, or new ones come there."""

    def __init__(self, rows: list[int], changes: list[int]) -> None:
        self.rows = rows
        self.changes = changes
        self.gone: set[int] = set()

    async def page(self, offset: int, count: int) -> list[int]:
        found = self.rows[offset : offset + count]
        change = self.changes.pop(0) if self.changes else 0
        if change >= 0:
            self.gone.update(self.rows[:change])
            self.rows = self.rows[change:]
        else:
            self.rows = [10_000 + len(self.rows) + i for i in range(-change)] + self.rows
        return found


async def _read(moving: _MovingList, *, size: int = 10, overlap: int = 3) -> list[int]:
    return [row async for row in read_pages(moving.page, lambda row: row, size=size, overlap=overlap)]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 17, 24, 95])
async def test_a_list_that_stands_still_is_read_once_in_order(count: int) -> None:
    assert await _read(_MovingList(list(range(count)), [])) == list(range(count))


@given(st.integers(0, 120), st.lists(st.integers(-15, 15), max_size=12))
async def test_nothing_that_stays_is_missed_and_nothing_comes_twice(count: int, changes: list[int]) -> None:
    moving = _MovingList(list(range(count)), list(changes))
    read = await _read(moving)
    assert len(read) == len(set(read))
    assert set(range(count)) - moving.gone <= set(read)


async def test_a_list_that_never_holds_still_is_temporary() -> None:
    async def page(offset: int, count: int) -> list[int]:
        counter["n"] += 1000
        return [counter["n"] + i for i in range(count)]

    counter = {"n": 0}
    with pytest.raises(Temporary):
        _ = [row async for row in read_pages(page, lambda row: row, size=10, overlap=3)]
