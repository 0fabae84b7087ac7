"""Lists of members and organisations as the API shows them."""

from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from service.deps import Page, PageRequest, page_of
from service.members.models import Member, Organisation, OrganisationDomain
from service.members.organisations import find_organisation, people_of
from service.members.rules import LeadershipRole, MemberStatus
from service.members.shapes import MemberPublic, OrganisationPublic


async def _with_names(session: AsyncSession, members: list[MemberPublic]) -> None:
    ids = {member.organisation_id for member in members if member.organisation_id is not None}
    names = dict((await session.exec(select(Organisation.id, Organisation.name).where(col(Organisation.id).in_(ids)))).all())
    for member in members:
        member.organisation = names[member.organisation_id] if member.organisation_id else None


async def shown(session: AsyncSession, member: Member) -> MemberPublic:
    """One member as the API shows them."""
    public = MemberPublic.model_validate(member, from_attributes=True)
    await _with_names(session, [public])
    return public


def has_lapsed() -> ColumnElement[bool]:
    """On the mailing list and lapsed: quiet for LAPSED_AFTER_DAYS and longer, though mails came meanwhile. As last worked out."""
    return (col(Member.status) == MemberStatus.SUBSCRIBED) & col(Member.engagement_state).in_(["lapsed", "gone"])


async def list_members(
    session: AsyncSession,
    page: PageRequest,
    *,
    status: MemberStatus | None = None,
    organisation: str | None = None,
    role: LeadershipRole | None = None,
    lapsed: bool | None = None,
    state: str | None = None,
    q: str | None = None,
) -> Page[MemberPublic]:
    """Members newest first, those that all given filters fit. `organisation` is an id or a name; `q` looks in names, address and
    organisation."""
    query = select(Member)
    if status is not None:
        query = query.where(Member.status == status)
    if organisation is not None:
        query = query.where(Member.organisation_id == await _organisation_id(session, organisation))
    if role is not None:  # the roles are words of ours, so that looking for one in quotation marks in the JSON text is exact
        query = query.where(cast(Member.leadership_roles, String).contains(f'"{role}"', autoescape=True))
    if lapsed is not None:
        query = query.where(has_lapsed() if lapsed else ~has_lapsed())
    if state is not None:
        query = query.where(Member.engagement_state == state)
    if q:
        query = _looking_for(query, q)
    found = await page_of(session, query, col(Member.id), page, MemberPublic)
    await _with_names(session, found.items)
    return found


def _looking_for(query: SelectOfScalar[Member], text: str) -> SelectOfScalar[Member]:
    for word in text.split()[:10]:
        in_organisation = select(Organisation.id).where(col(Organisation.name).icontains(word, autoescape=True))
        places = (col(Member.first_name), col(Member.last_name), col(Member.email))
        query = query.where(
            or_(*(place.icontains(word, autoescape=True) for place in places), col(Member.organisation_id).in_(in_organisation))
        )
    return query


async def _organisation_id(session: AsyncSession, text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        found = await find_organisation(session, text)
        return found.id if found else UUID(int=0)


async def list_organisations(session: AsyncSession, page: PageRequest, *, q: str | None = None) -> Page[OrganisationPublic]:
    """Organisations newest first, those merged into others left out (they are aliases). `q` looks in names, aliases and domains."""
    query = select(Organisation).where(col(Organisation.merged_into_id).is_(None))
    if q:
        alias = aliased(Organisation)
        called = select(alias.merged_into_id).where(col(alias.name).icontains(q, autoescape=True), col(alias.merged_into_id).is_not(None))
        held = select(OrganisationDomain.organisation_id).where(col(OrganisationDomain.domain).icontains(q, autoescape=True))
        known = or_(col(Organisation.id).in_(called), col(Organisation.id).in_(held))
        query = query.where(or_(col(Organisation.name).icontains(q, autoescape=True), known))
    found = await page_of(session, query, col(Organisation.id), page, OrganisationPublic)
    await _complete(session, found.items)
    return found


async def shown_organisation(session: AsyncSession, organisation: Organisation) -> OrganisationPublic:
    """One organisation as the API shows it."""
    public = OrganisationPublic.model_validate(organisation, from_attributes=True)
    await _complete(session, [public])
    return public


async def _complete(session: AsyncSession, organisations: list[OrganisationPublic]) -> None:
    by_id = {organisation.id: organisation for organisation in organisations}
    domains = await session.exec(select(OrganisationDomain).where(col(OrganisationDomain.organisation_id).in_(by_id)))
    for row in domains:
        by_id[row.organisation_id].domains.append(row.domain)
    aliases = await session.exec(select(Organisation.merged_into_id, Organisation.name).where(col(Organisation.merged_into_id).in_(by_id)))
    for owner, name in aliases:
        if owner is not None:
            by_id[owner].aliases.append(name)
    for organisation_id, count in (await people_of(session, list(by_id))).items():
        by_id[organisation_id].people = count
    for organisation in organisations:
        organisation.domains.sort()
        organisation.aliases.sort()
