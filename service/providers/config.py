"""What the adapters need to know. Plain values; imports nothing of the service."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

MARKETING_CONNECTIONS_ALLOWED = 10  # per Mailchimp user, all keys and programs together; the 11th gets 429
SUBMISSION_PORT, IMPLICIT_TLS_PORT = 587, 465
_API_KEY = re.compile(r"-(?P<data_centre>[a-z]{2,5}\d+)$")


@dataclass(frozen=True, slots=True)
class MailchimpConfig:
    """Keys, addresses and limits. Keys never show in `repr`. An empty `transactional_key` means: no Transactional product.

    `api_key` is an API key (`...-us21`) or an OAuth token; with an empty `marketing_url` the data centre comes from the key's end,
    or, for a token, from Mailchimp's metadata endpoint. Seconds throughout.
    """

    api_key: str = field(repr=False)
    audience_id: str
    transactional_key: str = field(default="", repr=False)
    marketing_url: str = ""
    transactional_url: str = "https://mandrillapp.com/api/1.3"
    oauth_metadata_url: str = "https://login.mailchimp.com/oauth2/metadata"
    marketing_connections: int = 6
    transactional_connections: int = 6
    connect_seconds: float = 5.0
    marketing_seconds: float = 120.0  # Mailchimp gives up after the same time
    transactional_seconds: float = 30.0
    slot_wait_seconds: float = 30.0
    attempts: int = 4
    backoff_base_seconds: float = 0.5
    backoff_cap_seconds: float = 8.0
    breaker_failures: int = 8
    breaker_open_seconds: float = 30.0
    searches_per_minute: int = 20
    batch_wait_seconds: float = 3600.0

    def __post_init__(self) -> None:
        """Refuse what Mailchimp would answer with 429."""
        if not 1 <= self.marketing_connections <= MARKETING_CONNECTIONS_ALLOWED:
            raise ValueError(f"marketing_connections must be 1 to {MARKETING_CONNECTIONS_ALLOWED}")

    @property
    def is_api_key(self) -> bool:
        """An API key (Basic authentication), not an OAuth token (Bearer)."""
        return _API_KEY.search(self.api_key) is not None

    @property
    def marketing_host(self) -> str:
        """The Marketing base address without a trailing slash; empty while only the metadata endpoint knows it."""
        if self.marketing_url:
            return self.marketing_url.rstrip("/")
        found = _API_KEY.search(self.api_key)
        return f"https://{found['data_centre']}.api.mailchimp.com/3.0" if found else ""


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """Where to hand mail over. TLS is used from the start (`smtps`), or asked for and insisted on (`smtp`) but on this machine."""

    host: str
    port: int
    implicit_tls: bool
    username: str = ""
    password: str = field(default="", repr=False)
    connections: int = 4
    step_seconds: float = 30.0

    @classmethod
    def from_url(cls, url: str) -> "SmtpConfig":
        """From `smtp://user:password@host:587` or `smtps://...`, as the settings have checked it. Raises ValueError."""
        parts = urlsplit(url)
        if parts.hostname is None:
            raise ValueError("no mail server is named")
        implicit = parts.scheme == "smtps"
        port = parts.port or (IMPLICIT_TLS_PORT if implicit else SUBMISSION_PORT)
        return cls(parts.hostname, port, implicit, unquote(parts.username or ""), unquote(parts.password or ""))
