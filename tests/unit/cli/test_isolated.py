"""Commands without a network; and no command imports the web server except ``serve``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.access_logs import line, token
from tests.support.processes import COMMAND, wait_until
from tests.support.tokens import SECRET

ENVIRON = {
    "PATH": os.environ["PATH"],
    "JWT_APP_ID": "app",
    "JWT_APP_SECRET": SECRET,
    "XMPP_DOMAIN": "meet.jitsi",
}
# RFC 6761 reserves this name, so that it never exists.
UNREACHABLE = "https://keys.invalid/jwks"
_NAMESPACE = ("unshare", "--map-root-user", "--net")


@pytest.fixture(scope="module")
def isolated() -> tuple[str, ...]:
    """Return a prefix for commands that removes the network, if this system permits that."""
    allowed = subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False)
    return _NAMESPACE if allowed.returncode == 0 else ()


def outcome(
    isolated: tuple[str, ...], *arguments: str, stdin: str = "", **environ: str
) -> tuple[int, str]:
    done = subprocess.run(
        [*isolated, COMMAND, *arguments],
        env=ENVIRON | environ,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.slow
def test_commands_without_key_urls_need_no_network(isolated: tuple[str, ...]) -> None:
    assert outcome(isolated, "--version")[0] == 0
    assert outcome(isolated, "--help")[0] == 0
    assert outcome(isolated, "completion", "bash")[0] == 0
    status, minted = outcome(isolated, "mint", "--room", "standup")
    assert status == 0
    assert outcome(isolated, "explain", "-", "--room", "standup", stdin=minted)[0] == 0
    assert outcome(isolated, "replay", "-", stdin=line("/standup"))[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("option", ["JWT_CACHE_KEYS_URL", "JWT_ASAP_KEYSERVER"])
def test_keys_that_cannot_be_fetched_are_reported(isolated: tuple[str, ...], option: str) -> None:
    private = rsa.generate_private_key(65537, 2048)
    environ = {"JWT_APP_SECRET": "", option: UNREACHABLE}
    signed = [token(private, "RS256", f"k-{number}") for number in range(20)]
    status, out = outcome(isolated, "explain", "-", stdin=signed[0], **environ)
    assert status == 1
    assert "denied: keys-unavailable" in out
    assert "Key source" in out
    log = "".join(line(f"/standup?jwt={jwt}") for jwt in signed)
    status, out = outcome(isolated, "replay", "-", "--json", stdin=log, **environ)
    assert status == 0
    assert json.loads(out)["codes"] == {"keys-unavailable": 20}
    assert "https://keys.invalid" in json.loads(out)["notes"][0]


def test_serve_works_on_unix_sockets(isolated: tuple[str, ...], tmp_path: Path) -> None:
    gate, admin = tmp_path / "gate", tmp_path / "admin"
    environ = {"VERIFIER_LISTEN": f"unix:{gate}", "VERIFIER_ADMIN_LISTEN": f"unix:{admin}"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*isolated, COMMAND, "serve"], env=ENVIRON | environ, stdout=log, stderr=log
        )

    def healthy() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(gate))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return client.recv(100).startswith(b"HTTP/1.1 200")

    try:
        wait_until(healthy, "the service")
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["mint", "--room", "x"], ["explain", "a.b.c"], ["replay", os.devnull]],
)
def test_only_serve_imports_the_web_server(arguments: list[str]) -> None:
    code = (
        "import sys; from verifier.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=ENVIRON,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "verifier.cli.replay" in loaded
    assert not {"aiohttp.web", "aiohttp.web_app", "prometheus_client", "verifier.http"} & loaded
