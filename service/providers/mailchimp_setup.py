"""What a facilitator would otherwise click together in Mailchimp's Marketing half. Everything may be run again; `dry_run` only looks."""

from typing import Any

from service.providers.base import Rejected
from service.providers.findings import AccountFacts, Finding, made
from service.providers.mailchimp_audience import FREE_PLAN
from service.providers.mailchimp_campaigns import MailchimpCampaigns
from service.providers.mailchimp_http import MarketingApi, nothing
from service.providers.merge_fields import GROUP_FIELDS, MERGE_FIELD_BYTES
from service.providers.paging import PAGE

# Merge tags (at most 10 characters) and their names in Mailchimp. PSUBJ and P1..P8 carry a personal text where there is no
# Transactional key; GRP1..4 tell who belongs to an interest group of the newsletter.
MERGE_FIELDS = {
    "FNAME": "First Name",
    "LNAME": "Last Name",
    "ORG": "Organisation",
    "REASON": "Reason for joining",
    "PREFS": "Preferences link",
    "PSUBJ": "Personal subject",
    **{f"P{n}": f"Personal text {n}" for n in range(1, 9)},
    **{tag: f"Interest group {n}" for n, tag in enumerate(GROUP_FIELDS, 1)},
}
WEBHOOK_EVENTS = {"subscribe": True, "unsubscribe": True, "profile": True, "cleaned": True, "upemail": True, "campaign": True}
WEBHOOK_SOURCES = {"user": True, "admin": True, "api": False}  # no echo of our own writes


async def account_facts(api: MarketingApi, *, audience_id: str) -> AccountFacts:
    """Plan, role, double opt-in and domains. Raises any ProviderError but OutcomeUnknown."""
    root = await api.read(lambda sdk: sdk.root.get_root(fields=["account_id", "pricing_plan_type", "role"]), dict)
    audience = await api.read(lambda sdk: sdk.lists.get_list(audience_id), dict)
    domains = await _domains(api)
    plan = str(root.get("pricing_plan_type") or "")
    return AccountFacts(
        plan=plan,
        plan_can_schedule=plan != FREE_PLAN if plan else None,
        role=str(root.get("role") or ""),
        double_optin=bool(audience.get("double_optin")),
        member_count=int((audience.get("stats") or {}).get("member_count") or 0),
        verified_domains=tuple(str(domain["domain"]) for domain in domains if domain.get("verified")),
        authenticated_domains=tuple(str(domain["domain"]) for domain in domains if domain.get("authenticated")),
    )


async def _domains(api: MarketingApi) -> list[dict[str, Any]]:
    return await api.read(lambda sdk: sdk.verifiedDomains.get_verified_domains_all(), lambda answer: list(answer["domains"]))


async def ensure_merge_fields(api: MarketingApi, *, audience_id: str, dry_run: bool) -> list[Finding]:
    """Each field of MERGE_FIELDS as text. A field of another type under the same tag is left alone and reported."""
    there = await api.read(
        lambda sdk: sdk.lists.get_list_merge_fields(audience_id, count=PAGE),
        lambda answer: {str(row["tag"]): str(row.get("type") or "") for row in answer["merge_fields"]},
    )
    findings = []
    for tag, label in MERGE_FIELDS.items():
        name = f"merge field {tag}"
        if tag not in there:
            findings.append(await _make_merge_field(api, audience_id, tag, label, dry_run=dry_run))
        elif there[tag] == "text":
            findings.append(Finding(name, True, f"“{label}” is there."))
        else:
            mend = f"Rename or remove the field {tag} in Mailchimp (Audience, Settings, Audience fields), then run this again."
            findings.append(Finding(name, False, f"{tag} is of type {there[tag]}, not text.", mend))
    return findings


async def _make_merge_field(api: MarketingApi, audience_id: str, tag: str, label: str, *, dry_run: bool) -> Finding:
    body = {"tag": tag, "name": label, "type": "text", "required": False, "public": False, "options": {"size": MERGE_FIELD_BYTES}}
    if not dry_run:
        try:
            await api.write(lambda sdk: sdk.lists.add_list_merge_field(audience_id, body), nothing)
        except Rejected as error:
            mend = "The plan limits the number of audience fields: remove unused ones in Mailchimp, then run this again."
            return Finding(f"merge field {tag}", False, f"Mailchimp refused it: {error.title}. {error.detail}", mend)
    return made(f"merge field {tag}", f"“{label}”", dry_run=dry_run)


