"""All settings, read once from the environment or `.env` and handed down. Imports nothing of the service."""

import os
import secrets
from collections.abc import Mapping
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Environment(StrEnum):
    """`embedded` brings its own parts; `production` refuses unsafe defaults."""

    EMBEDDED = "embedded"
    PRODUCTION = "production"


class WelcomeMode(StrEnum):
    """Does a person look at each welcome first?"""

    REVIEW = "review"
    AUTO = "auto"


class Unapproved(StrEnum):
    """What becomes of a weekly edition that nobody has approved when its time comes?"""

    HOLD = "hold"
    SEND = "send"


class TrialBy(StrEnum):
    """How two subjects are tried: by Mailchimp's A/B campaign where the plan has it, or always by two ordinary campaigns."""

    VARIATE = "variate"
    CAMPAIGNS = "campaigns"


class NudgeMode(StrEnum):
    """Does a person look at nudges first?"""

    REVIEW = "review"
    AUTO = "auto"


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SECRET_KEY_BYTES = 32
MINIMUM_KEY_LENGTH = 32


class SettingsProblem(Exception):
    """A setting makes no sense; the text is one line that names the variable and the mend, never its value."""


class Settings(BaseSettings):
    """Every setting, named as its environment variable in lower case. `NAME_FILE` may point at a file holding the value."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", hide_input_in_errors=True, env_ignore_empty=True)

    # where things live
    environment: Environment = Environment.EMBEDDED
    var_dir: Path = Path("./var")
    database_url: SecretStr = SecretStr("")
    redis_url: SecretStr = SecretStr("")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    sandbox_port: int = Field(9100, ge=1, le=65535)
    public_url: str = ""
    trusted_proxies: str = ""
    private_hosts: str = ""
    secret_key: SecretStr = SecretStr("")
    admin_key: SecretStr = SecretStr("")
    clock_file: Path | None = None
    crash_at: str = Field("", pattern=r"^([a-z_]+\.[a-z_]+(:[1-9][0-9]*)?)?$")
    lease_seconds: int = Field(60, ge=1, le=3600)
    log_level: str = "INFO"
    log_format: LogFormat = LogFormat.CONSOLE

    # the community
    timezone: str = "Europe/London"
    community_name: str = "Our community of practice"
    from_name: str = ""
    from_email: str = "community@example.org"
    reply_domain: str = ""
    mailbox_url: SecretStr = SecretStr("")
    postal_address: str = "1 Example Street, London SW1A 1AA"
    facilitator_email: str = ""

    # Mailchimp
    mailchimp_api_key: SecretStr = SecretStr("")
    mailchimp_audience_id: str = ""
    mailchimp_transactional_key: SecretStr = SecretStr("")
    smtp_url: SecretStr = SecretStr("")
    mailchimp_webhook_secret: SecretStr = SecretStr("")
    mailchimp_transactional_webhook_key: SecretStr = SecretStr("")
    mailchimp_marketing_url: str = ""
    mailchimp_transactional_url: str = ""

    # policy
    newsletter_weekday: str = "wednesday"
    newsletter_time: time = time(10, 0)
    newsletter_unapproved: Unapproved = Unapproved.HOLD
    newsletter_trial: TrialBy = TrialBy.VARIATE
    newsletter_indexed: Switch = Switch.ON
    brand_file: Path | None = None
    lapsed_after_days: int = Field(60, ge=1, le=3650)
    nudge_cooldown_days: int = Field(30, ge=1, le=3650)
    nudge_max: int = Field(3, ge=0, le=100)
    nudge_mode: NudgeMode = NudgeMode.REVIEW
    welcome_mode: WelcomeMode = WelcomeMode.REVIEW
    welcome_after_hours: int = Field(0, ge=0, le=720)
    welcome_follow_up_days: int = Field(7, ge=0, le=90)
    forget_left_after_days: int = Field(365, ge=0, le=36500)
    tracking: Switch = Switch.ON
    morning_mail: Switch = Switch.ON
    morning_mail_time: time = time(7, 30)
    role_notes: Switch = Switch.ON
    close_after_days: int = Field(14, ge=0, le=365)
    report_to: str = ""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is not a time zone; use a name such as Europe/London")
        return value

    @field_validator("newsletter_weekday")
    @classmethod
    def _known_weekday(cls, value: str) -> str:
        if value.lower() not in WEEKDAYS:
            raise ValueError("is not a weekday; use one of " + ", ".join(WEEKDAYS))
        return value.lower()

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @field_validator("public_url", "mailchimp_marketing_url", "mailchimp_transactional_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.netloc):
            raise ValueError("is not a web address; it must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("mailbox_url")
    @classmethod
    def _imap_address(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if value.get_secret_value() and (parts.scheme not in {"imaps", "imap"} or not parts.hostname or not parts.username):
            raise ValueError("is not a mailbox; use imaps://user:password@host/INBOX, with %40 for an @ in the user name")
        return value

    @field_validator("from_email", "facilitator_email")
    @classmethod
    def _mail_address(cls, value: str) -> str:
        name, at, domain = value.partition("@")
        if value and (not name or not at or "." not in domain or any(c in value for c in "\r\n <>,")):
            raise ValueError("is not an email address; use one such as community@example.org")
        return value

    @field_validator("report_to")
    @classmethod
    def _mail_addresses(cls, value: str) -> str:
        return ",".join(cls._mail_address(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("community_name", "from_name", "postal_address")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if any(c in value for c in "\r\n"):
            raise ValueError("must be one line")
        return value

    @field_validator("admin_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) < MINIMUM_KEY_LENGTH:
            raise ValueError(f"is too short; use at least {MINIMUM_KEY_LENGTH} random characters")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if value.get_secret_value() and (parts.scheme not in {"smtp", "smtps"} or not parts.hostname):
            raise ValueError("must look like smtps://user:password@mail.example.org or smtp://...:587")
        return value

    @model_validator(mode="after")
    def _one_way_for_personal_mail(self) -> Self:
        if self.smtp_url.get_secret_value() and self.mailchimp_transactional_key.get_secret_value():
            raise ValueError("SMTP_URL and MAILCHIMP_TRANSACTIONAL_KEY are two ways for the same mail: set one of them")
        return self

    @model_validator(mode="after")
    def _production_is_explicit(self) -> Self:
        if self.environment is Environment.PRODUCTION:
            needed = {
                "SECRET_KEY": self.secret_key.get_secret_value(),
                "DATABASE_URL": self.database_url.get_secret_value(),
                "PUBLIC_URL": self.public_url,
                "MAILCHIMP_API_KEY": self.mailchimp_api_key.get_secret_value(),
                "MAILCHIMP_AUDIENCE_ID": self.mailchimp_audience_id,
            }
            for name, value in needed.items():
                if not value:
                    raise ValueError(f"{name} must be set when ENVIRONMENT=production")
            if any(len(part.strip()) < MINIMUM_KEY_LENGTH for part in self.secret_key.get_secret_value().split(",")):
                raise ValueError(f"SECRET_KEY is too short; use at least {MINIMUM_KEY_LENGTH} random characters")
            if self.clock_file is not None:
                raise ValueError("CLOCK_FILE is for rehearsals; unset it when ENVIRONMENT=production")
            if self.crash_at:
                raise ValueError("CRASH_AT is for rehearsals; unset it when ENVIRONMENT=production")
        return self

    # --- what follows from the settings ---

    def lease(self, times: int = 1) -> timedelta:
        """How long a worker may hold a piece of work: so many times the longest call it makes for it."""
        return timedelta(seconds=times * self.lease_seconds)

    @property
    def zone(self) -> ZoneInfo:
        """The community's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def reachable_hosts(self) -> frozenset[str]:
        """Hosts in the installation's own network that we may connect to (feeds, calls to other systems)."""
        return frozenset(host.strip().lower() for host in self.private_hosts.split(",") if host.strip())

    @property
    def uses_sandbox(self) -> bool:
        """No Mailchimp key: the local stand-in for Mailchimp is used."""
        return not self.mailchimp_api_key.get_secret_value()

    @property
    def uses_smtp(self) -> bool:
        """Does personal mail go through a mail server of the community's own?"""
        return bool(self.smtp_url.get_secret_value())

    @property
    def needs_sandbox(self) -> bool:
        """Must the stand-in be started beside us? Not when other addresses are given for Mailchimp's API."""
        return self.uses_sandbox and not (self.mailchimp_marketing_url and self.mailchimp_transactional_url)

    @property
    def tracking_on(self) -> bool:
        """Are opens and clicks measured at all?"""
        return self.tracking is Switch.ON

    @property
    def morning_mail_on(self) -> bool:
        """Do facilitators get a mail each working morning?"""
        return self.morning_mail is Switch.ON

    @property
    def role_notes_on(self) -> bool:
        """Do leadership groups get their monthly note?"""
        return self.role_notes is Switch.ON

    @property
    def base_url(self) -> str:
        """Where members reach the public pages, without a trailing slash."""
        return self.public_url or f"http://127.0.0.1:{self.port}"

    @property
    def reply_host(self) -> str:
        """The domain at which replies come in; empty: they go to the From address. The stand-in takes any."""
        return self.reply_domain or ("replies.example.org" if self.uses_sandbox else "")

    @property
    def facilitator_address(self) -> str:
        """Where the facilitator is written to; empty: nowhere. With the stand-in there is always somebody."""
        return self.facilitator_email or ("facilitator@example.org" if self.uses_sandbox else "")

    @property
    def database(self) -> str:
        """The database address, with the driver SQLAlchemy needs. Holds a secret: never print it."""
        url = self.database_url.get_secret_value() or f"sqlite:///{self.var_dir / 'kindling.db'}"
        for plain, driver in (("sqlite", "sqlite+aiosqlite"), ("postgresql", "postgresql+asyncpg"), ("postgres", "postgresql+asyncpg")):
            if url.startswith(f"{plain}://"):
                return driver + (url if plain == "sqlite" else _asked_of_asyncpg(url))[len(plain) :]
        if url.startswith(("sqlite+aiosqlite://", "postgresql+asyncpg://")):
            return url
        raise SettingsProblem("DATABASE_URL must start with sqlite:/// or postgresql://")

    @property
    def sender_name(self) -> str:
        """The name members see as sender."""
        return self.from_name or self.community_name

    @property
    def report_readers(self) -> list[str]:
        """Who gets the report when a quarter is closed, each once."""
        return list(dict.fromkeys(part for part in self.report_to.split(",") if part))

    def signing_keys(self) -> list[str]:
        """The keys for signed links, the newest first: SECRET_KEY (several, separated by commas, while it is being changed), else one
        made on first run and kept in `VAR_DIR/secret_key` (mode 600)."""
        given = [part.strip() for part in self.secret_key.get_secret_value().split(",") if part.strip()]
        return given or [kept_secret(self.var_dir / "secret_key")]


