"""Organisations: found by name or mail domain, given to members, renamed and merged. By hand wins over the domain."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import insert_new
from service.errors import Conflict, InvalidInput, NotFound
from service.members.models import Member, Organisation, OrganisationDomain
from service.members.rules import MemberStatus, domain_of, fold_name, is_shared, mailchimp_must_hear, names_nobody, organisation_domains
from service.members.standing import note_change, touch


async def get_organisation(session: AsyncSession, organisation_id: UUID, *, lock: bool = False) -> Organisation:
    """The organisation, or the one it was merged into. Raises NotFound."""
    found = await session.get(Organisation, organisation_id, with_for_update=lock)
    if found is not None and found.merged_into_id is not None:
        found = await session.get(Organisation, found.merged_into_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such organisation.")
    return found


async def find_organisation(session: AsyncSession, name: str) -> Organisation | None:
    """The organisation with this name or alias, however it is written."""
    row = (await session.exec(select(Organisation).where(Organisation.name_key == fold_name(name)))).one_or_none()
    return await get_organisation(session, row.id) if row else None


async def organisation_named(session: AsyncSession, name: str, *, now: datetime) -> Organisation:
    """The organisation with this name or alias; made if there is none. Raises InvalidInput for a name without letters."""
    key = fold_name(name)
    if not key:
        raise InvalidInput.field("organisation", "has no letters or digits; give a name, or leave it out")
    found = await find_organisation(session, name)
    if found is not None:
        return found
    row = Organisation(name=name.strip(), name_key=key[:200], created_at=now)
    await insert_new(session, Organisation, [row.model_dump()], unique=["name_key"])
    made = await find_organisation(session, name)
    if made is None:
        raise NotFound("The organisation vanished while it was made. Try again.")
    return made


async def organisation_for(session: AsyncSession, key: str, *, now: datetime) -> Organisation | None:
    """The organisation that an address's domain tells (by `email_key`), made if it is new; None for a shared domain."""
    domains = organisation_domains(domain_of(key))
    if not domains:
        return None
    rows = await session.exec(select(OrganisationDomain).where(col(OrganisationDomain.domain).in_(domains)))
    known = {row.domain: row.organisation_id for row in rows}
    for domain in domains:
        if domain in known:
            return await get_organisation(session, known[domain])
    made = await organisation_named(session, domains[-1], now=now)
    await insert_new(session, OrganisationDomain, [{"domain": domains[-1], "organisation_id": made.id}], unique=["domain"])
    return made


async def assign_organisation(session: AsyncSession, member: Member, name: str | None, *, source: str, now: datetime) -> bool:
    """Give the member this organisation by hand; None or `n/a`: none. True when that is another one than before."""
    chosen = None if name is None or names_nobody(name) else await organisation_named(session, name, now=now)
    member.organisation_by_hand = True
    return _give(session, member, chosen, source=source, now=now)


async def assign_own_organisation(session: AsyncSession, member: Member, name: str, *, source: str, now: datetime) -> bool:
    """Give a newcomer the organisation they name themselves. The first of an organisation's people to say its name gives it to the one
    that was made from their address's domain and is still called like it: typing a name must not make a second one."""
    if not names_nobody(name) and fold_name(name) and await find_organisation(session, name) is None:
        own = await organisation_for(session, member.email_key, now=now)
        if own is not None and own.name in organisation_domains(domain_of(member.email_key)):
            await rename_organisation(session, own, name.strip(), now=now)
    return await assign_organisation(session, member, name, source=source, now=now)


async def assign_by_domain(session: AsyncSession, member: Member, *, source: str, now: datetime) -> bool:
    """Give the member the organisation of their address's domain, unless it was chosen by hand. True when it changed."""
    if member.organisation_by_hand:
        return False
    return _give(session, member, await organisation_for(session, member.email_key, now=now), source=source, now=now)


def _give(session: AsyncSession, member: Member, organisation: Organisation | None, *, source: str, now: datetime) -> bool:
    chosen = organisation.id if organisation else None
    session.add(member)
    if member.organisation_id == chosen:
        return False
    member.organisation_id = chosen
    note_change(session, member, source=source, reason="organisation changed", at=now)
    touch(session, member, before=MemberStatus(member.status), now=now)
    return True


