"""The truth: an append-only ledger, and the counts of what was really taken in for sending."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from sandbox.records import Mail
from sandbox.store import Doc, Store
from sandbox.times import iso

if TYPE_CHECKING:
    from sandbox.state import State

NOT_SENT = {"rejected", "invalid", "cancelled"}


class Ledger:
    """Writes one line for everything that happens, with the sandbox's time."""

    def __init__(self, store: Store) -> None:
        """Write into the given store."""
        self._store = store

    def write(self, at: float, what: str, **facts: Any) -> None:
        """Append one line; facts are JSON values."""
        self._store.note(at, what, {"at": iso(at), "ts": round(at, 3), "what": what} | facts)

    def about_mail(self, at: float, what: str, mail: Mail, **facts: Any) -> None:
        """Append one line about a mail, with the ids needed to work every measure out by hand."""
        self.write(
            at,
            what,
            mail_id=mail.id,
            product=mail.product,
            email=mail.email,
            subject=mail.subject,
            campaign_id=mail.campaign_id,
            tags=mail.tags,
            metadata=mail.metadata,
            **facts,
        )


def accepted(state: "State", wanted: Doc) -> Doc:
    """Count the mails taken in for sending; tests and test-key mails are counted apart.

    `wanted` may hold since, until (floats), email, campaign_id, title, tag, delivery_id, product, items.
    """
    titles = {key: str(c.settings.get("title", "")) for key, c in state.campaigns.rows.items()}
    counts: dict[str, Counter[str]] = {n: Counter() for n in ("recipient", "tag", "campaign", "delivery_id", "product")}
    apart: Counter[str] = Counter()
    items: list[Doc] = []
    for mail in state.mails.rows.values():
        if not _matches(mail, titles, wanted):
            continue
        if mail.state in NOT_SENT:
            apart[mail.state] += 1
        elif mail.test_key:
            apart["test_key"] += 1
        elif mail.product not in ("transactional", "campaign"):
            apart[mail.product] += 1
        else:
            counts["product"][mail.product] += 1
            counts["recipient"][mail.email.lower()] += 1
            counts["tag"].update(mail.tags)
            if mail.campaign_id:
                counts["campaign"][titles.get(mail.campaign_id, mail.campaign_id)] += 1
            if "delivery_id" in mail.metadata:
                counts["delivery_id"][str(mail.metadata["delivery_id"])] += 1
            if wanted.get("items"):
                items.append(_item(mail, titles))
    body: Doc = {"total": sum(counts["product"].values())}
    body |= {f"by_{name}": dict(found) for name, found in counts.items()}
    body["not_counted"] = {n: apart[n] for n in ("test", "confirmation", "test_key", "rejected", "invalid", "cancelled")}
    return body | ({"items": items} if wanted.get("items") else {})


def _matches(mail: Mail, titles: dict[str, str], wanted: Doc) -> bool:
    checks = (
        ("email", lambda value: mail.email.lower() == value.lower()),
        ("campaign_id", lambda value: mail.campaign_id == value),
        ("title", lambda value: titles.get(mail.campaign_id) == value),
        ("tag", lambda value: value in mail.tags),
        ("product", lambda value: mail.product == value),
        ("delivery_id", lambda value: str(mail.metadata.get("delivery_id", "")) == value),
        ("since", lambda value: mail.at >= value),
        ("until", lambda value: mail.at < value),
    )
    return all(test(wanted[name]) for name, test in checks if wanted.get(name) not in (None, ""))


def _item(mail: Mail, titles: dict[str, str]) -> Doc:
    return {
        "id": mail.id,
        "product": mail.product,
        "email": mail.email,
        "at": iso(mail.at),
        "subject": mail.subject,
        "state": mail.state,
        "tags": mail.tags,
        "metadata": mail.metadata,
        "campaign_id": mail.campaign_id,
        "campaign_title": titles.get(mail.campaign_id, ""),
    }
