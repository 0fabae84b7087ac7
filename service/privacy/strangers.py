"""People who never confirmed: after the time for it they go, for nobody knows whether they asked at all."""

from datetime import datetime, timedelta

from sqlalchemy import exists
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from service.members.models import ConsentRecord, JoinRequest, Member, MemberChange
from service.members.rules import JoinRequestStatus, MemberStatus
from service.parts import Parts
from service.privacy.blanking import addresses_of, blank_person
from service.welcome.joining import SOURCE

BATCH = 100


async def forget_strangers(parts: Parts) -> int:
    """Blank people known only by a join request that ran out; how many. No suppression: they may ask again at any time. Whoever was
    recorded by a facilitator or an import stays.
    """
    now = parts.clock.now()
    ran_out = exists().where(col(JoinRequest.member_id) == Member.id, col(JoinRequest.status) == JoinRequestStatus.EXPIRED)
    goes_on = exists().where(col(JoinRequest.member_id) == Member.id, col(JoinRequest.status) != JoinRequestStatus.EXPIRED)
    agreed = exists().where(col(ConsentRecord.member_id) == Member.id)
    known_otherwise = exists().where(col(MemberChange.member_id) == Member.id, col(MemberChange.source) != SOURCE)
    query = select(Member).where(Member.status == MemberStatus.PENDING, ran_out, ~goes_on, ~agreed, ~known_otherwise)
    return await _forget(parts, query, now=now)


async def forget_never_confirmed(parts: Parts) -> int:
    """Blank people whom somebody recorded FORGET_LEFT_AFTER_DAYS ago and who have not agreed to anything since; how many. They never said
    no, so there is no suppression: they may still join.
    """
    days, now = parts.settings.forget_left_after_days, parts.clock.now()
    if not days:
        return 0
    since = now - timedelta(days=days)
    changed_since = exists().where(col(MemberChange.member_id) == col(Member.id), col(MemberChange.at) >= since)
    asks = exists().where(col(JoinRequest.member_id) == Member.id, col(JoinRequest.status) == JoinRequestStatus.UNCONFIRMED)
    query = select(Member).where(Member.status == MemberStatus.PENDING, col(Member.created_at) < since, ~changed_since, ~asks)
    return await _forget(parts, query, now=now)


async def _forget(parts: Parts, query: SelectOfScalar[Member], *, now: datetime) -> int:
    gone = 0
    while True:
        async with parts.database.transaction() as session:
            rows = (await session.exec(query.order_by(col(Member.id)).limit(BATCH).with_for_update(skip_locked=True))).all()
            for member in rows:
                await blank_person(session, member, await addresses_of(session, member), source="retention", now=now)
        gone += len(rows)
        if len(rows) < BATCH:
            return gone
