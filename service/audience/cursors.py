"""One walker at a time: named cursors with a lease, and a position that survives restarts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import select

from service.audience.models import SyncCursor
from service.db import database_now, insert_new
from service.parts import Parts

LEASE = 3
"""Times LEASE_SECONDS."""


@dataclass(slots=True)
class Walk:
    """A cursor that is ours until `lease_until`; that instant is also the proof that it still is."""

    name: str
    position: datetime | None
    run_at: datetime | None
    lease_until: datetime


async def take(parts: Parts, name: str) -> Walk | None:
    """The cursor, leased to us for a while; None when another worker walks just now."""
    async with parts.database.transaction() as session:
        await insert_new(session, SyncCursor, [{"name": name, "position": None, "run_at": None, "lease_until": None}], unique=["name"])
        cursor = (await session.exec(select(SyncCursor).where(SyncCursor.name == name).with_for_update())).one()
        now = await database_now(session)
        if cursor.lease_until is not None and cursor.lease_until > now:
            return None
        cursor.lease_until = now + parts.settings.lease(LEASE)
        session.add(cursor)
    return Walk(name, cursor.position, cursor.run_at, cursor.lease_until)


async def go_on(parts: Parts, walk: Walk) -> bool:
    """Renew the lease. False when it was lost: stop walking."""
    async with parts.database.transaction() as session:
        cursor = (await session.exec(select(SyncCursor).where(SyncCursor.name == walk.name).with_for_update())).one()
        if cursor.lease_until != walk.lease_until:
            return False
        walk.lease_until = cursor.lease_until = await database_now(session) + parts.settings.lease(LEASE)
        session.add(cursor)
    return True


async def give_back(parts: Parts, walk: Walk, *, position: datetime | None = None) -> None:
    """End the lease, if it is still ours. `position` is given when the walk is through: it moves the cursor on and notes the time."""
    async with parts.database.transaction() as session:
        cursor = (await session.exec(select(SyncCursor).where(SyncCursor.name == walk.name).with_for_update())).one()
        if cursor.lease_until != walk.lease_until:
            return
        cursor.lease_until = None
        if position is not None:
            cursor.position, cursor.run_at = position, parts.clock.now()
        session.add(cursor)


@asynccontextmanager
async def walking(parts: Parts, name: str) -> AsyncIterator[Walk | None]:
    """Hold the cursor for the length of the context; None when another worker has it."""
    walk = await take(parts, name)
    try:
        yield walk
    finally:
        if walk is not None:
            await give_back(parts, walk)
