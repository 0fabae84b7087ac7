"""Leaving, staying with less, and preferences: what a signed link in a mail lets its holder do, without a login."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.activity import record_by_hand
from service.engagement.rules import EngagementKind
from service.errors import NotAllowed, NotFound
from service.languages import said
from service.members.actions import change_member, change_preferences, record_consent, set_status, withdraw_consent
from service.members.models import Member
from service.members.rules import ConsentPurpose, MemberStatus
from service.members.shapes import ConsentGiven, MemberUpdate
from service.members.standing import last_left_at
from service.messages.models import Delivery
from service.messages.rules import FORGIVEN_WHEN_ASKED, MessageKind, SuppressionPurpose, SuppressionReason, purpose_of
from service.messages.suppressions import lift, stops_for, suppress
from service.parts import Parts
from service.queue import ring_after_commit

GOOD_BYE_PAGE = "good_bye_page"
PREFERENCES_PAGE = "preferences_page"
STAY_WITHIN = timedelta(hours=1)
"""So long after leaving a link may take it back in part: a forwarded mail must not bring anybody back later."""
_CONSENT_OF = {SuppressionPurpose.NEWSLETTER: ConsentPurpose.NEWSLETTER, SuppressionPurpose.NUDGES: ConsentPurpose.NUDGES}
_PURPOSE_OF = {consent: purpose for purpose, consent in _CONSENT_OF.items()}


@dataclass(frozen=True, slots=True)
class Left:
    """What came of leaving: what was stopped, what still comes, and whether less instead of nothing may be offered."""

    stopped: SuppressionPurpose
    still_gets: frozenset[ConsentPurpose] = frozenset()
    may_stay: bool = False


def purpose_named(word: str) -> SuppressionPurpose:
    """The purpose a link names; a word we don't know (any more) stops everything rather than nothing."""
    try:
        return SuppressionPurpose(word)
    except ValueError:
        return SuppressionPurpose.ALL


async def leave(session: AsyncSession, parts: Parts, member_id: UUID, purpose: str, *, now: datetime, source: str) -> Left:
    """Stop mail for `purpose` (all, newsletter or nudges) from now on; twice is as good as once. Somebody unknown or erased gets no
    mail anyway, and the same answer. Mailchimp hears of it with the next synchronisation, which is rung for.
    """
    stopped = purpose_named(purpose)
    member = await session.get(Member, member_id, with_for_update=True)
    if member is None or member.status == MemberStatus.ERASED:
        return Left(stopped)
    if stopped in _CONSENT_OF:
        await withdraw_consent(session, member, _CONSENT_OF[stopped], source=source, now=now)
    reason = SuppressionReason.UNSUBSCRIBE
    if await suppress(session, member.email, purpose=stopped, reason=reason, source=source, now=now):
        await _count(session, member, stopped, now=now)
    ring_after_commit(session, parts.queue, "sync_audience")
    return Left(stopped, _still_gets(member), await _may_stay(session, member, now=now))


def _still_gets(member: Member) -> frozenset[ConsentPurpose]:
    if member.status != MemberStatus.SUBSCRIBED:
        return frozenset()
    wants = {ConsentPurpose.NEWSLETTER: member.wants_newsletter, ConsentPurpose.NUDGES: member.wants_nudges}
    return frozenset(purpose for purpose, wanted in wants.items() if wanted)


async def _count(session: AsyncSession, member: Member, stopped: SuppressionPurpose, *, now: datetime) -> None:
    """Count the leaving with the newest mail of the kind they had enough of: the link doesn't say which one it was in."""
    kinds = [kind for kind in MessageKind if stopped in (SuppressionPurpose.ALL, purpose_of(kind))]
    query = (
        select(Delivery)
        .where(Delivery.member_id == member.id, col(Delivery.accepted_at).is_not(None), col(Delivery.kind).in_(kinds))
        .order_by(col(Delivery.accepted_at).desc(), col(Delivery.id).desc())
    )
    newest = (await session.exec(query.limit(1))).first()
    if newest is not None and newest.unsubscribed_at is None:
        newest.unsubscribed_at = now
        session.add(newest)


async def _may_stay(session: AsyncSession, member: Member, *, now: datetime) -> bool:
    if member.status != MemberStatus.UNSUBSCRIBED:
        return False
    left_at = await last_left_at(session, member)
    stops = (await stops_for(session, [member.email_key])).get(member.email_key, ())
    return left_at is not None and now - left_at <= STAY_WITHIN and all(stop.reason in FORGIVEN_WHEN_ASKED for stop in stops)


