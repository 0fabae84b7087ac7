"""Consent given and withdrawn, with its proof; preferences. The records are only ever added to."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict, InvalidInput
from service.members.models import ConsentRecord, Member
from service.members.rules import ConsentPurpose, MemberStatus
from service.members.shapes import ConsentGiven
from service.members.standing import last_left_at, set_status, touch

CLOCK_TOLERANCE = timedelta(minutes=10)
FIELD_OF = {
    ConsentPurpose.NEWSLETTER: "wants_newsletter",
    ConsentPurpose.NUDGES: "wants_nudges",
    ConsentPurpose.MEASURING: "allows_measuring",
    ConsentPurpose.NAMING: "may_be_named",
}


def check_evidence(evidence: ConsentGiven, *, now: datetime) -> None:
    """Raises InvalidInput for a consent from the future."""
    if evidence.at > now + CLOCK_TOLERANCE:
        raise InvalidInput.field("consent/at", "is in the future; give the time at which the person agreed")


def keep_evidence(member: Member, evidence: ConsentGiven) -> None:
    """Show this consent with the member; its record is the proof."""
    member.consent_source, member.consent_at = evidence.source, evidence.at
    member.consent_ip, member.consent_text_version = evidence.ip, evidence.text_version


async def last_consent(session: AsyncSession, member: Member, purpose: ConsentPurpose) -> ConsentRecord | None:
    """The newest record for this purpose, given or withdrawn; None when there is none."""
    query = select(ConsentRecord).where(ConsentRecord.member_id == member.id, ConsentRecord.purpose == purpose)
    return (await session.exec(query.order_by(col(ConsentRecord.at).desc(), col(ConsentRecord.id).desc()).limit(1))).first()


async def record_consent(session: AsyncSession, member: Member, purpose: ConsentPurpose, evidence: ConsentGiven, *, now: datetime) -> bool:
    """The person agreed to `purpose`. True when that is news; the same evidence twice is one record. Raises InvalidInput."""
    check_evidence(evidence, now=now)
    last = await last_consent(session, member, purpose)
    if last is not None and last.given and last.at >= evidence.at and getattr(member, FIELD_OF[purpose]):
        return False
    session.add(
        ConsentRecord(
            member_id=member.id,
            purpose=purpose,
            given=True,
            at=evidence.at,
            source=evidence.source,
            ip=evidence.ip,
            text_version=evidence.text_version,
        )
    )
    setattr(member, FIELD_OF[purpose], True)
    if purpose is ConsentPurpose.NEWSLETTER:
        keep_evidence(member, evidence)
    touch(session, member, before=MemberStatus(member.status), now=now)
    await session.flush()
    return True


async def withdraw_consent(
    session: AsyncSession, member: Member, purpose: ConsentPurpose, *, source: str, now: datetime, ip: str = ""
) -> bool:
    """The person no longer agrees to `purpose`. True when that is news. Leaving altogether is `set_status`."""
    if not getattr(member, FIELD_OF[purpose]):
        return False
    setattr(member, FIELD_OF[purpose], False)
    session.add(ConsentRecord(member_id=member.id, purpose=purpose, given=False, at=now, source=source, ip=ip))
    touch(session, member, before=MemberStatus(member.status), now=now)
    await session.flush()
    return True


async def change_preferences(
    session: AsyncSession,
    member: Member,
    wanted: Mapping[ConsentPurpose, bool],
    *,
    source: str,
    now: datetime,
    ip: str = "",
    text_version: str = "",
) -> set[ConsentPurpose]:
    """Make the member's choices those in `wanted`; purposes left out stay. Answers the ones that changed, each on record."""
    changed = set()
    for purpose, agrees in wanted.items():
        if agrees == getattr(member, FIELD_OF[purpose]):
            continue
        if agrees:
            evidence = ConsentGiven(source=source, at=now, ip=ip, text_version=text_version)
            news = await record_consent(session, member, purpose, evidence, now=now)
        else:
            news = await withdraw_consent(session, member, purpose, source=source, now=now, ip=ip)
        if news:
            changed.add(purpose)
    return changed


async def subscribe(session: AsyncSession, member: Member, evidence: ConsentGiven, *, source: str, now: datetime, reason: str = "") -> bool:
    """The person agreed to be on the mailing list: keep the proof and put them there. True when they were not on it.

    Raises Conflict when the consent is older than the moment the person last left, or the person was erased.
    """
    check_evidence(evidence, now=now)
    if member.status == MemberStatus.ERASED:
        raise Conflict("This person was erased; that can't be undone.")
    left = await last_left_at(session, member)
    fresh = left is None or evidence.at >= left
    if member.status == MemberStatus.SUBSCRIBED or fresh:
        await record_consent(session, member, ConsentPurpose.NEWSLETTER, evidence, now=now)
    return await set_status(session, member, MemberStatus.SUBSCRIBED, source=source, reason=reason, now=now, consent_is_fresh=fresh)
