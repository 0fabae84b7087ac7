"""What became of the members that were written to the audience, noted: hundreds at once where nothing was known of them before."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, case, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.jobs import LONG_AGO
from service.audience.models import AudienceContact
from service.audience.refusals import heed
from service.audience.rules import Write, content_hash, cut_in, mend_for, subscriber_hash
from service.audience.writing import RETRY, Written
from service.db import insert_all
from service.members.models import Member

_DUE_AT = Member.__table__.c.audience_due_at.type  # type: ignore[attr-defined]
_BLANK = AudienceContact(member_id=UUID(int=0), email_hash="").model_dump()
_UNCHANGED = and_(col(Member.audience_due_at) == bindparam("was_due_at"), col(Member.status) == bindparam("standing"))
_NEXT = case((_UNCHANGED, bindparam("next_due_at", type_=_DUE_AT)), else_=col(Member.audience_due_at))
_LOOKED_AT = update(Member.__table__).where(col(Member.id) == bindparam("who")).values(audience_due_at=_NEXT)  # type: ignore[attr-defined]
"""Found by the id alone: thousands may be due since one and the same instant."""


async def record(session: AsyncSession, written: Sequence[Written], *, now: datetime) -> None:
    """Note it. A member who changed meanwhile stays due."""
    by_id = {w.due.member_id: w for w in written}
    query = select(Member.id, AudienceContact.member_id).outerjoin(AudienceContact, col(AudienceContact.member_id) == col(Member.id))
    known: dict[UUID, UUID | None] = dict((await session.exec(query.where(col(Member.id).in_(list(by_id))))).all())
    fresh = [by_id.pop(w.due.member_id) for w in written if w.found is None and known.get(w.due.member_id, w) is None]
    await _record_fresh(session, fresh, now=now)
    if by_id:
        await _record_known(session, by_id, now=now)


async def _record_fresh(session: AsyncSession, written: Sequence[Written], *, now: datetime) -> None:
    """Those of whom nothing is known yet, and who bring no answer that must be heeded."""
    if not written:
        return
    looked_at = [
        {"who": w.due.member_id, "was_due_at": w.due.due_at, "standing": w.due.standing, "next_due_at": now + RETRY if w.retry else None}
        for w in written
    ]
    await (await session.connection()).execute(_LOOKED_AT, looked_at)
    rows = [
        {**_BLANK, "member_id": w.due.member_id, "email_hash": subscriber_hash(w.due.contact.email), **_noted(w, now)}
        for w in written
        if _is_known_now(w)
    ]
    await insert_all(session, AudienceContact, rows)


async def _record_known(session: AsyncSession, by_id: dict[UUID, Written], *, now: datetime) -> None:
    members = await session.exec(select(Member).where(col(Member.id).in_(list(by_id))).with_for_update())
    known = {k.member_id: k for k in await session.exec(select(AudienceContact).where(col(AudienceContact.member_id).in_(list(by_id))))}
    for member in members:
        w = by_id[member.id]
        if (member.audience_due_at, member.status) == (w.due.due_at, w.due.standing):
            member.audience_due_at = now + RETRY if w.retry else None
            session.add(member)
        if _is_known_now(w):
            row = known.get(member.id) or AudienceContact(member_id=member.id, email_hash=subscriber_hash(w.due.contact.email))
            for name, value in _noted(w, now).items():
                setattr(row, name, value)
            session.add(row)
        if w.found is not None:
            await heed(session, w.found, member, refused_at=w.due.known_at or LONG_AGO, now=now)


def _is_known_now(w: Written) -> bool:
    return w.due.write is not Write.NOTHING and not w.retry


def _noted(w: Written, now: datetime) -> dict[str, Any]:
    """What changes of their row, by column."""
    contact = w.due.contact
    noted: dict[str, Any] = {"problem": w.problem, "problem_mend": mend_for(w.problem) if w.problem else ""}
    if w.remote_status:
        noted["remote_status"] = w.remote_status
    if not w.problem or w.remote_status:
        noted["email_hash"] = subscriber_hash(contact.email)
    if not w.problem:
        noted |= {
            "synced_at": now,
            "content_hash": "" if w.due.write is Write.UNSUBSCRIBE else content_hash(contact),
            "tags": list(contact.tags),
            "cut_fields": cut_in(contact),
        }
    if w.found is not None:
        noted |= {name: value for name in ("contact_id", "unique_email_id") if (value := getattr(w.found, name))}
    return noted
