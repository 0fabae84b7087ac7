"""`kindling keys`: made, rotated, listed and revoked by whoever may run commands on this machine; each change is in the audit trail."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from rich.table import Table
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.auth.keys import create_key, revoke_key, rotate_key
from service.auth.models import ApiKey, KeyCreated, KeyPublic
from service.auth.rules import Role, Scope
from service.cli.attention import BY
from service.cli.checks import check_migrated
from service.cli.screen import err, out, tell
from service.cli.up import prepare
from service.clock import clock_from
from service.db import Database
from service.settings import Settings


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[AsyncSession, datetime]]:
    database = Database(settings.database)
    try:
        await check_migrated(database)
        async with database.transaction() as session:
            yield session, clock_from(settings.clock_file).now()
    finally:
        await database.close()


async def make_key(settings: Settings, role: Role, name: str, scopes: Sequence[Scope], days: int | None, *, as_json: bool) -> None:
    """Make a key and print it, the only time it can be seen; a new database is set up first. `days`: so long it counts."""
    await prepare(settings)
    async with _opened(settings) as (session, now):
        ends = now + timedelta(days=days) if days is not None else None
        row, key = await create_key(session, name=name, role=role, scopes=scopes, now=now, expires_at=ends)
        record(session, actor=BY, action="create_key", subject_type="key", subject_id=row.id, now=now, role=row.role, scopes=row.scopes)
        made = _created(row, key)
    _print_once(made, as_json=as_json)


async def rotate(settings: Settings, key_id: UUID, grace_hours: int, *, as_json: bool) -> None:
    """Print a new key in place of this one, which counts for the grace longer. Raises NotFound and Conflict."""
    async with _opened(settings) as (session, now):
        row, key = await rotate_key(session, key_id, grace=timedelta(hours=grace_hours), now=now)
        new = str(row.id)
        record(session, actor=BY, action="rotate_key", subject_type="key", subject_id=key_id, now=now, new=new, grace_hours=grace_hours)
        made = _created(row, key)
    _print_once(made, as_json=as_json)
    err.print(f"The old key counts for {grace_hours} hours more; `kindling keys list` shows when it was last used.", markup=False)


def _created(row: ApiKey, key: str) -> KeyCreated:
    return KeyCreated(**KeyPublic.model_validate(row, from_attributes=True).model_dump(), key=key)


def _print_once(made: KeyCreated, *, as_json: bool) -> None:
    if as_json:
        tell(made)
    else:
        out.print(made.key, soft_wrap=True, markup=False)


async def list_keys(settings: Settings, *, as_json: bool) -> None:
    """All keys that count, and those that did; never their secrets."""
    async with _opened(settings) as (session, _):
        rows = (await session.exec(select(ApiKey).order_by(col(ApiKey.id).desc()))).all()
        found = [KeyPublic.model_validate(row, from_attributes=True) for row in rows]
    if as_json:
        tell(found)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("Id", no_wrap=True)
    for heading in ("Begins with", "Name", "Role", "Last used", "Ends"):
        table.add_column(heading, overflow="fold")
    for key in found:
        ends = key.revoked_at or key.expires_at
        table.add_row(str(key.id), key.prefix, key.name, key.role, _day(key.last_used_at) or "never", _day(ends))
    out.print(table)


async def end_key(settings: Settings, key_id: UUID, *, as_json: bool) -> None:
    """Revoke a key at once. Raises NotFound."""
    async with _opened(settings) as (session, now):
        row = await revoke_key(session, key_id, now=now)
        record(session, actor=BY, action="revoke_key", subject_type="key", subject_id=row.id, now=now)
        gone = KeyPublic.model_validate(row, from_attributes=True)
    if as_json:
        tell(gone)
    else:
        out.print(f"{gone.name} counts no more.", markup=False)


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""
