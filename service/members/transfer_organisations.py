"""The organisations that a batch of imported rows speaks of: those known, and those to be made."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import among, new_id
from service.members.models import Organisation, OrganisationDomain
from service.members.rules import domain_of, fold_name, organisation_domains
from service.members.transfer_rows import PersonRow, Values

LONGEST_NAME = 200


class BatchOrganisations:
    """Answers names and addresses with an organisation's id. What it makes up is in `made` and `made_domains`, to be inserted."""

    def __init__(self, by_key: dict[str, UUID], by_domain: dict[str, UUID], *, now: datetime) -> None:
        self._by_key = by_key
        self._by_domain = by_domain
        self._now = now
        self.made: list[Values] = []
        self.made_domains: list[Values] = []

    def named(self, name: str) -> UUID | None:
        """The organisation with this name or alias; None for a name without letters."""
        key = fold_name(name)[:LONGEST_NAME]
        if not key:
            return None
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = new_id()
            self.made.append({"id": found, "name": name, "name_key": key, "merged_into_id": None, "created_at": self._now})
        return found

    def of_address(self, email_key: str) -> UUID | None:
        """The organisation that the address's domain tells; None for a shared domain."""
        domains = organisation_domains(domain_of(email_key))
        for domain in domains:
            if domain in self._by_domain:
                return self._by_domain[domain]
        if not domains:
            return None
        found = self.named(domains[-1])
        if found is not None:
            self._by_domain[domains[-1]] = found
            self.made_domains.append({"domain": domains[-1], "organisation_id": found})
        return found


async def load_organisations(session: AsyncSession, rows: Sequence[PersonRow], *, now: datetime) -> BatchOrganisations:
    """What is known of the organisations in these rows, merged ones answered by those they were merged into."""
    domains = {domain for row in rows for domain in organisation_domains(domain_of(row.key))}
    keys = {fold_name(row.texts["organisation"])[:LONGEST_NAME] for row in rows if "organisation" in row.texts}
    keys |= {fold_name(domain) for domain in domains}
    named = await session.exec(
        select(Organisation.name_key, Organisation.id, Organisation.merged_into_id).where(among(session, Organisation.name_key, keys))
    )
    held = await session.exec(
        select(OrganisationDomain.domain, OrganisationDomain.organisation_id).where(among(session, OrganisationDomain.domain, domains))
    )
    return BatchOrganisations({key: merged or own for key, own, merged in named}, dict(held.all()), now=now)