async def stay(session: AsyncSession, member_id: UUID, *, now: datetime) -> str:
    """They were asked whether we should stop, and want to stay: the silence ends. Their standing; nothing changes for who has left."""
    member = await session.get(Member, member_id, with_for_update=True)
    if member is None or member.status != MemberStatus.SUBSCRIBED:
        return member.status if member is not None else MemberStatus.ERASED
    asked = member.sunset_at.isoformat() if member.sunset_at else now.date().isoformat()
    await record_by_hand(session, EngagementKind.FORM, member_id=member.id, about=f"stay:{asked}", at=now, now=now, source="page")
    member.sunset_at = None
    session.add(member)
    return member.status


async def stay_with_less(
    session: AsyncSession,
    parts: Parts,
    member_id: UUID,
    keep: SuppressionPurpose,
    *,
    text_version: str,
    now: datetime,
    ip: str = "",
) -> None:
    """Somebody who left a moment ago keeps one thing (newsletter or nudges) and gets nothing else.

    Raises NotAllowed when they left longer ago than STAY_WITHIN, or mail to them may not be taken up again this way.
    """
    member = await session.get(Member, member_id, with_for_update=True)
    if member is None or keep not in _CONSENT_OF or not await _may_stay(session, member, now=now):
        raise NotAllowed("This can be done only right after leaving. You are welcome to join again.")
    kept = _CONSENT_OF[keep]
    forgiven = [SuppressionReason.UNSUBSCRIBE]
    await lift(session, member.email, reasons=forgiven, purposes=[SuppressionPurpose.ALL, keep], now=now)
    evidence = ConsentGiven(source=GOOD_BYE_PAGE, at=now, ip=ip, text_version=text_version)
    await record_consent(session, member, kept, evidence, now=now)
    for other in _PURPOSE_OF:
        if other is not kept:
            await withdraw_consent(session, member, other, source=GOOD_BYE_PAGE, now=now, ip=ip)
    status = MemberStatus.SUBSCRIBED
    await set_status(session, member, status, source=GOOD_BYE_PAGE, now=now, reason="stays with less", consent_is_fresh=True)
    await _sign_of_life(session, member, about="stay", now=now)
    ring_after_commit(session, parts.queue, "sync_audience")


async def _sign_of_life(session: AsyncSession, member: Member, *, about: str, now: datetime) -> None:
    about = f"{about}:{now:%Y-%m-%dT%H:%M}"  # pressed twice counts once
    await record_by_hand(session, EngagementKind.FORM, member_id=member.id, about=about, at=now, now=now, source="page")


async def member_with_preferences(session: AsyncSession, member_id: UUID, *, lock: bool = False) -> Member:
    """The member behind a preference link. Raises NotFound for somebody unknown or erased."""
    member = await session.get(Member, member_id, with_for_update=lock)
    if member is None or member.status == MemberStatus.ERASED:
        raise NotFound(said("We hold nothing under this link any more, and send nothing to you."))
    return member


async def save_preferences(
    session: AsyncSession,
    parts: Parts,
    member_id: UUID,
    details: MemberUpdate,
    wanted: Mapping[ConsentPurpose, bool],
    *,
    text_version: str,
    now: datetime,
    ip: str = "",
) -> set[str]:
    """Take over what the member chose on the preference page; the names of what really changed. A sign of life in any case.

    Raises NotFound as above, and NotAllowed for somebody who is not on the list: they come back by joining again.
    """
    member = await member_with_preferences(session, member_id, lock=True)
    if member.status != MemberStatus.SUBSCRIBED:
        raise NotAllowed("You are not on our list. You are welcome to join again.")
    changed = await change_member(session, member, details, source=PREFERENCES_PAGE, now=now)
    purposes = await change_preferences(session, member, wanted, source=PREFERENCES_PAGE, now=now, ip=ip, text_version=text_version)
    on = [_PURPOSE_OF[purpose] for purpose in _PURPOSE_OF if wanted.get(purpose)]
    await lift(session, member.email, reasons=[SuppressionReason.UNSUBSCRIBE], purposes=on, now=now)
    await _sign_of_life(session, member, about="preferences", now=now)
    ring_after_commit(session, parts.queue, "sync_audience")
    return changed | set(purposes)
