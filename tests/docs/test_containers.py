"""The image and the compose file, read by parsers: no engine is needed to see that they fit the code."""

import fnmatch
import re
import shlex
from typing import Any

import pytest
import yaml

from service.cli.commands import app
from service.settings import Settings
from tests.docs.readme import ROOT

INSTRUCTIONS = {"ARG", "FROM", "ENV", "RUN", "COPY", "LABEL", "WORKDIR", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
OURS = ("migrate", "api", "worker")


def dockerfile() -> list[tuple[str, str]]:
    """Instructions with what follows, continued lines joined, comments left out."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest.strip()) for line in lines if line.strip() for word, _, rest in [line.partition(" ")]]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file with its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def environment_of_image() -> dict[str, str]:
    pairs = (word.partition("=") for name, rest in dockerfile() if name == "ENV" for word in shlex.split(rest))
    return {name: value for name, _, value in pairs}


def test_the_image_is_built_in_stages_from_a_slim_python_by_tag() -> None:
    bases = [rest.split()[0] for name, rest in dockerfile() if name == "FROM"]
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:\$\{PYTHON\}-slim", base) for base in bases)
    assert {name for name, _ in dockerfile()} <= INSTRUCTIONS


def test_the_image_installs_the_locked_packages_with_hashes_and_nothing_else() -> None:
    installs = [rest for name, rest in dockerfile() if name == "RUN" and "pip install" in rest]
    assert installs == ["/venv/bin/pip install --require-hashes --no-deps -r requirements.lock"]


def test_the_image_runs_as_nobody_special_and_says_whether_it_is_well() -> None:
    told = dict(dockerfile())
    assert told["USER"] == "10001:10001"
    assert "/healthz" in told["HEALTHCHECK"]
    last_copy = max(i for i, (name, _) in enumerate(dockerfile()) if name == "COPY")
    assert next(i for i, (name, _) in enumerate(dockerfile()) if name == "USER") > last_copy


def test_the_image_holds_everything_the_code_reads() -> None:
    copied = {word for name, rest in dockerfile() if name == "COPY" for word in rest.split()[:-1]}
    assert copied >= {"alembic.ini", "alembic", "email_templates", "service", "workers", "sandbox", "requirements.lock", "LICENSE"}
    for name in copied - {"--from=packages", "/venv"}:
        assert (ROOT / name).exists()


def test_nothing_is_sent_to_the_builder_but_what_is_copied() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    named = {line[1:] for line in lines if line.startswith("!")}
    copied = {word for name, rest in dockerfile() if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]}
    assert named == copied
    assert not any(fnmatch.fnmatch("secrets/secret_key", pattern) for pattern in named)


def test_everything_written_by_the_image_is_in_its_one_folder() -> None:
    environment = environment_of_image()
    assert environment["VAR_DIR"] == "/var/lib/kindling"
    assert dict(dockerfile())["VOLUME"] == '["/var/lib/kindling"]'
    assert {name for name in environment if name.lower() in Settings.model_fields} >= {
        "ENVIRONMENT",
        "HOST",
        "PORT",
        "VAR_DIR",
        "LOG_FORMAT",
    }


def test_compose_runs_two_apis_and_three_workers_of_one_image(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {*OURS, "postgres", "redis", "proxy"}
    assert services["api"]["deploy"]["replicas"] == 2
    assert services["worker"]["deploy"]["replicas"] == 3
    assert len({services[name]["image"] for name in OURS}) == 1


def test_compose_calls_commands_that_exist(compose: dict[str, Any]) -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {compose["services"][name]["command"][0] for name in OURS} <= known


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_write_nowhere_but_in_their_volume(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["kindling:/var/lib/kindling"]


def test_secrets_come_as_files_of_settings_that_exist(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        files = {key.removesuffix("_FILE").lower(): value for key, value in service["environment"].items() if key.endswith("_FILE")}
        assert set(files) <= set(Settings.model_fields)
        assert {value.removeprefix("/run/secrets/") for value in files.values()} == set(service["secrets"])
        assert set(service["secrets"]) <= set(compose["secrets"])
        plain = [key for key in service["environment"] if not key.endswith("_FILE") and key.lower() not in Settings.model_fields]
        assert plain == []
    secret = {field for field, told in Settings.model_fields.items() if "SecretStr" in str(told.annotation)} - {"redis_url", "admin_key"}
    assert secret == {key.removesuffix("_FILE").lower() for key in compose["services"]["api"]["environment"] if key.endswith("_FILE")}


def test_nothing_but_the_proxy_can_be_reached_from_outside(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["proxy"]
    assert compose["networks"]["inside"]["internal"] is True
    assert all(compose["services"][name]["networks"] == ["inside"] for name in ("postgres", "redis"))


def test_processes_start_after_the_migration_and_get_time_to_end(compose: dict[str, Any]) -> None:
    for name in ("api", "worker"):
        assert compose["services"][name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert int(compose["services"]["worker"]["stop_grace_period"].removesuffix("s")) >= 50


def test_a_full_redis_refuses_and_forgets_nothing(compose: dict[str, Any]) -> None:
    assert "noeviction" in compose["services"]["redis"]["command"]


def test_images_are_named_by_tag(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert re.fullmatch(r"[a-z/.]+:[a-z0-9.-]+", service["image"])
        assert not service["image"].endswith(":latest")
