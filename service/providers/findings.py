"""What a look at the Mailchimp account found, in sentences for the facilitator."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `detail` says what is, `mend` what to do where `ok` is False; `changed` when we made or changed it (or,
    in a dry run, would).
    """

    name: str
    ok: bool
    detail: str
    mend: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True)
class SetupPlan:
    """What Kindling wants at Mailchimp. An empty value leaves that part out.

    Addresses of webhooks are given as Mailchimp shall call them (they are part of the signature). `holds_signing_secret`: we still
    have the secret of the audience webhook, which Mailchimp shows only once.
    """

    folder: str = "Kindling"
    segments: Sequence[str] = ()
    audience_webhook_url: str = ""
    holds_signing_secret: bool = False
    transactional_webhook_url: str = ""
    inbound_domain: str = ""
    inbound_url: str = ""
    from_email: str = ""


@dataclass(frozen=True, slots=True)
class SetupResult:
    """Findings in order, and the secrets that Mailchimp gave: to be kept by the caller, never logged."""

    findings: tuple[Finding, ...]
    signing_secret: str = field(default="", repr=False)
    transactional_key: str = field(default="", repr=False)
    folder_id: str = ""


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What the account can do. `plan_can_schedule` is None where Mailchimp doesn't say."""

    plan: str
    plan_can_schedule: bool | None
    role: str
    double_optin: bool
    member_count: int
    verified_domains: tuple[str, ...]
    authenticated_domains: tuple[str, ...]


def made(name: str, what: str, *, dry_run: bool) -> Finding:
    """Something was missing and has been made (or would be)."""
    return Finding(name, True, f"{what} {'would be made' if dry_run else 'made'}.", changed=True)
