"""Settings: safe by default, refused in one line that names the variable, and never telling a secret."""

from pathlib import Path

import pytest

from service.settings import Settings, SettingsProblem, load_settings

PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "s" * 40,
    "DATABASE_URL": "postgresql://kindling@localhost/kindling",
    "PUBLIC_URL": "https://cop.example.org",
    "MAILCHIMP_API_KEY": "abcdef-us21",
    "MAILCHIMP_AUDIENCE_ID": "1a2b3c",
}


def loaded(monkeypatch: pytest.MonkeyPatch, **given: str) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return load_settings({"KINDLING_ENV_FILE": "", **given})


def test_nothing_needs_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch)
    assert settings.uses_sandbox
    assert settings.database == "sqlite+aiosqlite:///var/kindling.db"
    assert str(settings.zone) == "Europe/London"


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("TIMEZONE", "Mars/Olympus", "Europe/London"),
        ("PORT", "http", "integer"),
        ("PORT", "70000", "65535"),
        ("NEWSLETTER_WEEKDAY", "someday", "wednesday"),
        ("NEWSLETTER_TIME", "teatime", "time"),
        ("LAPSED_AFTER_DAYS", "0", "1"),
        ("TRACKING", "perhaps", "on"),
        ("LOG_LEVEL", "LOUD", "WARNING"),
        ("PUBLIC_URL", "cop.example.org", "https://"),
        ("FROM_EMAIL", "Maria <maria@example.org>", "community@example.org"),
        ("COMMUNITY_NAME", "Falls\nBcc: everybody", "one line"),
        ("ADMIN_KEY", "short", "32"),
        ("SECRET_KEY_FILE", "/nowhere/key", "can't be read"),
        ("DATABASE_URL", "mysql://localhost/k", "postgresql://"),
        ("DATABASE_URL", "postgresql://u:p@h/k?sslmode=require&channel_binding=require", "leave out channel_binding"),
        ("SMTP_URL", "mail.example.org", "smtps://"),
        ("SMTP_URL", "smtp://", "smtps://"),
    ],
)
def test_a_value_that_makes_no_sense_stops_the_start_and_names_the_mend(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, mend: str
) -> None:
    with pytest.raises(SettingsProblem) as problem:
        _ = loaded(monkeypatch, **{name: value}).database
    text = str(problem.value)
    assert text.startswith(name)
    assert mend in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgres://u:p@h/k?sslmode=require", "postgresql+asyncpg://u:p@h/k?ssl=require"),
        ("postgresql://u:p?a=b@h:5433/k", "postgresql+asyncpg://u:p?a=b@h:5433/k"),
        ("postgresql:///k?host=/run/pg&sslmode=disable", "postgresql+asyncpg:///k?host=/run/pg&ssl=disable"),
    ],
)
def test_a_database_address_is_taken_as_clouds_write_it(monkeypatch: pytest.MonkeyPatch, given: str, taken: str) -> None:
    assert loaded(monkeypatch, DATABASE_URL=given).database == taken


@pytest.mark.parametrize("missing", ["SECRET_KEY", "DATABASE_URL", "PUBLIC_URL", "MAILCHIMP_API_KEY", "MAILCHIMP_AUDIENCE_ID"])
def test_production_says_what_it_misses(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    given = {name: value for name, value in PRODUCTION.items() if name != missing}
    with pytest.raises(SettingsProblem, match=f"^{missing} must be set"):
        loaded(monkeypatch, **given)


@pytest.mark.parametrize("secret", ["short", "s" * 40 + ",short"])
def test_a_weak_secret_stops_the_start(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    with pytest.raises(SettingsProblem, match="SECRET_KEY is too short"):
        loaded(monkeypatch, **{**PRODUCTION, "SECRET_KEY": secret})


def test_production_starts_with_what_it_needs_and_without_a_rehearsals_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, **PRODUCTION).base_url == "https://cop.example.org"
    with pytest.raises(SettingsProblem, match="CLOCK_FILE"):
        loaded(monkeypatch, **PRODUCTION, CLOCK_FILE="clock.json")


def test_a_secret_may_come_from_a_file_and_the_variable_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "key"
    kept.write_text("from-a-file-us21\n")
    assert loaded(monkeypatch, MAILCHIMP_API_KEY_FILE=str(kept)).mailchimp_api_key.get_secret_value() == "from-a-file-us21"
    both = loaded(monkeypatch, MAILCHIMP_API_KEY_FILE=str(kept), MAILCHIMP_API_KEY="given-us21")
    assert both.mailchimp_api_key.get_secret_value() == "given-us21"


def test_no_secret_is_told_by_settings_or_their_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {
        "SECRET_KEY": "hush-" * 10,
        "MAILCHIMP_API_KEY": "hush-us21",
        "DATABASE_URL": "postgresql://u:hush@localhost/k",
        "ADMIN_KEY": "hush" * 9,
    }
    assert "hush" not in repr(loaded(monkeypatch, **secret))
    with pytest.raises(SettingsProblem) as problem:
        loaded(monkeypatch, **secret, TIMEZONE="hush")
    assert "hush" not in str(problem.value)
    assert problem.value.__cause__ is None


def test_personal_mail_goes_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsProblem, match="SMTP_URL and MAILCHIMP_TRANSACTIONAL_KEY"):
        loaded(monkeypatch, SMTP_URL="smtps://mail.example.org", MAILCHIMP_TRANSACTIONAL_KEY="md-key")


def test_the_key_made_on_first_run_stays_and_is_for_its_owner_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = loaded(monkeypatch, VAR_DIR=str(tmp_path))
    assert settings.signing_keys() == loaded(monkeypatch, VAR_DIR=str(tmp_path)).signing_keys()
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
