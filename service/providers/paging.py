"""Reading a list that Mailchimp hands out in pages by offset, while the list may change under us."""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from service.providers.base import Temporary

T = TypeVar("T")
PAGE = 1000  # Mailchimp's largest
OVERLAP = 50  # rows read again at each page's edge
_STEPS_BACK = 20


async def read_pages(
    page: Callable[[int, int], Awaitable[Sequence[T]]],
    key: Callable[[T], Hashable],
    *,
    size: int = PAGE,
    overlap: int = OVERLAP,
) -> AsyncIterator[T]:
    """Every row once. `page(offset, count)` reads rows; `key` is what a row is about (an address's hash), whatever else it says.

    Pages overlap. If the next page is empty or begins with a row not seen before, rows in front of it have gone and the list moved
    up by more than the overlap, so we step back until the pages meet. Raises Temporary when they never do. What is added in front
    meanwhile belongs to the next reading.
    """
    seen: set[Hashable] = set()
    offset, steps_back = 0, 0
    while True:
        rows = await page(offset, size)
        if offset and (not rows or key(rows[0]) not in seen):
            steps_back += 1
            if steps_back > _STEPS_BACK:
                raise Temporary("The list changes faster than it can be read")
            offset = max(0, offset - max(overlap, size // 2))
            continue
        for row in rows:
            if key(row) not in seen:
                seen.add(key(row))
                yield row
        if len(rows) < size:
            return
        offset += size - overlap
