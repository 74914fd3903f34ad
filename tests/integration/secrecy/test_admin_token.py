"""The admin token: only a request with exactly this token is allowed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import (
    COMMAND,
    RunningVerifier,
    free_port,
    get,
    running_verifier,
    wait_until,
)
from tests.support.tokens import SECRET

TOKEN = "letmein-letmein-letmein-letmein-0"
OPTIONS: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
GUARDED = ("/v1/explain", "/v1/keys", "/v1/hosts", "/v1/revocations", "/v1/what-is-yet-to-come")
OPEN = ("/metrics", "/healthz", "/readyz", "/", "/dashboard")

HELD = 64  # wrong tokens that wait for their answers at the same time
WRONG = [
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
]


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


def test_requests_without_exact_token_are_refused(guarded: RunningVerifier) -> None:
    paths = (*GUARDED, f"/v1/keys?token={TOKEN}", f"/v1/keys?access_token={TOKEN}")
    # At the same time, because each wrong token makes the next answer later.
    with ThreadPoolExecutor(HELD) as clients:
        requests = [
            (path, fields, clients.submit(ask, guarded, path, fields))
            for path in paths
            for fields in WRONG
        ]
    for path, fields, request in requests:
        assert request.result().startswith(b"HTTP/1.1 401 "), (path, fields)
        assert b"WWW-Authenticate: Bearer" in request.result()


def test_flood_of_wrong_tokens_does_not_lock_out_the_operator(tmp_path: Path) -> None:
    guess = b"GET /v1/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %d\r\n\r\n"
    right = f"Authorization: Bearer {TOKEN}"
    with (
        running_verifier(tmp_path, **OPTIONS, VERIFIER_ADMIN_TOKEN=TOKEN) as running,
        contextlib.ExitStack() as stack,
    ):
        address = ("127.0.0.1", running.admin)
        guesses = [stack.enter_context(socket.create_connection(address)) for _ in range(200)]
        for number, client in enumerate(guesses):
            client.sendall(guess % number)
        # Of these, some are answered early, some wait, and those beyond are closed unanswered.
        wait_until(lambda: wrong_tokens(running) == 200, "200 wrong tokens")
        assert ask(running, "/v1/keys", right).startswith(b"HTTP/1.1 200 ")
        answers = [read_or_closed(client) for client in guesses]
        answered = [answer for answer in answers if answer.startswith(b"HTTP/1.1 401 ")]
        assert HELD <= len(answered) < 2 * HELD
        assert answers.count(b"") == 200 - len(answered)
        assert "internal error" not in running.log
        lines = [line for line in running.log.splitlines() if "wrong admin token" in line]
        assert sum(json.loads(line)["count"] for line in lines) == 200
        assert {json.loads(line)["client"] for line in lines} == {"127.0.0.1"}


def wrong_tokens(running: RunningVerifier) -> float:
    text = get(running.admin, "/metrics").body
    found = re.search(r"^jitsi_verifier_admin_wrong_tokens_total (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def read_or_closed(client: socket.socket) -> bytes:
    client.settimeout(20)
    try:
        return client.recv(65_536)
    except ConnectionResetError:
        return b""


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
@pytest.mark.parametrize("token", ["", "fifteen-letters", "two words", "t\u00f6ken", "tab\t"])
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