async def merge_organisations(session: AsyncSession, kept_id: UUID, merged_id: UUID, *, source: str, now: datetime) -> int:
    """`merged` is the same organisation as `kept`: its people, domains and names become those of `kept`. How many people moved.

    From then on both count as one, at past instants too. Raises Conflict when it is one and the same, or was merged elsewhere.
    """
    kept = await get_organisation(session, kept_id, lock=True)
    merged = await session.get(Organisation, merged_id, with_for_update=True)
    if merged is None:
        raise NotFound("There is no such organisation.")
    if merged.merged_into_id == kept.id:
        return 0
    if merged.id == kept.id or merged.merged_into_id is not None:
        raise Conflict("These are one organisation already, or the other one was merged into a third.")
    moved = await _move_people(session, merged.id, kept.id, source=source, now=now)
    for held in (await session.exec(select(OrganisationDomain).where(OrganisationDomain.organisation_id == merged.id))).all():
        held.organisation_id = kept.id
        session.add(held)
    for alias in (await session.exec(select(Organisation).where(Organisation.merged_into_id == merged.id))).all():
        alias.merged_into_id = kept.id
        session.add(alias)
    merged.merged_into_id = kept.id
    session.add(merged)
    await session.flush()
    return moved


async def _move_people(session: AsyncSession, from_id: UUID, to_id: UUID, *, source: str, now: datetime) -> int:
    people = (await session.exec(select(Member).where(Member.organisation_id == from_id).with_for_update())).all()
    for member in people:
        member.organisation_id = to_id
        note_change(session, member, source=source, reason="organisations merged", at=now)
        touch(session, member, before=MemberStatus(member.status), now=now)
    await session.flush()
    return len(people)


async def rename_organisation(session: AsyncSession, organisation: Organisation, name: str, *, now: datetime) -> None:
    """Another name; the old one stays as an alias. Raises Conflict when another organisation has the name."""
    key = fold_name(name)
    if key == organisation.name_key:
        organisation.name = name
    else:
        other = (await session.exec(select(Organisation).where(Organisation.name_key == key))).one_or_none()
        if other is not None and other.merged_into_id != organisation.id:
            raise Conflict("Another organisation has this name. Merge the two instead.")
        old_name, old_key = organisation.name, organisation.name_key
        if other is not None:  # one of its own aliases becomes the name: the two swap
            other.name_key = f"moving {other.id}"
            session.add(other)
            await session.flush()
        organisation.name, organisation.name_key = name, key
        session.add(organisation)
        await session.flush()
        if other is not None:
            other.name, other.name_key = old_name, old_key
            session.add(other)
        else:
            session.add(Organisation(name=old_name, name_key=old_key, merged_into_id=organisation.id, created_at=now))
    session.add(organisation)
    await session.flush()
    await session.exec(
        update(Member).where(col(Member.organisation_id) == organisation.id, col(Member.status).in_(_HEARD)).values(audience_due_at=now)
    )


_HEARD = [status for status in MemberStatus if mailchimp_must_hear(None, status)]


async def add_alias(session: AsyncSession, organisation: Organisation, name: str, *, now: datetime) -> None:
    """Another name by which the organisation is known. Raises Conflict when another organisation has it."""
    key = fold_name(name)
    other = (await session.exec(select(Organisation).where(Organisation.name_key == key))).one_or_none()
    if other is None:
        session.add(Organisation(name=name, name_key=key, merged_into_id=organisation.id, created_at=now))
        await session.flush()
    elif organisation.id not in (other.id, other.merged_into_id):
        raise Conflict("Another organisation has this name. Merge the two instead.")


async def set_domains(session: AsyncSession, organisation: Organisation, domains: Sequence[str], *, source: str, now: datetime) -> None:
    """The domains that tell this organisation; members with such an address come to it, unless placed by hand.

    Raises InvalidInput for a shared domain.
    """
    shared = [d for d in domains if is_shared(d)]
    if shared:
        raise InvalidInput.field("domains", f"{shared[0]} is shared by people of many organisations; leave it out")
    rows = (await session.exec(select(OrganisationDomain).where(OrganisationDomain.organisation_id == organisation.id))).all()
    for row in rows:
        if row.domain not in domains:
            await session.delete(row)
    for domain in domains:
        held = await session.get(OrganisationDomain, domain) or OrganisationDomain(domain=domain, organisation_id=organisation.id)
        held.organisation_id = organisation.id
        session.add(held)
    await session.flush()
    for domain in {*domains, *(row.domain for row in rows)}:
        await _place_again(session, domain, source=source, now=now)


async def _place_again(session: AsyncSession, domain: str, *, source: str, now: datetime) -> None:
    at_domain = or_(
        col(Member.email_key).endswith(f"@{domain}", autoescape=True), col(Member.email_key).endswith(f".{domain}", autoescape=True)
    )
    for member in (await session.exec(select(Member).where(at_domain, col(Member.organisation_by_hand).is_(False)))).all():
        await assign_by_domain(session, member, source=source, now=now)
    await session.flush()


async def people_of(session: AsyncSession, organisation_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many people on the mailing list belong to each of these organisations; those without any are absent."""
    rows = await session.exec(
        select(Member.organisation_id, func.count())
        .where(col(Member.organisation_id).in_(organisation_ids), Member.status == MemberStatus.SUBSCRIBED)
        .group_by(col(Member.organisation_id))
    )
    return {organisation_id: count for organisation_id, count in rows if organisation_id is not None}
