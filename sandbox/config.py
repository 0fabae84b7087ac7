"""The settings of one sandbox; every field has a default that suits a laptop."""

from dataclasses import dataclass


@dataclass(slots=True)
class SandboxConfig:
    """What a sandbox is told when it is made (seconds are real seconds unless a field says otherwise)."""

    data_dir: str = ""  # '' keeps everything in memory
    seed: int = 1
    public_url: str = "http://127.0.0.1:9100"  # where links in mails and result archives point
    clock_file: str = ""  # JSON {"offset_seconds": float}, read whenever it changes
    ticker_seconds: float = 0.2

    list_id: str = "sandbox01"
    list_name: str = "Sandbox community"
    from_email: str = "hello@example.org"
    double_optin: bool = False
    marketing_permissions: bool = False
    verified_domains: tuple[str, ...] = ("example.org", "example.com", "example.net", "example.nhs.uk", "*")
    fake_domains: tuple[str, ...] = ("example.invalid",)

    api_keys: tuple[str, ...] = ("sandbox-key-us1",)  # "*" accepts any
    transactional_keys: tuple[str, ...] = ("md-sandbox-key",)
    transactional_test_keys: tuple[str, ...] = ("md-sandbox-test",)

    max_connections: int = 10
    limit_body_empty: bool = True
    scheduling: bool = True  # False: the plan has no campaign scheduling
    variate: bool = True  # False: the plan has no A/B testing
    cancel_send: bool = True  # False: the plan has no cancel-send
    sending_seconds: float = 0.0  # sandbox seconds a campaign stays in `sending`
    complaint_as: str = "cleaned"  # or "unsubscribed": what a complaint makes of a member

    search_lag_seconds: float = 0.0  # sandbox seconds until messages/search sees a mail
    search_per_minute: int = 20
    hourly_quota: int = 1_000_000

    recipients: str = "people"  # or "silent": nobody does anything unless pinned
    follow_links: bool = False  # really fetch loopback links and one-click unsubscribes
    webhook_batch_seconds: float = 0.25
    webhook_retry_seconds: float = 2.0
    webhook_timeout_seconds: float = 10.0
    signature_clock: str = "sandbox"  # or "real": whose time X-Mailchimp-Signature carries
