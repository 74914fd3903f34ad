"""The Compose file: as the specification says, true to image and options; its nginx files work."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.support.paths import CONTRIB
from tests.support.processes import Program, accepts, free_port, running_verifier
from tests.support.raw_http import send
from tests.support.supervised import token
from tests.support.tokens import SECRET
from verifier.config.options import CONFIG_VARIABLE, OPTIONS
from verifier.process.shutdown import shutdown_seconds

FOLDER = CONTRIB / "docker-compose"
TEXT = (FOLDER / "jitsi-verifier.yml").read_text("utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
SIDECAR = SERVICES["jitsi-verifier"]
REPOSITORY = "${JITSI_VERIFIER_DIR:-./jitsi-verifier}"


def plain() -> str:
    """The file with every variable at its default, as Compose would have it."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", TEXT)


def test_it_is_as_the_specification_says() -> None:
    read = PyCompose.from_yaml(plain())
    assert set(read.service_names()) == {"jitsi-verifier", "web", "jitsi-verifier-redis"}
    read.to_spec()
    with pytest.raises(ValueError, match="read_onli"):
        PyCompose.from_yaml(plain().replace("read_only:", "read_onli:", 1)).to_spec()


def test_the_sidecar_gets_every_option_that_the_environment_can_have() -> None:
    names = {each.partition("=")[0] for each in SIDECAR["environment"]}
    known = {option.variable for option in OPTIONS if option.variable}
    assert names == known | {CONFIG_VARIABLE, "OTEL_EXPORTER_OTLP_ENDPOINT"}


def test_health_is_the_images_own_and_the_end_fits() -> None:
    dockerfile = (CONTRIB.parent / "Dockerfile").read_text("utf-8")
    (command,) = re.findall(r"^  CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert SIDECAR["healthcheck"]["test"] == ["CMD", *yaml.safe_load(command)]
    assert "VERIFIER_LISTEN=0.0.0.0:8090" in SIDECAR["environment"]
    assert float(SIDECAR["stop_grace_period"].removesuffix("s")) > shutdown_seconds(10.0) + 1.0
    assert SERVICES["web"]["depends_on"] == {"jitsi-verifier": {"condition": "service_healthy"}}


@pytest.mark.parametrize("name", ["jitsi-verifier", "jitsi-verifier-redis"])
def test_containers_have_no_rights_and_no_port_outside(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service


def test_only_the_sidecar_reaches_redis() -> None:
    networks = yaml.safe_load(TEXT)["networks"]
    assert networks["jitsi-verifier"] == {"internal": True}
    assert set(SERVICES["jitsi-verifier-redis"]["networks"]) == {"jitsi-verifier"}
    inside = "jitsi-verifier"
    reached = {name for name, each in SERVICES.items() if inside in each.get("networks", {})}
    assert reached == {"jitsi-verifier", "jitsi-verifier-redis"}


def test_what_is_mounted_is_there() -> None:
    for volume in SERVICES["web"]["volumes"]:
        assert volume.startswith(f"{REPOSITORY}/")
        assert (CONTRIB.parent / volume.removeprefix(f"{REPOSITORY}/").split(":")[0]).exists()


def changed(name: str) -> list[str]:
    """Give the lines of a made file that its source does not have."""
    made = (FOLDER / "nginx" / name).read_text("utf-8").splitlines()
    source = re.search(r"contrib/nginx/(\S+);", made[0])
    assert source is not None
    lines = (CONTRIB / "nginx" / source[1]).read_text("utf-8").splitlines()
    assert len(made) == len(lines) + 2
    return [new for new, old in zip(made[2:], lines, strict=True) if new != old]


def test_the_nginx_files_are_those_of_contrib_but_for_three_lines(tmp_path: Path) -> None:
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
    assert [line.split()[0] for line in changed("http.conf")] == ["server", "proxy_cache_path"]
    assert [line.split()[0] for line in changed("server.conf")] == ["access_log"]


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


def test_the_nginx_files_gate_a_server_as_the_container_has_it(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "index.html").write_text("a room")
    (tmp_path / "config.js").write_text("settings")
    with running_verifier(tmp_path, JWT_APP_ID="app", JWT_APP_SECRET=SECRET) as verifier:
        for name in ("http.conf", "server.conf"):
            text = (FOLDER / "nginx" / name).read_text("utf-8")
            for old, new in (
                ("jitsi-verifier:8090", f"127.0.0.1:{verifier.port}"),
                ("/dev/shm/jitsi-verifier", f"{tmp_path}/remembered"),  # noqa: S108  # to another
                ("/etc/nginx/jitsi-verifier/pages/", f"{CONTRIB}/nginx/pages/"),
            ):
                text = text.replace(old, new)
            (tmp_path / name).write_text(text)
        config = tmp_path / "nginx.conf"
        config.write_text(SERVER.format(folder=tmp_path, port=port))
        command = ["/usr/sbin/nginx", "-e", "stderr", "-p", str(tmp_path), "-c", str(config)]
        nginx = Program(command, tmp_path / "nginx.log", {})
        with contextlib.ExitStack() as stack:
            stack.callback(nginx.stop)
            nginx.wait_until(lambda: accepts(port), "nginx")
            good = token()
            assert send(port, f"/standup?jwt={good}").status == 200
            assert send(port, f"/other?jwt={good}").status == 403
            assert send(port, "/standup").status == 401
            assert send(port, "/config.js").status == 200
