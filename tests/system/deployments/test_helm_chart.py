"""The Helm chart: the real helm renders it, and the product accepts what it renders."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import runpy
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.helm import CHART, Manifest, helm, rendered, rendered_text
from tests.support.paths import CONTRIB
from tests.support.tokens import SECRET
from tests.system.deployments.custom_resources import is_custom, mistakes
from tests.system.nginx.sites import COMMAND
from verifier.config import OPTIONS, load
from verifier.process.shutdown import shutdown_seconds

BUILD = runpy.run_path(str(CONTRIB / "helm/build.py"))
EXAMPLES = {file.stem: file for file in sorted((CONTRIB / "helm/examples").glob("*.yaml"))}
VERSIONS = ("1.25", kubernetes_validate.latest_version())
GOOD: dict[str, Any] = yaml.safe_load(EXAMPLES["secret"].read_text("utf-8"))


@pytest.fixture(scope="module")
def charts() -> dict[str, list[Manifest]]:
    """Return what helm makes of each example."""
    return {name: rendered("-f", file) for name, file in EXAMPLES.items()}


def find(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [each for each in manifests if each["kind"] == kind]
    return found


def refusal(**values: Any) -> str:
    """Return helm's message about values that differ from a good example."""
    changed = copy.deepcopy(GOOD) | values
    with pytest.raises(ValueError, match=r"Error|error") as raised:
        rendered_text(values=yaml.safe_dump(changed))
    return str(raised.value)


def changed_deployment(**values: Any) -> Manifest:
    """Return the Deployment for values that differ from a good example."""
    changed = copy.deepcopy(GOOD) | values
    text = rendered_text("--show-only", "templates/deployment.yaml", values=yaml.safe_dump(changed))
    manifest: Manifest = yaml.safe_load(text)
    return manifest


@pytest.mark.parametrize("name", EXAMPLES)
def test_helm_lint_finds_nothing(name: str) -> None:
    done = helm("lint", "--strict", CHART, "-f", EXAMPLES[name])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout


def test_manifests_follow_the_schemas_of_kubernetes(charts: dict[str, list[Manifest]]) -> None:
    for manifests in charts.values():
        for manifest in manifests:
            for version in () if is_custom(manifest) else VERSIONS:
                kubernetes_validate.validate(manifest, version, strict=True)


def test_custom_resources_follow_their_types(
    charts: dict[str, list[Manifest]], tmp_path: Path
) -> None:
    custom = [each for manifests in charts.values() for each in manifests if is_custom(each)]
    kinds = {each["kind"] for each in custom}
    assert kinds >= {"HTTPRoute", "SecurityPolicy", "IngressRoute", "ServiceMonitor"}
    assert mistakes(custom, tmp_path) == ""


def test_an_unknown_field_of_a_custom_resource_is_found(
    charts: dict[str, list[Manifest]], tmp_path: Path
) -> None:
    custom = [copy.deepcopy(each) for name in charts for each in charts[name] if is_custom(each)]
    for each in custom:
        each["spec"]["noSuchField"] = 1
    found = mistakes(custom, tmp_path)
    assert found.count("'\"noSuchField\"' does not exist") == len(custom)


@pytest.fixture
def pod_files(tmp_path: Path) -> Path:
    """Return a folder for the files that pods mount."""
    (tmp_path / "secrets").mkdir()
    return tmp_path


def mounted(manifests: list[Manifest], keys: list[str], folder: Path) -> Path:
    """Write the files that a pod mounts, with other paths; return the configuration."""
    secrets = {"redis-url": "redis://:word@redis.example.org/0", "admin-token": SECRET[::-1]}
    for key in keys:
        (folder / "secrets" / key).write_text(secrets.get(key, SECRET))
    text: str = find(manifests, "ConfigMap")["data"]["verifier.toml"]
    text = text.replace("/etc/jitsi-verifier", str(folder))
    file = folder / "verifier.toml"
    file.write_text(text.replace("/var/lib/jitsi-verifier", str(folder)))
    return file


