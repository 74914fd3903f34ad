"""The shipped files: complete, consistent about public targets, and valid for each proxy."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import CONTRIB
from tests.support.processes import Program, accepts, free_port
from tests.support.raw_http import send
from tests.system.proxies.cases import CASES, HIDDEN_SIGNALLING, PUBLIC_TARGETS
from tests.system.proxies.programs import BIN, Command, copy_with
from verifier.http.identity import identity_headers
from verifier.rules.model import Allow
from verifier.tokens.claims import Claims

IDENTITY = [*identity_headers(Allow(Claims({})), None), "X-Jitsi-Would-Deny"]
PLACES = ["caddy", "envoy", "haproxy", "traefik"]
IN_KUBERNETES = [
    f"kubernetes/{name}" for name in ("ingress.yaml", "traefik.yaml", "gateway-api.yaml")
]
PUBLIC = (
    r"libs|css|static|images|fonts|lang|sounds|connection_optimization|transcripts|\.well-known"
    r"|_api/public|colibri-ws|colibri-relay-ws|etherpad|socket\.io|rtcstats-ws"
)
SIGNALLING = "http-bind|xmpp-websocket|conference-request|room-info"
GATED_TARGETS = [case.target for case in CASES.values()]


def text(folder: str) -> str:
    """Return the text of a file in ``contrib``, or of all files of a folder without its pages."""
    one = CONTRIB / folder
    return one.read_text() if one.is_file() else "\n".join(map(Path.read_text, files(folder)))


def files(folder: str) -> list[Path]:
    return sorted(file for file in (CONTRIB / folder).iterdir() if file.is_file())


def run(*command: str | Path, cwd: Path = CONTRIB) -> str:
    """Run a command that has to succeed; return its output."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("folder", ["caddy", "haproxy", "traefik", *IN_KUBERNETES])
def test_every_identity_header_is_named(folder: str) -> None:
    """Envoy is left out: its file takes all headers that begin with ``x-jitsi-``."""
    named = set(re.findall(r"x-jitsi-[a-z-]+[a-z]", text(folder).lower()))
    others = {"x-jitsi-denial", "x-jitsi-redirect", "x-jitsi-handoff"}
    assert named - others == {name.lower() for name in IDENTITY}


@pytest.mark.parametrize("folder", [*PLACES, *IN_KUBERNETES[:2]])
def test_files_agree_about_public_targets(folder: str) -> None:
    assert text(folder).count(f"({PUBLIC})") == 1
    assert text(folder).count(SIGNALLING) == 1


def test_gateway_api_has_a_pattern_for_each_public_target() -> None:
    """Envoy Gateway tries the longest pattern first, so one pattern for all would be the first."""
    routes = yaml.safe_load_all(text("kubernetes/gateway-api.yaml"))
    paths = [
        match["path"]
        for route in routes
        if route["kind"] == "HTTPRoute"
        for match in route["spec"]["rules"][0]["matches"]
    ]
    patterns = [path["value"] for path in paths if path["type"] == "RegularExpression"]
    assert [f"/{name}/.*" for name in PUBLIC.split("|")] == [
        pattern for pattern in patterns if pattern.endswith("/.*")
    ]
    (never,) = [pattern for pattern in patterns if SIGNALLING in pattern]
    assert all(len(pattern) < len(never) for pattern in patterns if pattern != never)


def test_luacheck_reports_nothing() -> None:
    run("luacheck", "--no-color", "jitsi-verifier.lua", cwd=CONTRIB / "haproxy")


def test_haproxy_accepts_the_file_with_debians_own(tmp_path: Path) -> None:
    shutil.copytree(CONTRIB / "haproxy", tmp_path / "haproxy")
    file = tmp_path / "haproxy" / "jitsi-verifier.cfg"
    folder = "/etc/haproxy/jitsi-verifier/"
    file.write_text(file.read_text().replace(folder, f"{tmp_path}/haproxy/"))
    output = run("/usr/sbin/haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg", "-f", file)
    assert "WARNING" not in output


def test_caddy_files_are_formatted() -> None:
    for file in {*files("caddy")} - {*(CONTRIB / "caddy").glob("*.md")}:
        run(BIN / "caddy", "fmt", "--diff", file)


def test_envoy_accepts_the_file(tmp_path: Path) -> None:
    copied = tmp_path / "envoy"
    copy_with(copied, {"/etc/envoy/pages": str(copied / "pages")})
    output = run(BIN / "envoy", "--mode", "validate", "-c", copied / "envoy.yaml")
    assert "deprecated" not in output.lower()


def traefik_routers() -> dict[str, Any]:
    file = CONTRIB / "traefik" / "jitsi-verifier.yml"
    routers: dict[str, Any] = yaml.safe_load(file.read_text())["http"]["routers"]
    return routers


def test_only_the_public_router_of_traefik_is_not_gated() -> None:
    routers = traefik_routers()
    gated = {name for name, each in routers.items() if "jitsi-verifier" in each["middlewares"]}
    assert gated == routers.keys() - {"jitsi-public"}
    # Each removes what a client sent under the names of identity headers, before it asks.
    first = {each["middlewares"][0] for each in routers.values()}
    assert first == {"jitsi-verifier-headers"}


