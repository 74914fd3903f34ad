"""Traefik with ``contrib/traefik``, and with the chart's resources from a cluster in memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.helm import Manifest, rendered_text
from tests.support.kubernetes_api import Cluster, kubernetes_api
from tests.support.paths import CONTRIB
from tests.support.processes import Program, free_port, get

_VALUES: Final = """\
image: { repository: registry.example.org/jitsi-verifier }
config: { app_id: booking-site, token_cookie: jitsi_token }
existingSecret: { name: jitsi-verifier }
route: { kind: traefik, host: meet.example.org }
"""
_NO_EDITS: Final[Mapping[str, str]] = {}
_ADDRESS: Final = "http://jitsi-verifier.jitsi.svc.cluster.local:8090"


class Traefik:
    """Traefik with the settings of ``contrib/traefik/traefik.yml`` and one provider.

    Args:
        folder: A new folder.
        provider: The name of the provider, and its settings.
        routers: How many routers it has to have read.
        stack: What ends with Traefik.
    """

    def __init__(
        self, folder: Path, provider: dict[str, Any], routers: int, stack: ExitStack | None = None
    ) -> None:
        self.port, self.logs = free_port(), folder / "logs"
        self._stack = stack or ExitStack()
        self.logs.mkdir()
        file, api = folder / "static.yml", free_port()
        settings = yaml.safe_load((CONTRIB / "traefik" / "traefik.yml").read_text("utf-8"))
        (entry,) = settings["entryPoints"].values()
        settings["entryPoints"] = {
            "web": entry | {"address": f"127.0.0.1:{self.port}"},
            "traefik": {"address": f"127.0.0.1:{api}"},
        }
        settings |= {"providers": provider, "api": {"insecure": True}}
        file.write_text(yaml.safe_dump(settings))
        command: list[str | Path] = [
            Path(sys.executable).with_name("traefik"),
            f"--configFile={file}",
        ]
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self._program = Program(command, self.logs / "output.log", environ)
        self._program.wait_until(lambda: _routers(api) == routers, "Traefik")

    def stop(self) -> None:
        """Stop Traefik."""
        self._program.stop()
        self._stack.close()


def _routers(api: int) -> int:
    """Return how many routers of its provider Traefik has; 0 before it can say so."""
    answer = get(api, "/api/http/routers")
    found = answer.json if answer.status == 200 else []
    return sum(each["provider"] != "internal" for each in found)


def edited(text: str, edits: Mapping[str, str]) -> str:
    """Return a text with replaced parts; each has to occur in it."""
    for old, new in edits.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def traefik_in_kubernetes(
    folder: Path, sidecar: int, upstream: int, edits: Mapping[str, str] = _NO_EDITS
) -> Traefik:
    """Start Traefik with the resources of the chart."""
    folder.mkdir()
    stack = ExitStack()
    cluster, config = stack.enter_context(kubernetes_api(folder))
    text = rendered_text("--show-only", "templates/route-traefik.yaml", values=_VALUES)
    manifests: list[Manifest] = list(yaml.safe_load_all(edited(text, edits)))
    for manifest in manifests:
        _adapt(manifest, sidecar)
        cluster.put(manifest)
    _add_jitsi(cluster, upstream)
    server = yaml.safe_load(config.read_text())["clusters"][0]["cluster"]["server"]
    provider = {"kubernetesCRD": {"endpoint": server, "token": "none", "namespaces": ["jitsi"]}}
    (route,) = [each for each in manifests if each["kind"] == "IngressRoute"]
    return Traefik(folder, provider, len(route["spec"]["routes"]), stack)


def _adapt(manifest: Manifest, sidecar: int) -> None:
    """Use the test's service, and http, because the tests send no TLS."""
    spec = manifest["spec"]
    if "forwardAuth" in spec:
        address = spec["forwardAuth"]["address"]
        assert address == f"{_ADDRESS}/forward-auth"
        spec["forwardAuth"]["address"] = address.replace(_ADDRESS, f"http://127.0.0.1:{sidecar}")
    if manifest["kind"] == "IngressRoute":
        assert spec.pop("tls") == {}
        spec["entryPoints"] = ["web"]


def _add_jitsi(cluster: Cluster, port: int) -> None:
    """Add Jitsi's web service, with one endpoint."""
    place = {"namespace": "jitsi", "name": "web"}
    ports = [{"name": "http", "port": 80, "targetPort": 80}]
    spec = {"ports": ports, "clusterIP": "10.0.0.1"}
    cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": place, "spec": spec})
    slice_: Manifest = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": place | {"labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True, "serving": True}}],
    }
    cluster.put(slice_)


def traefik(
    folder: Path, sidecar: int, upstream: int, edits: Mapping[str, str] = _NO_EDITS
) -> Traefik:
    """Start Traefik with ``contrib/traefik``."""
    folder.mkdir()
    file = folder / "jitsi-verifier.yml"
    text = (CONTRIB / "traefik" / "jitsi-verifier.yml").read_text("utf-8")
    replaced = {
        "127.0.0.1:8090": f"127.0.0.1:{sidecar}",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        "# - Cookie": "- Cookie",
    }
    text = edited(text, {**edits, **replaced})
    file.write_text(text)
    routers = yaml.safe_load(text)["http"]["routers"]
    return Traefik(folder, {"file": {"filename": str(file)}}, len(routers))