async def ensure_folder(api: MarketingApi, *, audience_id: str, name: str, dry_run: bool) -> tuple[Finding, str]:
    """The campaign folder and its id (empty in a dry run when it is missing)."""
    names = await api.read(
        lambda sdk: sdk.campaignFolders.list(count=PAGE),
        lambda answer: {str(row["name"]): str(row["id"]) for row in reversed(answer["folders"])},
    )
    if name in names:
        return Finding("campaign folder", True, f"“{name}” is there."), names[name]
    folder_id = "" if dry_run else await MailchimpCampaigns(api, audience_id=audience_id).folder(name)
    return made("campaign folder", f"“{name}”", dry_run=dry_run), folder_id


async def ensure_audience_webhook(
    api: MarketingApi, *, audience_id: str, url: str, holds_secret: bool, dry_run: bool
) -> tuple[Finding, str]:
    """The webhook for `url` and its signing secret, empty unless new. Mailchimp shows a secret once: without ours the webhook is made
    anew.
    """
    hooks = await api.read(
        lambda sdk: sdk.lists.get_list_webhooks(audience_id), lambda answer: [row for row in answer["webhooks"] if row["url"] == url]
    )
    wanted = {"events": WEBHOOK_EVENTS, "sources": WEBHOOK_SOURCES}
    if hooks and holds_secret:
        hook = hooks[0]
        if hook.get("events") == WEBHOOK_EVENTS and hook.get("sources") == WEBHOOK_SOURCES:
            return Finding("audience webhook", True, "It is there, for all events, signed."), ""
        if not dry_run:
            await api.write(lambda sdk: sdk.lists.update_list_webhook(audience_id, str(hook["id"]), wanted), nothing)
        return Finding("audience webhook", True, f"Its events {'would be' if dry_run else 'were'} put right.", changed=True), ""
    if dry_run:
        return made("audience webhook", "It" if not hooks else "A new one, since its signing secret is not known here,", dry_run=True), ""
    for hook in hooks:
        await api.write(lambda sdk, hook=hook: sdk.lists.delete_list_webhook(audience_id, str(hook["id"])), nothing)  # type: ignore[misc]
    try:
        secret = await api.write(
            lambda sdk: sdk.lists.create_list_webhook(audience_id, {"url": url, **wanted, "signing_enabled": True}),
            lambda answer: str(answer.get("signing_secret") or ""),
        )
    except Rejected as error:
        mend = "Mailchimp calls the address while saving: PUBLIC_URL must be reachable from the internet and answer GET with 200."
        return Finding("audience webhook", False, f"Mailchimp refused it: {error.title}. {error.detail}", mend), ""
    if not secret:
        return Finding("audience webhook", True, "Made, but Mailchimp gave no signing secret: the secret in its address protects it.",
                       changed=True), ""  # fmt: skip
    return made("audience webhook", "It, signed,", dry_run=False), secret


async def check_sender(api: MarketingApi, *, from_email: str) -> Finding:
    """Is the domain of our From address verified and authenticated for campaigns?"""
    domain = from_email.rpartition("@")[2].lower()
    known = next((row for row in await _domains(api) if str(row["domain"]).lower() == domain), None)
    if known is not None and known.get("authenticated"):
        return Finding("sending domain", True, f"{domain} is authenticated.")
    if known is not None and known.get("verified"):
        mend = "Add the DKIM and DMARC records that Mailchimp shows (Account, Domains, Start authentication)."
        return Finding("sending domain", False, f"{domain} is verified but not authenticated: mail is likely to be filtered.", mend)
    mend = f"Verify {domain} in Mailchimp (Account, Domains), then authenticate it; Mailchimp does not send from it before."
    return Finding("sending domain", False, f"{domain} is not verified.", mend)
