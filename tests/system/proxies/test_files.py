"""The shipped files themselves: complete, of one mind about what is public, and in good form."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import CONTRIB
from tests.support.processes import Program, accepts, free_port
from tests.support.raw_http import send
from tests.system.proxies.cases import CASES, STATIC
from tests.system.proxies.programs import BIN, Command, copy_with
from verifier.http.responses import identity_headers
from verifier.rules.model import Allow
from verifier.tokens.claims import Claims

IDENTITY = [*identity_headers(Allow(Claims({})), None), "X-Jitsi-Would-Deny"]
FOLDERS = ["caddy", "envoy", "haproxy", "traefik", "kubernetes"]
PUBLIC = (
    r"libs|css|static|images|fonts|lang|sounds|connection_optimization|transcripts|\.well-known"
    r"|colibri-ws|colibri-relay-ws|etherpad|socket\.io|rtcstats-ws"
)
WORDS = "http-bind|xmpp-websocket|conference-request|room-info"
GATED = [case.target for case in CASES.values()]


def text(folder: str) -> str:
    """Everything in a folder of ``contrib`` but its pages."""
    return "\n".join(file.read_text() for file in files(folder))


def files(folder: str) -> list[Path]:
    return sorted(file for file in (CONTRIB / folder).iterdir() if file.is_file())


def run(*command: str | Path, cwd: Path = CONTRIB) -> str:
    """Run a check; give what it says."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("folder", ["caddy", "haproxy", "traefik", "kubernetes"])
def test_every_identity_header_is_taken_from_the_sidecar(folder: str) -> None:
    """Envoy takes all that begin with ``x-jitsi-``."""
    named = set(re.findall(r"x-jitsi-[a-z-]+[a-z]", text(folder).lower()))
    others = {"x-jitsi-denial", "x-jitsi-redirect", "x-jitsi-handoff"}
    assert named - others == {name.lower() for name in IDENTITY}


@pytest.mark.parametrize("folder", FOLDERS)
def test_all_agree_about_what_is_public(folder: str) -> None:
    assert text(folder).count(f"({PUBLIC})") == 1
    assert text(folder).count(WORDS) == 1


def test_the_lua_is_clean() -> None:
    run("luacheck", "--no-color", "jitsi-verifier.lua", cwd=CONTRIB / "haproxy")


def test_haproxy_finds_no_fault_in_it_beside_debians_own_file(tmp_path: Path) -> None:
    shutil.copytree(CONTRIB / "haproxy", tmp_path / "haproxy")
    file = tmp_path / "haproxy" / "jitsi-verifier.cfg"
    folder = "/etc/haproxy/jitsi-verifier/"
    file.write_text(file.read_text().replace(folder, f"{tmp_path}/haproxy/"))
    said = run("/usr/sbin/haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg", "-f", file)
    assert "WARNING" not in said


def test_the_caddy_files_have_caddys_own_form() -> None:
    for file in {*files("caddy")} - {*(CONTRIB / "caddy").glob("*.md")}:
        run(BIN / "caddy", "fmt", "--diff", file)


def test_envoy_finds_no_fault_in_its_file(tmp_path: Path) -> None:
    copied = tmp_path / "envoy"
    copy_with(copied, {"/etc/envoy/pages": str(copied / "pages")})
    said = run(BIN / "envoy", "--mode", "validate", "-c", copied / "envoy.yaml")
    assert "deprecated" not in said.lower()


def test_traefiks_rule_lets_nothing_pass_but_what_is_public() -> None:
    (rule,) = re.findall(r"rule: '(.*PathRegexp.*)'", text("traefik"))
    (public, never) = re.findall(r"PathRegexp\(`(.*?)`\)", rule)
    assert re.fullmatch(r".* && PathRegexp\(.*\) && !PathRegexp\(.*\)", rule)

    def is_public(target: str) -> bool:
        path = target.partition("?")[0]
        # Go's (?i) counts from where it stands, Python's from the beginning.
        found = re.search(never.replace("(?i)", ""), path, re.IGNORECASE)
        return bool(re.search(public, path)) and not found

    assert [target for target in STATIC if not is_public(target)] == []
    assert [target for target in GATED if is_public(target)] == []


@pytest.fixture
def ingress(tmp_path: Path) -> Iterator[int]:
    """Start an nginx with the locations that the controller makes of the Ingress paths."""
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


def test_the_ingress_paths_let_nothing_pass_but_what_is_public(ingress: int) -> None:
    answers = {target: send(ingress, target) for target in [*STATIC, *GATED]}
    public = [target for target, answer in answers.items() if answer.text == "public"]
    assert sorted(public) == sorted(STATIC)