@pytest.mark.parametrize("name", EXAMPLES)
def test_product_accepts_the_configuration(
    name: str, charts: dict[str, list[Manifest]], pod_files: Path
) -> None:
    values = yaml.safe_load(EXAMPLES[name].read_text("utf-8"))
    keys = values["existingSecret"].get("keys", ["app-secret", "admin-token"])
    file = mounted(charts[name], keys, pod_files)
    check: list[str | Path] = [COMMAND, "check-config", "--config", file]
    environ = {"PATH": os.environ["PATH"]}
    done = subprocess.run(check, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    settings = load({}, file)
    pod = find(charts[name], "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert [str(address) for address in settings.listen] == [f"0.0.0.0:{ports['decisions']}"]
    assert str(settings.admin_listen) == f"0.0.0.0:{ports['admin']}"
    before = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    needed = before + shutdown_seconds(settings.drain_timeout) + 1.0  # the supervisor's own time
    assert pod["terminationGracePeriodSeconds"] > needed


def test_literal_file_gives_the_same_pods() -> None:
    text = 'app_id = "my_app"\nleeway = 0.5\n[hosts."a.example.org"]\nleeway_of = "x"\n'
    literal = GOOD | {"config": {}, "configFile": text}
    (config,) = [
        each["data"]["verifier.toml"]
        for each in rendered(values=yaml.safe_dump(literal))
        if each["kind"] == "ConfigMap"
    ]
    given = tomllib.loads(config)
    assert given["hosts"] == {"a.example.org": {"leeway_of": "x"}}
    assert (given["leeway"], given["listen"]) == (0.5, "0.0.0.0:8090")


def test_values_arrive_unchanged_in_the_file() -> None:
    config = {
        "app_id": 'q"u\\o\nte <&> Zoë',
        "asap_accepted_issuers": ["a", "b,c"],
        "decision_ttl": 30,
        "leeway": 0.25,
        "mode": "report-only",
        "public_keys": {"2026.01": "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"},
        "policy": {"require_jti": True},
        "hosts": {"meet.example.org": {"app_id": "x", "policy": {"require_expiry": False}}},
    }
    manifests = rendered(values=yaml.safe_dump(GOOD | {"config": config}))
    given = tomllib.loads(find(manifests, "ConfigMap")["data"]["verifier.toml"])
    assert {key: given[key] for key in config} == config


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a wrong type": ({"config": GOOD["config"] | {"workers": "two"}}, "/config/workers"),
    "a number for a text": ({"config": {"app_id": 5}}, "/config/app_id"),
    "an unknown option": ({"config": {"app_id": "x", "app_secrets": "y"}}, "'app_secrets'"),
    "an unknown option of a host": (
        {"config": {"app_id": "x", "hosts": {"a.b": {"listen": "y"}}}},
        "'listen'",
    ),
    "an unknown value": ({"replicas": 3}, "'replicas'"),
    "an unknown kind of route": ({"route": {"kind": "istio"}}, "/route/kind"),
    "no application": ({"config": {}}, "config.app_id is missing"),
    "no secret": (
        {"existingSecret": {"name": "s", "keys": ["admin-token"]}},
        "secrets.app-secret is missing",
    ),
    "no admin token": ({"existingSecret": {}}, "secrets.admin-token is missing"),
    "no image": ({"image": {}}, "image.repository is missing"),
    "a secret in the ConfigMap": (
        {"config": {"app_id": "x", "app_secret": SECRET}},
        "put it into secrets.app-secret",
    ),
    "a host's secret in the ConfigMap": (
        {"config": {"app_id": "x", "hosts": {"a.b": {"app_secret": SECRET}}}},
        "config.hosts.a.b.app_secret is a secret",
    ),
    "a secret in the literal file": (
        {"config": {}, "configFile": f'app_id = "x"\nadmin_token = "{SECRET}"'},
        "put it into secrets.admin-token",
    ),
    "a Redis in the ConfigMap": (
        {"config": {"app_id": "x", "revocation_store": "redis://:word@host/0"}},
        "put the URL into secrets.redis-url",
    ),
    "two configurations": ({"configFile": 'app_id = "x"'}, "config and configFile are both set"),
    "two Secrets": (
        {"secrets": {"app-secret": SECRET}},
        "secrets and existingSecret.name are both set",
    ),
    "two images": (
        {"image": {"repository": "a", "tag": "1", "digest": "sha256:" + "0" * 64}},
        "image.tag and image.digest are both set",
    ),
    "two certificates": (
        {"route": GOOD["route"] | {"gatewayAPI": {"tlsSecret": "a", "gateway": {"name": "b"}}}},
        "are both set",
    ),
    "no certificate": ({"route": {"kind": "gatewayAPI", "host": "a.b"}}, "tlsSecret is missing"),
    "no host": ({"route": {"kind": "traefik"}}, "route.host is missing"),
    "an address": ({"config": {"app_id": "x", "listen": "0.0.0.0:80"}}, "config.listen is set"),
    "a file that is no TOML": ({"config": {}, "configFile": "a = = 1"}, "is not valid TOML"),
    "one volume for two pods": (
        {"keyCache": {"persistence": {"enabled": True, "accessMode": "ReadWriteOnce"}}},
        "there is more than one replica",
    ),
    "replicas in the wrong order": (
        {"autoscaling": {"enabled": True, "minReplicas": 9}},
        "set maxReplicas to minReplicas or more",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused_with_the_reason(name: str) -> None:
    values, message = WRONG[name]
    found = refusal(**values)
    assert message in found
    assert SECRET not in found


@pytest.mark.parametrize("name", [option.name for option in OPTIONS if option.type.secret])
def test_every_secret_option_is_refused_in_the_configuration(name: str) -> None:
    value = "rediss://:word@redis.example.org/0" if name == "revocation_store" else SECRET
    found = refusal(config={"app_id": "x", name: value})
    assert f"config.{name} " in found
    assert "would be in a ConfigMap" in found
    assert value not in found


def test_pods_are_replaced_after_a_change() -> None:
    def checksums(deployment: Manifest) -> list[str]:
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        return [annotations["checksum/config"], annotations["checksum/secrets"]]

    secrets = {"app-secret": SECRET, "admin-token": SECRET[::-1]}
    own: dict[str, Any] = {"existingSecret": {}, "secrets": secrets}
    first = checksums(changed_deployment(**own))
    assert checksums(changed_deployment(**own)) == first
    other_config = GOOD["config"] | {"leeway": 1}
    assert checksums(changed_deployment(**own, config=other_config))[0] != first[0]
    other_secrets = own | {"secrets": secrets | {"app-secret": SECRET + "2"}}
    assert checksums(changed_deployment(**other_secrets))[1] != first[1]
    # Users who may read pods could otherwise try out weak secrets, 10 million a second.
    for text in (json.dumps(secrets, separators=(",", ":"), sort_keys=True), SECRET):
        assert hashlib.sha256(text.encode()).hexdigest() != first[1]


def test_secrets_are_only_in_the_secret() -> None:
    values = GOOD | {
        "existingSecret": {},
        "secrets": {"app-secret": SECRET, "admin-token": SECRET[::-1]},
    }
    manifests = rendered(values=yaml.safe_dump(values))
    for manifest in manifests:
        if manifest["kind"] != "Secret":
            assert SECRET not in str(manifest)
            assert SECRET[::-1] not in str(manifest)
    assert find(manifests, "Secret")["stringData"]["app-secret"] == SECRET


def test_scaling_leaves_the_number_of_replicas_alone(charts: dict[str, list[Manifest]]) -> None:
    assert "replicas" not in find(charts["redis"], "Deployment")["spec"]
    scaler = find(charts["redis"], "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 6)


def test_a_claim_of_one_pod_is_not_used_by_two() -> None:
    claim = {"persistence": {"enabled": True, "accessMode": "ReadWriteOnce"}}
    deployment = changed_deployment(replicaCount=1, keyCache=claim)
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    (volume,) = [
        each for each in deployment["spec"]["template"]["spec"]["volumes"] if each["name"] == "keys"
    ]
    assert volume["persistentVolumeClaim"] == {"claimName": "jitsi-verifier-keys"}


def test_alerts_are_those_of_prometheus(charts: dict[str, list[Manifest]]) -> None:
    file = CONTRIB / "prometheus" / "jitsi-verifier.rules.yml"
    rule = find(charts["redis"], "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(file.read_text("utf-8"))
    monitor = find(charts["redis"], "ServiceMonitor")
    labels = find(charts["redis"], "Service")["metadata"]["labels"]
    # The alerts look for this job.
    assert labels[monitor["spec"]["jobLabel"]] == "jitsi-verifier"
    assert rule["metadata"]["labels"]["release"] == "prometheus"


def test_admin_port_is_open_to_monitoring_only(charts: dict[str, list[Manifest]]) -> None:
    for manifests in charts.values():
        rules = find(manifests, "NetworkPolicy")["spec"]["ingress"]
        (admin,) = [rule["from"] for rule in rules if {"port": "admin"} in rule["ports"]]
        assert admin == [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        ]


@pytest.mark.parametrize("name", ["chart", "schema", "rules", *BUILD["MANIFESTS"]])
def test_made_files_are_up_to_date(name: str) -> None:
    path, text = BUILD["made"](name)
    assert path.read_text("utf-8") == text, "run make docs-generated"


def test_notes_end_with_the_check_of_the_gate() -> None:
    done = helm(
        *("install", "jitsi-verifier", CHART, "-n", "jitsi", "--dry-run=client"),
        *("-f", EXAMPLES["secret"]),
    )
    last = done.stdout.strip().splitlines()[-1].strip()
    assert last == (
        "kubectl -n jitsi exec deploy/jitsi-verifier -- "
        "jitsi-verifier check-gate https://meet.example.org"
    )
