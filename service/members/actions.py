"""What can be done with members: record one, change one, move one to another address. One function per use case."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new
from service.errors import Conflict, InvalidInput
from service.members.consent import change_preferences, check_evidence, record_consent, subscribe, withdraw_consent
from service.members.joining import open_join_request
from service.members.models import Member
from service.members.organisations import assign_by_domain, assign_organisation, assign_own_organisation
from service.members.rules import ConsentPurpose, MemberStatus, read_address
from service.members.shapes import MemberCreate, MemberUpdate
from service.members.standing import find_member, get_member, note_change, set_status, touch

__all__ = [
    "add_member",
    "change_email",
    "change_member",
    "change_preferences",
    "find_member",
    "get_member",
    "open_join_request",
    "record_consent",
    "record_member",
    "set_status",
    "subscribe",
    "withdraw_consent",
]

PLAIN_FIELDS = (
    "first_name",
    "last_name",
    "profession",
    "join_reason",
    "interests",
    "leadership_roles",
    "language",
    "newsletter_rhythm",
    "timezone",
    "joined_at",
)
PREFERENCES = {
    "wants_newsletter": ConsentPurpose.NEWSLETTER,
    "wants_nudges": ConsentPurpose.NUDGES,
    "allows_measuring": ConsentPurpose.MEASURING,
    "may_be_named": ConsentPurpose.NAMING,
}


async def record_member(session: AsyncSession, given: MemberCreate, *, source: str, now: datetime) -> tuple[Member, bool]:
    """The member with this address, recorded now if unknown: (member, is it a new one).

    Somebody known is answered as they are, unchanged. Without consent a new member is `pending`, whatever status was asked for
    (but for `unsubscribed`, `cleaned` and `declined`, which need none). Raises InvalidInput.
    """
    email, key = read_address(given.email)
    known = await find_member(session, key)
    if known is not None:
        return known, False
    if given.consent is not None:
        check_evidence(given.consent, now=now)
    fields = given.model_dump(include={*PLAIN_FIELDS, *PREFERENCES}) | {"allows_measuring": bool(given.allows_measuring)}
    row = Member(email=email, email_key=key, status=_first_standing(given), created_at=now, updated_at=now, **fields)
    await insert_new(session, Member, [row.model_dump()], unique=["email_key"])
    member = await find_member(session, key)
    if member is None:
        raise Conflict("Somebody changed this member at the same moment. Try again.")
    if member.id != row.id:  # another request was first
        return member, False
    await _complete(session, member, given, source=source, now=now)
    return member, True


def _first_standing(given: MemberCreate) -> MemberStatus:
    if given.status is MemberStatus.ERASED:
        raise InvalidInput.field("status", "can't be erased from the start; leave it out")
    if given.status in (None, MemberStatus.SUBSCRIBED):
        return MemberStatus.PENDING
    return given.status


async def _complete(session: AsyncSession, member: Member, given: MemberCreate, *, source: str, now: datetime) -> None:
    if given.organisation is None:
        organised = await assign_by_domain(session, member, source=source, now=now)
    else:
        organised = await assign_own_organisation(session, member, given.organisation, source=source, now=now)
    agrees = given.consent is not None and given.status in (None, MemberStatus.SUBSCRIBED)
    if not organised and not agrees:  # else the first row of history is written there
        note_change(session, member, source=source, reason="recorded", at=now)
    if given.consent is not None:
        if agrees:
            await subscribe(session, member, given.consent, source=source, now=now)
        else:
            await record_consent(session, member, ConsentPurpose.NEWSLETTER, given.consent, now=now)
        for agreed, purpose in ((given.allows_measuring, ConsentPurpose.MEASURING), (given.may_be_named, ConsentPurpose.NAMING)):
            if agreed:
                await record_consent(session, member, purpose, given.consent, now=now)
    touch(session, member, before=None, now=now)
    await session.flush()


async def add_member(session: AsyncSession, given: MemberCreate, *, source: str, now: datetime) -> Member:
    """A facilitator adds somebody; a reason to join opens a join request. Raises Conflict when the address is known."""
    member, is_new = await record_member(session, given, source=source, now=now)
    if not is_new:
        raise Conflict(f"There is a member with this address already: {member.id}")
    if given.join_reason:
        await open_join_request(session, member, given.join_reason, source=source, now=now)
    return member


async def change_member(session: AsyncSession, member: Member, changes: MemberUpdate, *, source: str, now: datetime) -> set[str]:
    """Change what `changes` sets (fields left out stay); answers the names of the fields that really changed.

    Raises InvalidInput, and Conflict for an address that is taken or a standing that can't follow (see `set_status`).
    """
    if member.status == MemberStatus.ERASED:
        raise Conflict("This person was erased; there is nothing left to change.")
    given = changes.model_dump(exclude_unset=True)
    changed = {name for name in PLAIN_FIELDS if name in given and _set(member, name, given[name])}
    if changed:
        touch(session, member, before=MemberStatus(member.status), now=now)
    if changes.email is not None and await change_email(session, member, changes.email, source=source, now=now):
        changed.add("email")
    changed |= await _change_organisation(session, member, changes, source=source, now=now)
    wanted = {purpose: given[name] for name, purpose in PREFERENCES.items() if given.get(name) is not None}
    changed |= {f"preference:{p}" for p in await change_preferences(session, member, wanted, source=source, now=now)}
    changed |= await _change_standing(session, member, changes, source=source, now=now)
    await session.flush()
    return changed


async def _change_organisation(session: AsyncSession, member: Member, changes: MemberUpdate, *, source: str, now: datetime) -> set[str]:
    named, by_hand = "organisation" in changes.model_fields_set, changes.organisation_by_hand
    if named and by_hand is False:
        raise InvalidInput.field("organisation_by_hand", "can't be false together with an organisation; leave one of them out")
    was_by_hand, moved = member.organisation_by_hand, False
    if named:
        moved = await assign_organisation(session, member, changes.organisation, source=source, now=now)
    elif by_hand is not None:
        member.organisation_by_hand = by_hand
        session.add(member)
        moved = await assign_by_domain(session, member, source=source, now=now)
    turned = not named and was_by_hand != member.organisation_by_hand
    return {name for name, is_so in (("organisation", moved), ("organisation_by_hand", turned)) if is_so}


def _set(member: Member, name: str, value: object) -> bool:
    if value is None and name != "joined_at":
        raise InvalidInput.field(name, "can't be null; leave it out, or send an empty value")
    if getattr(member, name) == value:
        return False
    setattr(member, name, value)
    return True


async def _change_standing(session: AsyncSession, member: Member, changes: MemberUpdate, *, source: str, now: datetime) -> set[str]:
    if changes.status is MemberStatus.ERASED:
        raise InvalidInput.field("status", "can't be set to erased here; use POST /members/{id}/erase")
    changed = set()
    if changes.consent is not None:
        if changes.status is MemberStatus.SUBSCRIBED:
            return {"status", "consent"} if await subscribe(session, member, changes.consent, source=source, now=now) else {"consent"}
        if await record_consent(session, member, ConsentPurpose.NEWSLETTER, changes.consent, now=now):
            changed.add("consent")
    if changes.status is not None and await set_status(session, member, changes.status, source=source, now=now):
        changed.add("status")
    return changed


async def change_email(session: AsyncSession, member: Member, email: str, *, source: str, now: datetime) -> bool:
    """Move the member to another address; the id and the history stay. True when it is another one than before.

    The organisation follows the new domain unless chosen by hand. Raises InvalidInput, and Conflict when the address is taken.
    """
    address, key = read_address(email)
    if address == member.email:
        return False
    if key != member.email_key and await find_member(session, key) is not None:
        raise Conflict("Another member has this address.")
    moves = domain_differs(member.email_key, key)
    member.email, member.email_key = address, key
    touch(session, member, before=MemberStatus(member.status), now=now)
    await session.flush()
    if moves:
        await assign_by_domain(session, member, source=source, now=now)
    return True


def domain_differs(key: str, other: str) -> bool:
    """Do two folded addresses belong to different domains?"""
    return key.rpartition("@")[2] != other.rpartition("@")[2]