def test_matchers_of_traefik_have_the_arguments_of_version_3() -> None:
    one, two = {"Host", "Method", "PathRegexp"}, {"HeaderRegexp"}
    for router in traefik_routers().values():
        matchers = re.findall(r"(\w+)\(((?:`[^`]*`(?:, )?)*)\)", router["rule"])
        assert matchers
        for name, arguments in matchers:
            assert (
                arguments.count("`") // 2
                == {**dict.fromkeys(one, 1), **dict.fromkeys(two, 2)}[name]
            )


def test_traefik_keep_alives_are_websockets_urls_without_upgrade() -> None:
    router = traefik_routers()["jitsi-keep-alive"]
    assert "!HeaderRegexp(`Upgrade`, `.`)" in router["rule"]
    (pattern,) = re.findall(r"PathRegexp\(`(.*?)`\)", router["rule"])
    for path in ("/xmpp-websocket", "/acme/xmpp-websocket"):
        assert re.search(pattern, path)
    for path in ("/http-bind", "/xmpp-websockets", "/a/b/xmpp-websocket", "/standup"):
        assert not re.search(pattern, path)
    priorities = {name: each["priority"] for name, each in traefik_routers().items()}
    assert priorities["jitsi-keep-alive"] > priorities["jitsi-public"] > priorities["jitsi"]


def test_traefik_rule_passes_public_targets_only() -> None:
    rule = traefik_routers()["jitsi-public"]["rule"]
    (public, never) = re.findall(r"PathRegexp\(`(.*?)`\)", rule)
    assert re.fullmatch(r".* && PathRegexp\(.*\) && !PathRegexp\(.*\)", rule)

    def is_public(target: str) -> bool:
        path = target.partition("?")[0]
        # Go accepts (?i) inside a pattern, Python only at its beginning.
        found = re.search(never.replace("(?i)", ""), path, re.IGNORECASE)
        return bool(re.search(public, path)) and not found

    assert [target for target in PUBLIC_TARGETS if not is_public(target)] == []
    gated = [*GATED_TARGETS, *HIDDEN_SIGNALLING]
    assert [target for target in gated if is_public(target)] == []


@pytest.fixture
def ingress(tmp_path: Path) -> Iterator[int]:
    """Start an nginx with the locations that ingress-nginx makes of the Ingress paths."""
    paths = re.findall(r"- path: (.*)", (CONTRIB / "kubernetes" / "ingress.yaml").read_text())
    rules = "\n".join(
        f'location ~* "^{path}" {{ return 200 {"gated" if path == "/" else "public"}; }}'
        for path in sorted(paths, key=len, reverse=True)
    )
    port, file = free_port(), tmp_path / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    file.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr crit; events {{}}\n"
        f"http {{ access_log off; {temporary}\nserver {{ listen 127.0.0.1:{port};\n{rules}\n}} }}"
    )
    command: Command = ["/usr/sbin/nginx", "-p", tmp_path, "-c", file]
    program = Program(command, tmp_path / "output.log", {})
    program.wait_until(lambda: accepts(port), "nginx")
    yield port
    program.stop()


def test_ingress_paths_pass_public_targets_only(ingress: int) -> None:
    answers = {target: send(ingress, target) for target in [*PUBLIC_TARGETS, *GATED_TARGETS]}
    public = [target for target, answer in answers.items() if answer.text == "public"]
    assert sorted(public) == sorted(PUBLIC_TARGETS)
    # To nginx a path ends at a "#", here and in Jitsi's web server.
    hidden = [target for target in HIDDEN_SIGNALLING if "#" not in target]
    answers = {target: send(ingress, target) for target in hidden}
    assert [target for target, answer in answers.items() if answer.text == "public"] == []
    assert "gated" in {answer.text for answer in answers.values()}


def buffers(annotations: dict[str, str]) -> str:
    """Return the lines about buffers that ingress-nginx 1.13.0 makes of an Ingress."""
    start = "nginx.ingress.kubernetes.io/proxy-"
    size = annotations.get(f"{start}buffer-size", "4k")
    busy = annotations.get(f"{start}busy-buffers-size", "8k")
    number = annotations.get(f"{start}buffers-number", "4")
    return (
        f"proxy_buffer_size {size}; proxy_buffers {number} {size}; proxy_busy_buffers_size {busy};"
    )


def test_nginx_of_the_controller_accepts_the_buffers(tmp_path: Path) -> None:
    text = (CONTRIB / "kubernetes" / "ingress.yaml").read_text()
    ingresses = [each for each in yaml.safe_load_all(text) if each["kind"] == "Ingress"]
    annotations = [each["metadata"]["annotations"] for each in ingresses]
    file, body = tmp_path / "nginx.conf", "pid {0}/pid; events {{}} http {{ server {{ {1} }} }}"
    command: Command = ["/usr/sbin/nginx", "-t", "-q", "-e", "stderr", "-c", file]
    for each in annotations:
        file.write_text(body.format(tmp_path, buffers(each)))
        run(*command)
    incomplete = {name: value for name, value in annotations[0].items() if "busy" not in name}
    file.write_text(body.format(tmp_path, buffers(incomplete)))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "proxy_busy_buffers_size" in done.stderr
