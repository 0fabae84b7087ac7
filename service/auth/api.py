"""Routes for keys and the audit trail; admins only."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from sqlmodel import col, select

from service.auth.access import CallerDep, admins_only
from service.auth.audit import record
from service.auth.keys import create_key, revoke_key, rotate_key
from service.auth.models import ApiKey, AuditEntry, AuditPublic, KeyCreate, KeyCreated, KeyPublic, KeyRotate
from service.clock import Instant
from service.deps import NowDep, Page, PageDep, SessionDep, page_of

router = APIRouter(tags=["keys and audit"], dependencies=[Depends(admins_only)])
Words = Annotated[str | None, Query(max_length=100)]


@router.get("/keys")
async def list_keys(session: SessionDep, page: PageDep) -> Page[KeyPublic]:
    """All keys, newest first, without their secrets."""
    return await page_of(session, select(ApiKey), col(ApiKey.id), page, KeyPublic)


@router.post("/keys", status_code=201)
async def add_key(body: KeyCreate, session: SessionDep, now: NowDep, caller: CallerDep) -> KeyCreated:
    """Make a key; the answer is the only place that shows it."""
    row, key = await create_key(session, name=body.name, role=body.role, scopes=body.scopes, now=now, expires_at=body.expires_at)
    record(
        session, actor=caller.name, action="create_key", subject_type="key", subject_id=row.id, now=now, role=row.role, scopes=row.scopes
    )
    return KeyCreated(**KeyPublic.model_validate(row, from_attributes=True).model_dump(), key=key)


@router.post("/keys/{key_id}/rotate", status_code=201)
async def rotate(
    key_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep, body: Annotated[KeyRotate | None, Body()] = None
) -> KeyCreated:
    """A new key in place of this one; the old one counts for `grace_hours` more, so that nothing stands still meanwhile."""
    hours = (body or KeyRotate()).grace_hours
    row, key = await rotate_key(session, key_id, grace=timedelta(hours=hours), now=now)
    new = str(row.id)
    record(session, actor=caller.name, action="rotate_key", subject_type="key", subject_id=key_id, now=now, new=new, grace_hours=hours)
    return KeyCreated(**KeyPublic.model_validate(row, from_attributes=True).model_dump(), key=key)


@router.delete("/keys/{key_id}", status_code=204)
async def remove_key(key_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> None:
    """Revoke a key at once."""
    row = await revoke_key(session, key_id, now=now)
    record(session, actor=caller.name, action="revoke_key", subject_type="key", subject_id=row.id, now=now)


@router.get("/audit")
async def list_audit(
    session: SessionDep,
    page: PageDep,
    actor: Words = None,
    action: Words = None,
    subject_type: Words = None,
    subject_id: Words = None,
    since: Instant | None = None,
    until: Instant | None = None,
) -> Page[AuditPublic]:
    """The audit trail, newest first: who did what to which thing, and from which address. `until` is not included."""
    wanted = {AuditEntry.actor: actor, AuditEntry.action: action, AuditEntry.subject_type: subject_type, AuditEntry.subject_id: subject_id}
    query = select(AuditEntry)
    for column, value in wanted.items():
        if value is not None:
            query = query.where(col(column) == value)
    if since is not None:
        query = query.where(col(AuditEntry.at) >= since)
    if until is not None:
        query = query.where(col(AuditEntry.at) < until)
    return await page_of(session, query, col(AuditEntry.id), page, AuditPublic)
