"""What a facilitator would otherwise click together in Mailchimp Transactional. Everything may be run again; `dry_run` only looks."""

from typing import Any

from service.providers.base import Rejected
from service.providers.findings import Finding, made
from service.providers.transactional_http import TransactionalApi

INDEXED_FIELD = "delivery_id"
INBOUND_PATTERN = "*"
WEBHOOK_EVENTS = ["send", "deferral", "hard_bounce", "soft_bounce", "delivered", "open", "click", "spam", "unsub", "reject"]
# The denylist's changes are switched on in the same list where Mailchimp takes them there; where not, the poll brings them.
SYNC_EVENTS = ["blacklist"]


async def ensure_webhook(api: TransactionalApi, *, url: str, dry_run: bool) -> tuple[Finding, str]:
    """The webhook for `url` with all message events, and its signing key (empty only in a dry run when it is missing)."""
    hooks = await api.read("webhooks/list", {}, lambda answer: [row for row in answer if row["url"] == url])
    wanted = {"url": url, "description": "Kindling", "events": WEBHOOK_EVENTS}
    if not hooks:
        if dry_run:
            return made("transactional webhook", "It", dry_run=True), ""
        return await _make_webhook(api, wanted)
    hook = hooks[0]
    key = str(hook.get("auth_key") or "")
    missing = [word for word in WEBHOOK_EVENTS if word not in hook.get("events", ())]
    if not missing:
        return Finding("transactional webhook", True, "It is there, for all events."), key
    if not dry_run:
        events = [*hook.get("events", ()), *missing]
        await api.write("webhooks/update", {"id": hook["id"], **wanted, "events": events}, lambda answer: answer["id"])
    detail = f"The events {', '.join(missing)} {'would be' if dry_run else 'were'} added."
    return Finding("transactional webhook", True, detail, changed=True), key


async def _make_webhook(api: TransactionalApi, wanted: dict[str, Any]) -> tuple[Finding, str]:
    """With the denylist's changes if Mailchimp takes them, else without."""
    refusal: Rejected | None = None
    for events in (WEBHOOK_EVENTS + SYNC_EVENTS, WEBHOOK_EVENTS):
        try:
            key = await api.write("webhooks/add", {**wanted, "events": events}, lambda answer: str(answer["auth_key"]))
            return made("transactional webhook", "It", dry_run=False), key
        except Rejected as error:
            refusal = error
    mend = "Mailchimp calls the address while saving: PUBLIC_URL must be reachable from the internet and answer HEAD with 200."
    detail = f"Mailchimp refused it: {refusal.title}. {refusal.detail}" if refusal else ""
    return Finding("transactional webhook", False, detail, mend), ""


async def ensure_metadata_index(api: TransactionalApi, *, dry_run: bool) -> Finding:
    """The delivery id must be searchable before the first mail goes: lost answers are looked up by it."""
    fields = await api.read("metadata/list", {}, lambda answer: {str(row["name"]): str(row.get("state") or "") for row in answer})
    if INDEXED_FIELD in fields:
        return Finding("metadata index", True, f"{INDEXED_FIELD} is indexed ({fields[INDEXED_FIELD] or 'active'}).")
    if not dry_run:
        try:
            await api.write("metadata/add", {"name": INDEXED_FIELD}, lambda answer: answer["name"])
        except Rejected as error:
            mend = "An account has ten indexed fields: remove one in Mailchimp Transactional (Settings, Custom metadata), run this again."
            return Finding("metadata index", False, f"Mailchimp refused it: {error.title}. {error.detail}", mend)
    return made("metadata index", INDEXED_FIELD, dry_run=dry_run)


async def check_sending_domain(api: TransactionalApi, *, from_email: str) -> Finding:
    """Mail from a domain without valid signing is rejected as `unsigned`."""
    domain = from_email.rpartition("@")[2].lower()
    known: dict[str, dict[str, Any]] = await api.read(
        "senders/domains", {}, lambda answer: {str(row["domain"]).lower(): dict(row) for row in answer}
    )
    name = "transactional sending domain"
    if domain not in known:
        mend = f"Add {domain} in Mailchimp Transactional (Settings, Domains) and set the DNS records it shows."
        return Finding(name, False, f"{domain} is not known there.", mend)
    row = known[domain]
    faults = [part.upper() for part in ("dkim", "dmarc") if not (row.get(part) or {"valid": part == "dmarc"}).get("valid")]
    if not row.get("verified_at"):
        faults.append("ownership")
    if not row.get("valid_signing") or faults:
        mend = f"Set the DNS records that Mailchimp Transactional shows for {domain}, then press Test there."
        return Finding(name, False, f"{domain} is not ready: {', '.join(faults) or 'signing'}.", mend)
    return Finding(name, True, f"{domain} is verified and signs.")


async def ensure_inbound(api: TransactionalApi, *, domain: str, url: str, dry_run: bool) -> list[Finding]:
    """The domain that takes replies, its mail exchanger, and the route to us."""
    domains = await api.read(
        "inbound/domains", {}, lambda answer: {str(row["domain"]).lower(): bool(row.get("valid_mx")) for row in answer}
    )
    findings = []
    if domain.lower() not in domains:
        findings.append(made("inbound domain", domain, dry_run=dry_run))
        if dry_run:
            return [*findings, made("inbound route", f"{INBOUND_PATTERN}@{domain}", dry_run=True)]
        domains[domain.lower()] = await api.write("inbound/add-domain", {"domain": domain}, lambda answer: bool(answer.get("valid_mx")))
    if domains[domain.lower()]:
        findings.append(Finding("inbound mail exchanger", True, f"{domain} delivers to Mailchimp."))
    else:
        mend = f"Set the MX records for {domain} that Mailchimp Transactional shows (Inbound, DNS settings). Use a subdomain of its own."
        findings.append(Finding("inbound mail exchanger", False, f"{domain} does not deliver to Mailchimp: replies don't reach us.", mend))
    return [*findings, await _ensure_route(api, domain=domain, url=url, dry_run=dry_run)]


async def _ensure_route(api: TransactionalApi, *, domain: str, url: str, dry_run: bool) -> Finding:
    routes = await api.read("inbound/routes", {"domain": domain}, lambda answer: [(str(row["pattern"]), str(row["url"])) for row in answer])
    if (INBOUND_PATTERN, url) in routes:
        return Finding("inbound route", True, f"{INBOUND_PATTERN}@{domain} comes to us.")
    if not dry_run:
        body = {"domain": domain, "pattern": INBOUND_PATTERN, "url": url}
        try:
            await api.write("inbound/add-route", body, lambda answer: answer["id"])
        except Rejected as error:
            mend = "Mailchimp calls the address while saving: PUBLIC_URL must be reachable from the internet and answer HEAD with 200."
            return Finding("inbound route", False, f"Mailchimp refused it: {error.title}. {error.detail}", mend)
    return made("inbound route", f"{INBOUND_PATTERN}@{domain}", dry_run=dry_run)
