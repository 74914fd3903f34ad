"""The Compose file: valid, complete, consistent with the image; and its nginx files."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.support.paths import CONTRIB
from tests.support.processes import Program, RunningVerifier, accepts, free_port, running_verifier
from tests.support.raw_http import send
from tests.support.supervised import token
from tests.support.tokens import SECRET
from verifier.config.docker import SWITCHES
from verifier.config.options import CONFIG_VARIABLE, OPTIONS
from verifier.process.shutdown import shutdown_seconds

FOLDER = CONTRIB / "docker-compose"
TEXT = (FOLDER / "jitsi-verifier.yml").read_text("utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
SIDECAR = SERVICES["jitsi-verifier"]
REPOSITORY = "${JITSI_VERIFIER_DIR:-./jitsi-verifier}"


def with_defaults() -> str:
    """Return the file with every variable at its default, as Compose reads it."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", TEXT)


def test_file_follows_the_compose_specification() -> None:
    parsed = PyCompose.from_yaml(with_defaults())
    assert set(parsed.service_names()) == {
        "jitsi-verifier",
        "check-gate",
        "web",
        "jitsi-verifier-redis",
    }
    parsed.to_spec()
    with pytest.raises(ValueError, match="read_onli"):
        PyCompose.from_yaml(with_defaults().replace("read_only:", "read_onli:", 1)).to_spec()


def test_service_gets_every_environment_variable() -> None:
    names = {entry.partition("=")[0] for entry in SIDECAR["environment"]}
    variables = {option.variable for option in OPTIONS if option.variable}
    assert names == variables | {CONFIG_VARIABLE, "OTEL_EXPORTER_OTLP_ENDPOINT", *SWITCHES}


