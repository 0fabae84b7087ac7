"""What a mail domain says of a person's organisation. Pure; the lists are data in `mail_domains.json`."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DomainLists:
    """`shared`: anyone may have an address there. `suffixes`: an organisation's own name stands before these."""

    shared: frozenset[str]
    shared_names: frozenset[str]
    suffixes: frozenset[str]
    second_levels: frozenset[str]


@lru_cache(maxsize=1)
def domain_lists() -> DomainLists:
    """The lists, read once."""
    data = json.loads((Path(__file__).parent / "mail_domains.json").read_text())
    return DomainLists(**{name: frozenset(values) for name, values in data.items()})


def _is_suffix(domain: str, lists: DomainLists) -> bool:
    labels = domain.split(".")
    if len(labels) == 1 or domain in lists.suffixes:
        return True
    return len(labels) == 2 and len(labels[1]) == 2 and labels[0] in lists.second_levels


@lru_cache(maxsize=20_000)
def organisation_domains(domain: str) -> tuple[str, ...]:
    """The domains by which to look for an organisation, most exact first; the last is the one a new organisation would get.

    `mail.bradford.nhs.uk` -> (`mail.bradford.nhs.uk`, `bradford.nhs.uk`). Empty for a shared domain (nhs.net, gmail.com,
    yahoo.anything), which says nothing, and for one that is no more than a suffix (`co.uk`).
    """
    lists = domain_lists()
    found: list[str] = []
    while domain and not _is_suffix(domain, lists):
        if domain in lists.shared:
            return ()
        found.append(domain)
        domain = domain.partition(".")[2]
    if not found or found[-1].partition(".")[0] in lists.shared_names:
        return ()
    return tuple(found)


def is_shared(domain: str) -> bool:
    """Does this domain say nothing of the organisation?"""
    return not organisation_domains(domain)
