"""People who asked to join and never confirmed: after the time for it they go, for nobody knows whether they asked at all."""

from sqlalchemy import exists
from sqlmodel import col, select

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
    gone = 0
    while True:
        async with parts.database.transaction() as session:
            rows = (await session.exec(query.order_by(col(Member.id)).limit(BATCH).with_for_update(skip_locked=True))).all()
            for member in rows:
                await blank_person(session, member, await addresses_of(session, member), source="retention", now=now)
        gone += len(rows)
        if len(rows) < BATCH:
            return gone
