"""Kubernetes manifests: as the schemas say, of one mind, hardened, and true of the real service."""

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
from verifier.config import load
from verifier.process.shutdown import shutdown_seconds

FOLDER = ROOT / "contrib/kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
VERSIONS = ("1.25", kubernetes_validate.latest_version())

Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each is not None]


ALL = [(path.name, each) for path in FILES for each in documents(path)]
IDS = [f"{file}: {each['kind']} {each['metadata']['name']}" for file, each in ALL]


def find(kind: str, name: str) -> Manifest:
    (found,) = [each for _, each in ALL if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pods() -> list[Manifest]:
    return [each for _, each in ALL if each["kind"] in ("Deployment", "StatefulSet")]


def containers() -> Iterator[tuple[Manifest, Manifest]]:
    for each in pods():
        for container in each["spec"]["template"]["spec"]["containers"]:
            yield each, container


def selected(labels: dict[str, str]) -> Manifest:
    """Find the one that has these labels on its pods."""
    found = [
        each
        for each in pods()
        if labels.items() <= each["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert len(found) == 1, labels
    return found[0]


def named_ports(each: Manifest) -> dict[str, int]:
    (container,) = each["spec"]["template"]["spec"]["containers"]
    return {port["name"]: port["containerPort"] for port in container["ports"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", [each for _, each in ALL], ids=IDS)
def test_every_manifest_is_as_kubernetes_schemas_say(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_field_that_does_not_exist_is_a_fault() -> None:
    broken = copy.deepcopy(find("Deployment", "jitsi-verifier"))
    broken["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_everything_is_in_one_namespace_but_the_controllers_settings() -> None:
    elsewhere = {file for file, each in ALL if each["metadata"]["namespace"] != "jitsi"}
    assert elsewhere == {"controller.yaml"}


def test_selectors_meet_the_pods_and_ports_are_theirs() -> None:
    for _, each in ALL:
        spec = each.get("spec", {})
        if each["kind"] == "Service":
            ports = named_ports(selected(spec["selector"]))
            assert all(ports[port["targetPort"]] == port["port"] for port in spec["ports"])
        elif each["kind"] == "NetworkPolicy":
            ports = named_ports(selected(spec["podSelector"]["matchLabels"]))
            given = [port["port"] for rule in spec["ingress"] for port in rule["ports"]]
            assert given
            assert set(given) <= ports.keys()
        elif each["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            name = selected(spec["selector"]["matchLabels"])["metadata"]["name"]
            assert name == each["metadata"]["name"]


def test_the_sidecar_may_reach_redis_and_redis_lets_it_in() -> None:
    policy = find("NetworkPolicy", "jitsi-verifier")["spec"]
    (rule,) = [rule for rule in policy["egress"] if rule["ports"] == [{"port": 6379}]]
    redis = selected(rule["to"][0]["podSelector"]["matchLabels"])
    assert named_ports(redis) == {"redis": 6379}
    (welcome,) = find("NetworkPolicy", "jitsi-verifier-redis")["spec"]["ingress"]
    assert selected(welcome["from"][0]["podSelector"]["matchLabels"])["metadata"]["name"] == (
        "jitsi-verifier"
    )
    secret = find("Secret", "jitsi-verifier-redis")["stringData"]
    url = urlsplit(secret["url"])
    service = find("Service", "jitsi-verifier-redis")
    assert (url.hostname, url.port) == (service["metadata"]["name"], 6379)
    assert f"requirepass {url.password}\n" in secret["valkey.conf"]


def test_volumes_are_there_and_hold_what_is_mounted() -> None:
    for each, container in containers():
        pod = each["spec"]["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        claims = {
            claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])
        }
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == volumes.keys() | claims
        for volume in volumes.values():
            if "secret" in volume:
                held = find("Secret", volume["secret"]["secretName"])["stringData"]
                assert {item["key"] for item in volume["secret"].get("items", [])} <= held.keys()
            elif "configMap" in volume:
                held = find("ConfigMap", volume["configMap"]["name"])["data"]
                (sub,) = [
                    m["subPath"] for m in container["volumeMounts"] if m["name"] == volume["name"]
                ]
                assert sub in held


def test_ingress_asks_the_service() -> None:
    asked = find("Ingress", "jitsi")["metadata"]["annotations"]
    url = urlsplit(asked["nginx.ingress.kubernetes.io/auth-url"])
    service = find("Service", "jitsi-verifier")["metadata"]
    assert url.hostname == f"{service['name']}.{service['namespace']}.svc.cluster.local"
    assert url.port in [port["port"] for port in find("Service", "jitsi-verifier")["spec"]["ports"]]


def test_pods_have_no_rights() -> None:
    for each, container in containers():
        pod, own = each["spec"]["template"]["spec"], container["securityContext"]
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
    """The folder that the pod has, at another place."""
    data = find("Secret", "jitsi-verifier")["stringData"]
    (tmp_path / "secrets").mkdir()
    for name, value in (data | {"app-secret": SECRET}).items():
        (tmp_path / "secrets" / name).write_text(value)
    text = find("ConfigMap", "jitsi-verifier")["data"]["verifier.toml"]
    (tmp_path / "verifier.toml").write_text(text.replace("/etc/jitsi-verifier", str(tmp_path)))
    return tmp_path


def sidecar() -> tuple[Manifest, Manifest]:
    (found,) = [each for each in containers() if each[0]["metadata"]["name"] == "jitsi-verifier"]
    return found[0]["spec"]["template"]["spec"], found[1]


def test_the_end_fits_the_time_that_kubernetes_gives(mounted: Path) -> None:
    pod, container = sidecar()
    settings = load({}, mounted / "verifier.toml")
    before = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    needed = before + shutdown_seconds(settings.drain_timeout) + 1.0  # what a supervisor adds
    assert pod["terminationGracePeriodSeconds"] > needed


def test_no_store_that_all_replicas_share_takes_all_of_them_out_of_the_service() -> None:
    _, container = sidecar()
    for probe in ("livenessProbe", "readinessProbe"):
        path = container[probe]["httpGet"]["path"]
        assert path in ("/healthz", "/readyz?exclude=revocation-store")


def test_the_service_listens_where_the_ports_are_and_answers_the_probes(mounted: Path) -> None:
    _, container = sidecar()
    (given,) = container["env"]
    config = (given["name"], given["value"])
    assert config == ("VERIFIER_CONFIG", container["volumeMounts"][0]["mountPath"])
    settings = load({}, mounted / "verifier.toml")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert [str(each) for each in settings.listen] == [f"0.0.0.0:{ports['decisions']}"]
    assert str(settings.admin_listen) == f"0.0.0.0:{ports['admin']}"
    with running_verifier(mounted, mounted / "verifier.toml") as verifier:
        real = {"decisions": verifier.port, "admin": verifier.admin}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            wait_until(lambda: get(real[asked["port"]], asked["path"]).status == 200, probe)  # noqa: B023  # called at once
        assert get(verifier.admin, "/metrics").status == 200
        assert get(verifier.admin, "/v1/keys").status == 401
        good = token(iss="my_app", sub="meet.jitsi")
        assert verifier.ask("/standup", good).status == 200
        assert verifier.ask("/other", good).status == 403
