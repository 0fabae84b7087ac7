"""FastAPI dependencies in one place. Sessions are committed before the answer leaves: `scope="function"`."""

import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BaseModel
from sqlalchemy import Select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import InvalidInput
from service.parts import Parts
from service.queue import Queue
from service.settings import Settings

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
BAD_CURSOR = InvalidInput.field("cursor", "is not one we gave; leave it out to start from the beginning")
T = TypeVar("T")
Shape = TypeVar("Shape", bound=BaseModel)


def get_parts(request: Request) -> Parts:
    """The process's parts."""
    parts: Parts = request.app.state.parts
    return parts


# These are coroutines though they wait for nothing: FastAPI sends a plain function to another thread and back, at every request.
# They ask the request, not each other: a dependency of a dependency is worked out again for each of 290 routes at every start.


async def _parts(request: Request) -> Parts:
    return get_parts(request)


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    parts = get_parts(request)
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        async with parts.database.reading() as session:
            yield session
    else:
        async with parts.database.transaction() as session:
            yield session
            parts.passing("request.done")
        parts.passing("request.committed")


async def _now(request: Request) -> datetime:
    return get_parts(request).clock.now()


async def _queue(request: Request) -> Queue:
    return get_parts(request).queue


async def _settings(request: Request) -> Settings:
    return get_parts(request).settings


PartsDep = Annotated[Parts, Depends(_parts)]
SessionDep = Annotated[AsyncSession, Depends(_session, scope="function")]
"""One transaction for a request that changes things, committed before the response; a reading session for GET and HEAD."""
NowDep = Annotated[datetime, Depends(_now)]
QueueDep = Annotated[Queue, Depends(_queue)]
SettingsDep = Annotated[Settings, Depends(_settings)]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is asked for: up to `limit` rows after the one `after` names."""

    limit: int
    after: str | None

    def after_id(self) -> UUID | None:
        """The position as an id, for lists ordered by id. Raises InvalidInput."""
        try:
            return UUID(self.after) if self.after else None
        except ValueError as error:
            raise BAD_CURSOR from error


async def _page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> PageRequest:
    if cursor is None:
        return PageRequest(limit, None)
    try:
        after = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise BAD_CURSOR from error
    return PageRequest(limit, after)


async def _long_page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = MAX_LIMIT, cursor: Annotated[str | None, Query(max_length=200)] = None
) -> PageRequest:
    return await _page(limit, cursor)


PageDep = Annotated[PageRequest, Depends(_page)]
LongPageDep = Annotated[PageRequest, Depends(_long_page)]
"""For lists that are mostly read whole."""


class Page(BaseModel, Generic[T]):
    """A part of a list. `next_cursor` asks for the next part; None at the end."""

    items: list[T]
    next_cursor: str | None


def cursor_at(position: str) -> str:
    """What asks for what comes after this position, which `PageRequest.after` then is."""
    return base64.urlsafe_b64encode(position.encode()).decode()


async def page_of(session: AsyncSession, query: Select[Any], ids: Any, page: PageRequest, shape: type[Shape]) -> Page[Shape]:
    """The rows of `query` newest first, by their time-ordered `ids` column (a UUIDv7), one page of them, as `shape`."""
    after = page.after_id()
    if after is not None:
        query = query.where(ids < after)
    rows = (await session.exec(query.order_by(ids.desc()).limit(page.limit + 1))).all()  # type: ignore[call-overload]
    shown = rows[: page.limit]
    cursor = cursor_at(str(shown[-1].id)) if len(rows) > page.limit else None
    return Page(items=[shape.model_validate(row, from_attributes=True) for row in shown], next_cursor=cursor)
