"""The Kubernetes manifests: valid, consistent, hardened, and true of the real service."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from tests.support.paths import ROOT
from tests.support.processes import get, running_verifier, wait_until
from tests.support.supervised import token
from tests.support.tokens import SECRET
from tests.system.deployments.custom_resources import is_custom
from verifier.config import load
from verifier.process.shutdown import shutdown_seconds

FOLDER = ROOT / "contrib/kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
VERSIONS = ("1.25", kubernetes_validate.latest_version())

Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    return [
        manifest for manifest in yaml.safe_load_all(path.read_text("utf-8")) if manifest is not None
    ]


ALL = [(path.name, manifest) for path in FILES for manifest in documents(path)]
STANDARD = [(file, manifest) for file, manifest in ALL if not is_custom(manifest)]
IDS = [f"{file}: {manifest['kind']} {manifest['metadata']['name']}" for file, manifest in STANDARD]


def find(kind: str, name: str) -> Manifest:
    (found,) = [
        manifest
        for _, manifest in ALL
        if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)
    ]
    return found


def pods() -> list[Manifest]:
    return [manifest for _, manifest in ALL if manifest["kind"] in ("Deployment", "StatefulSet")]


def containers() -> Iterator[tuple[Manifest, Manifest]]:
    for manifest in pods():
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            yield manifest, container


def selected(labels: dict[str, str]) -> Manifest:
    """Return the one manifest whose pods have these labels."""
    found = [
        manifest
        for manifest in pods()
        if labels.items() <= manifest["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert len(found) == 1, labels
    return found[0]


def named_ports(manifest: Manifest) -> dict[str, int]:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return {port["name"]: port["containerPort"] for port in container["ports"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", [manifest for _, manifest in STANDARD], ids=IDS)
def test_every_manifest_follows_the_schemas(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_validation_rejects_an_unknown_field() -> None:
    broken = copy.deepcopy(find("Deployment", "jitsi-verifier"))
    broken["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_only_the_controllers_settings_are_in_another_namespace() -> None:
    elsewhere = {file for file, manifest in ALL if manifest["metadata"]["namespace"] != "jitsi"}
    assert elsewhere == {"controller.yaml"}


def test_selectors_and_ports_match_the_pods() -> None:
    for _, manifest in ALL:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Service":
            ports = named_ports(selected(spec["selector"]))
            assert all(ports[port["targetPort"]] == port["port"] for port in spec["ports"])
        elif manifest["kind"] == "NetworkPolicy":
            ports = named_ports(selected(spec["podSelector"]["matchLabels"]))
            allowed = [port["port"] for rule in spec["ingress"] for port in rule["ports"]]
            assert allowed
            assert set(allowed) <= ports.keys()
        elif manifest["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            name = selected(spec["selector"]["matchLabels"])["metadata"]["name"]
            assert name == manifest["metadata"]["name"]


def test_network_policies_let_the_service_reach_redis() -> None:
    policy = find("NetworkPolicy", "jitsi-verifier")["spec"]
    (rule,) = [rule for rule in policy["egress"] if rule["ports"] == [{"port": 6379}]]
    redis = selected(rule["to"][0]["podSelector"]["matchLabels"])
    assert named_ports(redis) == {"redis": 6379}
    (ingress,) = find("NetworkPolicy", "jitsi-verifier-redis")["spec"]["ingress"]
    assert selected(ingress["from"][0]["podSelector"]["matchLabels"])["metadata"]["name"] == (
        "jitsi-verifier"
    )
    secret = find("Secret", "jitsi-verifier-redis")["stringData"]
    url = urlsplit(secret["url"])
    service = find("Service", "jitsi-verifier-redis")
    assert (url.hostname, url.port) == (service["metadata"]["name"], 6379)
    assert f"requirepass {url.password}\n" in secret["valkey.conf"]


def test_volumes_exist_and_contain_mounted_files() -> None:
    for manifest, container in containers():
        pod = manifest["spec"]["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        claims = {
            claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", [])
        }
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == volumes.keys() | claims
        for volume in volumes.values():
            if "secret" in volume:
                content = find("Secret", volume["secret"]["secretName"])["stringData"]
                assert {item["key"] for item in volume["secret"].get("items", [])} <= content.keys()
            elif "configMap" in volume:
                content = find("ConfigMap", volume["configMap"]["name"])["data"]
                (sub_path,) = [
                    m["subPath"] for m in container["volumeMounts"] if m["name"] == volume["name"]
                ]
                assert sub_path in content


def test_ingress_sends_auth_requests_to_the_service() -> None:
    annotations = find("Ingress", "jitsi-verifier")["metadata"]["annotations"]
    url = urlsplit(annotations["nginx.ingress.kubernetes.io/auth-url"])
    service = find("Service", "jitsi-verifier")["metadata"]
    assert url.hostname == f"{service['name']}.{service['namespace']}.svc.cluster.local"
    assert url.port in [port["port"] for port in find("Service", "jitsi-verifier")["spec"]["ports"]]


def test_pods_are_restricted() -> None:
    for manifest, container in containers():
        pod, own = manifest["spec"]["template"]["spec"], container["securityContext"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert "limits" in container["resources"]
    assert find("ServiceAccount", "jitsi-verifier")["automountServiceAccountToken"] is False
    spec = find("Deployment", "jitsi-verifier")["spec"]["template"]["spec"]
    dockerfile = (FOLDER.parents[1] / "Dockerfile").read_text("utf-8")
    assert f"USER {spec['securityContext']['runAsUser']}\n" in dockerfile


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """Return a copy of the folder that the pod mounts."""
    data = find("Secret", "jitsi-verifier")["stringData"]
    (tmp_path / "secrets").mkdir()
    # The published examples are refused: an operator replaces them.
    secrets = {"app-secret": SECRET, "admin-token": SECRET[::-1]}
    assert data.keys() == secrets.keys()
    for name, value in secrets.items():
        (tmp_path / "secrets" / name).write_text(value)
    text = find("ConfigMap", "jitsi-verifier")["data"]["verifier.toml"]
    (tmp_path / "verifier.toml").write_text(text.replace("/etc/jitsi-verifier", str(tmp_path)))
    return tmp_path


def service_pod() -> tuple[Manifest, Manifest]:
    (found,) = [
        manifest for manifest in containers() if manifest[0]["metadata"]["name"] == "jitsi-verifier"
    ]
    return found[0]["spec"]["template"]["spec"], found[1]


def test_shutdown_fits_the_grace_period(mounted: Path) -> None:
    pod, container = service_pod()
    settings = load({}, mounted / "verifier.toml")
    before = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    needed = before + shutdown_seconds(settings.drain_timeout) + 1.0  # the supervisor's own time
    assert pod["terminationGracePeriodSeconds"] > needed


def test_shared_store_is_excluded_from_probes() -> None:
    _, container = service_pod()
    for probe in ("livenessProbe", "readinessProbe"):
        path = container[probe]["httpGet"]["path"]
        assert path in ("/healthz", "/readyz?exclude=revocation-store")


def test_service_answers_the_probes_on_its_ports(mounted: Path) -> None:
    _, container = service_pod()
    (variable,) = container["env"]
    config = (variable["name"], variable["value"])
    assert config == ("VERIFIER_CONFIG", container["volumeMounts"][0]["mountPath"])
    settings = load({}, mounted / "verifier.toml")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert [str(address) for address in settings.listen] == [f"0.0.0.0:{ports['decisions']}"]
    assert str(settings.admin_listen) == f"0.0.0.0:{ports['admin']}"
    with running_verifier(mounted, mounted / "verifier.toml") as verifier:
        real = {"decisions": verifier.port, "admin": verifier.admin}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            request = container[probe]["httpGet"]
            wait_until(lambda: get(real[request["port"]], request["path"]).status == 200, probe)  # noqa: B023  # called at once
        assert get(verifier.admin, "/metrics").status == 200
        assert get(verifier.admin, "/v1/keys").status == 401
        good = token(iss="my_app", sub="meet.jitsi")
        assert verifier.ask("/standup", good).status == 200
        assert verifier.ask("/other", good).status == 403