def _asked_of_asyncpg(url: str) -> str:
    """PostgreSQL's own word for TLS, as clouds write it, in the driver's. Raises SettingsProblem for what the driver does not take."""
    before, at, place = url.rpartition("@")
    server, _, query = place.partition("?")
    asked = {("ssl" if name == "sslmode" else name): value for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)}
    unknown = sorted(asked.keys() - {"host", "port", "ssl", "target_session_attrs"})
    if unknown:
        raise SettingsProblem(f"DATABASE_URL asks for what can't be had here: leave out {', '.join(unknown)} behind the question mark")
    return before + at + server + ("?" if asked else "") + "&".join(f"{name}={value}" for name, value in asked.items())


def kept_secret(path: Path) -> str:
    """A random secret kept in a file with mode 600; made when missing. Two processes that start at once agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    if not path.exists():
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(SECRET_KEY_BYTES))
        try:
            os.link(staged, path)
        except FileExistsError:  # another process was first: its secret counts
            pass
        finally:
            staged.unlink()
    return path.read_text().strip()


def _values_from_files(environment: Mapping[str, str]) -> dict[str, str]:
    """`NAME_FILE=/run/secrets/x` stands for `NAME=<content of the file>`; NAME itself wins."""
    found: dict[str, str] = {}
    for field in Settings.model_fields:
        path = environment.get(f"{field.upper()}_FILE")
        if not path or environment.get(field.upper()):
            continue
        try:
            found[field] = Path(path).read_text().strip()
        except OSError as error:
            raise SettingsProblem(f"{field.upper()}_FILE can't be read: {error.strerror}") from error
    return found


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment and `.env`. Raises SettingsProblem with one line that names the variable and the mend.

    KINDLING_ENV_FILE names another file than `.env`; empty: none is read (the demo's processes must not see a real account's keys).
    """
    env_file = environment.get("KINDLING_ENV_FILE", ".env") or None
    try:
        return Settings(_env_file=env_file, **_values_from_files(environment))  # type: ignore[arg-type]  # strings, validated by pydantic
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else ""
        text = first["msg"].removeprefix("Value error, ")
        raise SettingsProblem(f"{name} {text}".strip()) from None