def test_health_check_and_stop_period_match_the_image() -> None:
    dockerfile = (CONTRIB.parent / "Dockerfile").read_text("utf-8")
    (command,) = re.findall(r"^  CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert SIDECAR["healthcheck"]["test"] == ["CMD", *yaml.safe_load(command)]
    assert "VERIFIER_LISTEN=0.0.0.0:8090" in SIDECAR["environment"]
    assert float(SIDECAR["stop_grace_period"].removesuffix("s")) > shutdown_seconds(10.0) + 1.0
    assert SERVICES["web"]["depends_on"] == {"jitsi-verifier": {"condition": "service_healthy"}}


def test_check_gate_has_the_image_and_the_options_of_the_service() -> None:
    check = SERVICES["check-gate"]
    assert check["image"] == SIDECAR["image"]
    assert check["environment"] == SIDECAR["environment"]
    assert check["network_mode"] == "host"
    assert check["profiles"]


@pytest.mark.parametrize("name", ["jitsi-verifier", "check-gate", "jitsi-verifier-redis"])
def test_containers_have_no_capabilities_and_no_ports(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service


def test_only_the_service_reaches_redis() -> None:
    networks = yaml.safe_load(TEXT)["networks"]
    assert networks["jitsi-verifier"] == {"internal": True}
    assert set(SERVICES["jitsi-verifier-redis"]["networks"]) == {"jitsi-verifier"}
    inside = "jitsi-verifier"
    reached = {name for name, service in SERVICES.items() if inside in service.get("networks", {})}
    assert reached == {"jitsi-verifier", "jitsi-verifier-redis"}


def test_mounted_files_exist() -> None:
    for volume in SERVICES["web"]["volumes"]:
        assert volume.startswith(f"{REPOSITORY}/")
        assert volume.endswith(":ro,z")
        assert (CONTRIB.parent / volume.removeprefix(f"{REPOSITORY}/").split(":")[0]).exists()


def changed_lines(name: str) -> list[str]:
    """Return the lines of a generated file that differ from its source."""
    generated = (FOLDER / "nginx" / name).read_text("utf-8").splitlines()
    source = re.search(r"contrib/nginx/(\S+);", generated[0])
    assert source is not None
    lines = (CONTRIB / "nginx" / source[1]).read_text("utf-8").splitlines()
    assert len(generated) == len(lines) + 2
    return [new for new, old in zip(generated[2:], lines, strict=True) if new != old]


def test_nginx_files_differ_from_contrib_in_three_places(tmp_path: Path) -> None:
    for path in (CONTRIB / "docker-compose").iterdir():
        if path.is_file():
            (tmp_path / "docker-compose").mkdir(exist_ok=True)
            (tmp_path / "docker-compose" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "docker-compose/nginx").mkdir()
    (tmp_path / "nginx").symlink_to(CONTRIB / "nginx")
    subprocess.run(["python3", tmp_path / "docker-compose/build.py"], check=True, timeout=30)
    for name in ("http.conf", "server.conf"):
        assert (tmp_path / "docker-compose/nginx" / name).read_text() == (
            FOLDER / "nginx" / name
        ).read_text(), "run contrib/docker-compose/build.py"
    changed = [line.split()[0] for line in changed_lines("http.conf")]
    assert changed == ["server"] * 8 + ["proxy_cache_path"]
    assert [line.split()[0] for line in changed_lines("server.conf")] == ["access_log"]


SERVER = """
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
    include {folder}/http.conf;
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        set $prefix "";
        include {folder}/server.conf;
        location = /config.js {{ alias {folder}/config.js; }}
        location ~ ^/([^/?&:'"]+)$ {{ try_files $uri @root_path; }}
        location @root_path {{ rewrite ^/(.*)$ / break; }}
    }}
}}
"""


@contextmanager
def web_container(
    tmp_path: Path, *, with_files: bool = True, **options: str
) -> Iterator[tuple[int, RunningVerifier]]:
    """Run the verifier and an nginx like that of the web container; yield nginx' port."""
    port = free_port()
    (tmp_path / "index.html").write_text("a room")
    (tmp_path / "config.js").write_text("settings")
    options |= {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    with running_verifier(tmp_path, None, wait=True, **options) as verifier:
        for name in ("http.conf", "server.conf"):
            text = (FOLDER / "nginx" / name).read_text("utf-8") if with_files else ""
            for old, new in (
                ("jitsi-verifier:8090", f"127.0.0.1:{verifier.port}"),
                ("/dev/shm/jitsi-verifier", f"{tmp_path}/cache"),  # noqa: S108  # replaced
                ("/etc/nginx/jitsi-verifier/pages/", f"{CONTRIB}/nginx/pages/"),
            ):
                text = text.replace(old, new)
            (tmp_path / name).write_text(text)
        config = tmp_path / "nginx.conf"
        config.write_text(SERVER.format(folder=tmp_path, port=port))
        command = ["/usr/sbin/nginx", "-e", "stderr", "-p", str(tmp_path), "-c", str(config)]
        nginx = Program(command, tmp_path / "nginx.log", {})
        try:
            nginx.wait_until(lambda: accepts(port), "nginx")
            yield port, verifier
        finally:
            nginx.stop()


def test_nginx_files_protect_the_containers_server(tmp_path: Path) -> None:
    with web_container(tmp_path) as (port, _):
        good = token()
        assert send(port, f"/standup?jwt={good}").status == 200
        assert send(port, f"/other?jwt={good}").status == 403
        assert send(port, "/standup").status == 401
        assert send(port, "/config.js").status == 200


def health(port: int, **environ: str) -> int:
    """Run the health check of the web container with this HTTP port; return its exit status."""
    check = SERVICES["web"]["healthcheck"]["test"]
    assert check[0] == "CMD-SHELL"
    assert {entry.partition("=")[0] for entry in SERVICES["web"]["environment"]} >= environ.keys()
    script = (
        check[1].replace("$$", "$").replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")
    )
    script = script.replace("127.0.0.1:8443", f"127.0.0.1:{free_port()}")
    environ |= {"PATH": os.environ["PATH"]}
    return subprocess.run(["/bin/sh", "-c", script], env=environ, check=False).returncode


def test_web_container_with_the_gate_is_healthy(tmp_path: Path) -> None:
    with web_container(tmp_path) as (port, verifier):
        assert health(port) == 0
        assert verifier.metric('keep_alives_total{endpoint="auth",outcome="denied"}') == 1
        verifier.process.terminate()
        verifier.process.wait()
        assert health(port) == 1


def test_web_container_in_report_only_mode_is_healthy(tmp_path: Path) -> None:
    with web_container(tmp_path, VERIFIER_MODE="report-only") as (port, _):
        assert health(port, VERIFIER_MODE="report-only") == 0
        assert health(port) == 1


def test_web_container_without_the_files_is_unhealthy(tmp_path: Path) -> None:
    with web_container(tmp_path, with_files=False) as (port, _):
        assert send(port, "/standup").status == 200
        assert health(port) == health(port, VERIFIER_MODE="report-only") == 1
