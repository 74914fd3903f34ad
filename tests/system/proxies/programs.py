"""Real proxies, each started with the files of its folder in ``contrib``.

Only addresses, folders and the line that forwards cookies differ from the shipped files.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import yaml

from tests.support.helm import Manifest
from tests.support.paths import CONTRIB
from tests.support.processes import Program, accepts, free_port
from tests.system.nginx.sites import FRONT, Nginx
from tests.system.proxies.envoy_gateway import envoy_configuration
from tests.system.proxies.traefik import edited, traefik, traefik_in_kubernetes

BIN = Path(sys.executable).parent
HOST = "meet.example.org"
Command = Sequence[str | Path]
Edits = Mapping[str, str]
"""An operator's changes to the files: texts and their replacements."""
NO_EDITS: Edits = MappingProxyType({})


class Proxy(Protocol):
    """A running proxy.

    Attributes:
        port: Its port on 127.0.0.1.
        logs: The folder of its logs.
    """

    port: int
    logs: Path

    def stop(self) -> None:
        """Stop the proxy; afterwards its logs are complete."""


class CookieNginx(Nginx):
    """nginx in front of a Jitsi, with the line for the option ``token_cookie``."""

    def _write_files(self) -> None:
        self.substitutions["# proxy_set_header Cookie"] = "proxy_set_header Cookie"
        super()._write_files()


class CopiedProxy:
    """A proxy that runs on a copy of its folder in ``contrib``.

    Args:
        copied: The copy; it has the name of the original folder.
        port: The port of the proxy.
        substitutions: Texts that are replaced in every file.
        command: The command.
        environ: Environment variables besides ``PATH`` and ``HOME``.
    """

    def __init__(
        self,
        copied: Path,
        port: int,
        substitutions: Mapping[str, str],
        command: Command,
        **environ: str,
    ) -> None:
        self.port, self.logs = port, copied.parent / "logs"
        copy_with(copied, substitutions)
        self.logs.mkdir()
        common = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(copied.parent)}
        self._program = Program(command, self.logs / "output.log", common | environ)
        self._program.wait_until(lambda: accepts(port), copied.name)

    def stop(self) -> None:
        """Stop the proxy."""
        self._program.stop()


def copy_with(copied: Path, substitutions: Mapping[str, str]) -> None:
    """Copy the folder of this name from ``contrib``; each replaced text has to occur in it."""
    shutil.copytree(CONTRIB / copied.name, copied)
    texts = {file: file.read_text() for file in copied.rglob("*") if file.is_file()}
    for old, new in substitutions.items():
        assert any(old in text for text in texts.values()), old
        texts = {file: text.replace(old, new) for file, text in texts.items()}
    for file, text in texts.items():
        file.write_text(text)


def nginx(folder: Path, sidecar: int, upstream: int, edits: Edits = NO_EDITS) -> Proxy:
    """Start nginx with ``contrib/nginx``."""
    return CookieNginx(folder, FRONT, sidecar, upstream, tuple(edits.items()))


def caddy(folder: Path, sidecar: int, upstream: int, edits: Edits = NO_EDITS) -> Proxy:
    """Start Caddy with ``contrib/caddy``."""
    copied, port = folder / "caddy", free_port()
    replaced = {
        f"\nhttp://{HOST} {{": f"\nhttp://{HOST}:{port} {{\n\tbind 127.0.0.1",
        "127.0.0.1:8090": f"127.0.0.1:{sidecar}",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        "/etc/caddy/pages": str(copied / "pages"),
    }
    command: Command = [BIN / "caddy", "run", "--config", copied / "Caddyfile"]
    admin = f"127.0.0.1:{free_port()}"
    return CopiedProxy(copied, port, {**edits, **replaced}, command, CADDY_ADMIN=admin)


def envoy(folder: Path, sidecar: int, upstream: int, edits: Edits = NO_EDITS) -> Proxy:
    """Start Envoy with ``contrib/envoy``."""
    copied, port = folder / "envoy", free_port()
    replaced = {
        "address: 0.0.0.0, port_value: 80 ": f"address: 127.0.0.1, port_value: {port} ",
        "port_value: 8090": f"port_value: {sidecar}",
        "port_value: 8000": f"port_value: {upstream}",
        "/etc/envoy/pages": str(copied / "pages"),
    }
    options = ["--disable-hot-restart", "--concurrency", "1", "--file-flush-interval-msec", "50"]
    command: Command = [BIN / "envoy", "--config-path", copied / "envoy.yaml", *options]
    return CopiedProxy(copied, port, {**edits, **replaced}, command)


def haproxy(folder: Path, sidecar: int, upstream: int, edits: Edits = NO_EDITS) -> Proxy:
    """Start HAProxy with ``contrib/haproxy``."""
    copied, port = folder / "haproxy", free_port()
    replaced = {
        "bind :80\n": f"bind 127.0.0.1:{port}\n",
        "abns@jitsi-verifier": f"abns@jitsi-verifier-{port}",
        "/etc/haproxy/jitsi-verifier/": f"{copied}/",
        "127.0.0.1:8090": f"127.0.0.1:{sidecar}",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        '-- ["cookie"]': '["cookie"]',
    }
    command: Command = ["haproxy", "-db", "-f", copied / "jitsi-verifier.cfg"]
    return CopiedProxy(copied, port, {**edits, **replaced}, command)


class WrittenEnvoy:
    """Envoy with this configuration."""

    def __init__(self, folder: Path, port: int, configuration: Mapping[str, Any]) -> None:
        self.port, self.logs = port, folder / "logs"
        self.logs.mkdir(parents=True)
        file = folder / "envoy.json"
        file.write_text(json.dumps(configuration))
        options = ["--disable-hot-restart", "--concurrency", "1"]
        command: Command = [BIN / "envoy", "--config-path", file, *options]
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self._program = Program(command, self.logs / "output.log", environ)
        self._program.wait_until(lambda: accepts(self.port), "Envoy")

    def stop(self) -> None:
        """Stop the proxy."""
        self._program.stop()


def envoy_gateway(
    folder: Path,
    sidecar: int,
    upstream: int,
    edits: Edits = NO_EDITS,
    *,
    resources: list[Manifest] | None = None,
    certificate: Path | None = None,
) -> Proxy:
    """Start Envoy as Envoy Gateway does, with the resources of ``contrib/kubernetes`` or others."""
    if resources is None:
        text = (CONTRIB / "kubernetes" / "gateway-api.yaml").read_text("utf-8")
        resources = list(yaml.safe_load_all(edited(text, edits)))
    port = free_port()
    configuration = envoy_configuration(resources, port, sidecar, upstream, certificate)
    return WrittenEnvoy(folder, port, configuration)


Start = Callable[..., Proxy]
"""Starts a proxy: takes a new folder, the ports of the service and of Jitsi, and edits."""

PROXIES: dict[str, Start] = {
    "nginx": nginx,
    "caddy": caddy,
    "envoy": envoy,
    "haproxy": haproxy,
}

OTHERS: dict[str, Start] = {
    "traefik": traefik,
    "envoy-gateway": envoy_gateway,
    "traefik-in-kubernetes": traefik_in_kubernetes,
}
"""Traefik, and proxies in Kubernetes: they send no request id, or resolve dots in a path."""
