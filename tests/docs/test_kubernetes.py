"""The manifests under deploy/kubernetes, read by a parser: they fit each other, the image, compose.yaml and the settings."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cli.commands import app
from service.settings import Settings, load_settings
from tests.docs.readme import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
CUSTOM: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = [one for name in CUSTOM["resources"] for one in yaml.safe_load_all((FOLDER / name).read_text())]
MOUNT = "/run/secrets/kindling/"


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in MANIFESTS if one["kind"] in kinds]


def name_of(manifest: dict[str, Any]) -> str:
    return str(manifest["metadata"]["name"])


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    return dict(manifest["spec"]["template"]["spec"])


RUNNING = {name_of(one): one for one in of_kind("Deployment", "Job")}
OURS = {name: pod_of(one) for name, one in RUNNING.items() if name != "kindling-redis"}


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """As Kubernetes would set it: the config map, then the container's own."""
    config = {name_of(one): one["data"] for one in of_kind("ConfigMap")}
    (container,) = pod["containers"]
    given = [config[source["configMapRef"]["name"]] for source in container["envFrom"]]
    return {name: value for part in given for name, value in part.items()} | {e["name"]: e["value"] for e in container["env"]}


def test_every_file_is_listed_and_every_manifest_has_its_own_name() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {*CUSTOM["resources"], "kustomization.yaml"}
    names = [(one["kind"], name_of(one)) for one in MANIFESTS]
    assert len(names) == len(set(names))


def test_what_runs_is_what_compose_runs_of_the_one_image() -> None:
    commands = [pod["containers"][0]["args"] for pod in OURS.values()]
    assert sorted(commands) == sorted(COMPOSE["services"][name]["command"] for name in ("migrate", "api", "worker"))
    assert {args[0] for args in commands} <= {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    assert {pod["containers"][0]["image"] for pod in OURS.values()} == {image["name"] for image in CUSTOM["images"]}


@pytest.mark.parametrize("name", OURS)
def test_the_settings_start_in_production_and_secrets_are_composes_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment(OURS[name])
    files = {key: value for key, value in given.items() if key.endswith("_FILE")}
    assert {value.removeprefix(MOUNT) for value in files.values()} == set(COMPOSE["services"]["api"]["secrets"])
    assert all(key.removesuffix("_FILE").lower() in Settings.model_fields for key in given)
    for key in files:
        given[key] = str(tmp_path / key)
        (tmp_path / key).write_text("" if key in {"SMTP_URL_FILE", "MAILBOX_URL_FILE"} else "x" * 40 + "-us21")
    (tmp_path / "DATABASE_URL_FILE").write_text("postgresql://kindling:secret@db/kindling")
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    settings = load_settings({**os.environ, "KINDLING_ENV_FILE": ""})
    assert not settings.uses_sandbox
    assert settings.base_url == f"https://{of_kind('Ingress')[0]['spec']['rules'][0]['host']}"


@pytest.mark.parametrize("name", RUNNING)
def test_containers_run_as_nobody_special_and_write_only_into_volumes(name: str) -> None:
    pod = pod_of(RUNNING[name])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    claims = {name_of(one) for one in of_kind("PersistentVolumeClaim")}
    for container in pod["containers"]:
        allowed = container["securityContext"]
        assert (allowed["readOnlyRootFilesystem"], allowed["allowPrivilegeEscalation"]) == (True, False)
        assert allowed["capabilities"] == {"drop": ["ALL"]}
        assert "limits" in container["resources"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert {v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v} <= claims


def test_selectors_find_their_pods_and_probes_their_ports() -> None:
    labels = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in RUNNING.items()}
    for one in of_kind("Deployment"):
        assert one["spec"]["selector"]["matchLabels"] == labels[name_of(one)]
    services = {name_of(one): one["spec"] for one in of_kind("Service")}
    assert services["kindling"]["selector"] == labels["kindling-api"]
    assert services["kindling-redis"]["selector"] == labels["kindling-redis"]
    (container,) = OURS["kindling-api"]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": 8000}]
    paths = {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    assert paths == {"/healthz", "/readyz"}
    assert OURS["kindling-worker"]["terminationGracePeriodSeconds"] >= 60


def test_metrics_stay_inside_and_a_full_redis_refuses() -> None:
    (rule,) = of_kind("Ingress")[0]["spec"]["rules"]
    behind = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    assert behind == {"/metrics": "kindling-nowhere", "/": "kindling"}
    (nowhere,) = [one for one in of_kind("Service") if name_of(one) == "kindling-nowhere"]
    assert "selector" not in nowhere["spec"]
    assert "noeviction" in pod_of(RUNNING["kindling-redis"])["containers"][0]["args"]
