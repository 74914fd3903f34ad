"""The admin token: only a request with exactly this token is allowed."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import COMMAND, RunningVerifier, free_port, running_verifier
from tests.support.tokens import SECRET

TOKEN = "letmein-letmein-letmein-letmein-0"
OPTIONS: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
GUARDED = ("/v1/explain", "/v1/keys", "/v1/hosts", "/v1/revocations", "/v1/what-is-yet-to-come")
OPEN = ("/metrics", "/healthz", "/readyz", "/", "/dashboard")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    folder = tmp_path_factory.mktemp("guarded")
    with running_verifier(folder, **OPTIONS, VERIFIER_ADMIN_TOKEN=TOKEN) as running:
        yield running


def ask(verifier: RunningVerifier, path: str, fields: str, method: str = "GET") -> bytes:
    """Send a request with these header lines, and return the response."""
    lines = "".join(f"{field}\r\n" for field in ("Host: a", "Connection: close", fields) if field)
    with socket.create_connection(("127.0.0.1", verifier.admin), timeout=10) as client:
        client.sendall(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "Authorization:",
        "Authorization: Bearer",
        "Authorization: Bearer ",
        f"Authorization: {TOKEN}",
        f"Authorization: Basic {TOKEN}",
        f"Authorization: Bearer{TOKEN}",
        f"Authorization: Bearer {TOKEN[:-1]}",
        f"Authorization: Bearer {TOKEN}0",
        f"Authorization: Bearer {TOKEN.upper()}",
        f'Authorization: Bearer "{TOKEN}"',
        f"Authorization: Bearer {TOKEN}, {TOKEN}",
        f"Authorization: Bearer {TOKEN}\xe4",
        f"Authorization: Bearer \xff{TOKEN}",
        f"Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}",
        f"Authorization: Bearer {TOKEN}\r\nauthorization: Basic x",
        f"Cookie: admin_token={TOKEN}",
        f"X-Admin-Token: {TOKEN}",
        f"Proxy-Authorization: Bearer {TOKEN}",
    ],
)
def test_request_without_exact_token_is_refused(guarded: RunningVerifier, fields: str) -> None:
    for path in (*GUARDED, f"/v1/keys?token={TOKEN}", f"/v1/keys?access_token={TOKEN}"):
        answer = ask(guarded, path, fields)
        assert answer.startswith(b"HTTP/1.1 401 "), (path, answer)
        assert b"WWW-Authenticate: Bearer" in answer


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_every_method_needs_the_token(guarded: RunningVerifier, method: str) -> None:
    for path in GUARDED:
        assert ask(guarded, path, "", method).startswith(b"HTTP/1.1 401 "), path


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer ", " Bearer"])
def test_authorization_scheme_ignores_case(guarded: RunningVerifier, scheme: str) -> None:
    fields = f"Authorization: {scheme} {TOKEN}"
    assert ask(guarded, "/v1/keys", fields).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", OPEN)
def test_health_metrics_and_pages_need_no_token(guarded: RunningVerifier, path: str) -> None:
    assert ask(guarded, path, "").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["//v1/keys", "/v1//keys", "/V1/keys", "/metrics/../v1/keys"])
def test_other_spellings_of_a_path_are_refused(guarded: RunningVerifier, path: str) -> None:
    assert ask(guarded, path, "").startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("address", ["[::]", "10.9.8.7"])
@pytest.mark.parametrize("token", ["", "two words", "t\u00f6ken", "tab\t"])
def test_reachable_admin_address_needs_a_usable_token(address: str, token: str) -> None:
    admin = {"VERIFIER_ADMIN_LISTEN": f"{address}:{free_port()}", "VERIFIER_ADMIN_TOKEN": token}
    environ = {"PATH": os.environ["PATH"], **OPTIONS, **admin}
    done = subprocess.run(
        [COMMAND, "serve"], env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == os.EX_CONFIG
    assert "admin_token" in done.stderr
    assert not token or token not in done.stderr


def test_token_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    file.write_text(f"{TOKEN}\n")
    with running_verifier(tmp_path, **OPTIONS, VERIFIER_ADMIN_TOKEN_FILE=str(file)) as running:
        right = f"Authorization: Bearer {TOKEN}"
        assert ask(running, "/v1/keys", right).startswith(b"HTTP/1.1 200 ")
        assert ask(running, "/v1/keys", "").startswith(b"HTTP/1.1 401 ")
