"""The service neither sends nor writes a piece of a token or secret, whatever it receives."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.integration.secrecy.floods import (
    ADMIN_PATHS,
    DECISION_PATHS,
    at_every_place,
    where_none_belongs,
)
from tests.integration.secrecy.marks import PIECE, Marks, forms, marked, token
from tests.support.processes import (
    COMMAND,
    RunningVerifier,
    free_port,
    running_verifier,
    wait_until,
)

SECRETS = {name: marked(name) for name in ("app_secret", "admin_token", "handoff_secret")}
TOKENS = {
    "a good token": token(SECRETS["app_secret"]),
    "a forged token": token(marked("a stranger")),
}
MARKS = Marks(SECRETS | TOKENS)
LINES_PER_SECOND = 100  # denials that are logged

# The hand-off returns a token to the client that sent it.
_HANDED_OFF = (b"Location:", b"X-Jitsi-Redirect:")

VARIANTS = (
    f"""
        log_format = "json"
        audit_log = "FOLDER/audit.log"
        tracing = true
        handoff = true
        token_cookie = "jwt"
        denied_redirect_url = "https://login.example.org/?why={{code}}&room={{room}}&back={{url}}"
        admin_token = "{SECRETS["admin_token"]}"
    """,
    """
        log_format = "console"
        mode = "report-only"
        workers = 2
    """,
)

_HELD = 64  # wrong admin tokens that a service holds at the same time


@dataclass
class Service:
    """A running service, and everything that it sends."""

    verifier: RunningVerifier
    port: int
    folder: Path
    sent: dict[str, str] = field(default_factory=dict)

    def send(self, request: bytes, *, admin: bool) -> bool:
        """Send on a new connection; return whether the response is a decision."""
        answer = exchange(self._address(request, admin), request)
        lines = answer.split(b"\r\n")
        kept = b"\r\n".join(each for each in lines if not each.startswith(_HANDED_OFF))
        self.sent[f"the answer to {request!r}"] = kept.decode("latin-1")
        return b"X-Jitsi-" in answer

    def written(self) -> dict[str, str]:
        """Return all files below the folder, except the configuration."""
        files = [each for each in self.folder.rglob("*") if each.is_file()]
        texts = {str(each): each.read_bytes().decode("latin-1") for each in files}
        return {name: text for name, text in texts.items() if not name.endswith(".toml")}

    def _address(self, request: bytes, admin: bool) -> Any:
        if admin:
            return "127.0.0.1", self.verifier.admin
        # Half of the requests go to each listener.
        unix = sum(request) % 2 == 0
        return str(self.folder / "listen.sock") if unix else ("127.0.0.1", self.port)


def flood(
    services: Sequence[Service],
    requests: Iterable[bytes],
    *,
    admin: bool = False,
    paced: bool = False,
) -> None:
    """Send each request to all services; ``paced`` stays below the rate limit of the log."""
    if admin:
        _flood_admin(services, list(requests))
        return
    second, refused = 0, 0
    for request in requests:
        if paced and refused >= LINES_PER_SECOND - 1:
            wait_until(partial(_is_over, second), "the next second")
        if second != (second := int(time.monotonic())):
            refused = 0
        refused += max([each.send(request, admin=False) for each in services])


def _flood_admin(services: Sequence[Service], requests: Sequence[bytes]) -> None:
    # At the same time, because a wrong admin token makes the answers to the next ones later.
    with ThreadPoolExecutor(_HELD * len(services)) as clients:
        sent = [
            clients.submit(each.send, request, admin=True)
            for request in requests
            for each in services
        ]
    for each in sent:
        each.result()


def _is_over(second: int) -> bool:
    return int(time.monotonic()) != second


def exchange(address: Any, request: bytes) -> bytes:
    """Send a request, and read until the connection is closed."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client, contextlib.suppress(ConnectionError):
        client.settimeout(20)
        client.connect(address)
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65_536), b""))
    return b""


class _Collector(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.received += self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Collector(ThreadingHTTPServer):
    """Receives spans."""

    received = b""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector(("127.0.0.1", 0), _Collector) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def service(
    folder: Path,
    collector: Collector,
    options: str,
    program: Sequence[str | Path] = (COMMAND, "serve"),
) -> Iterator[Service]:
    """Run the service with these options; it writes only below the folder."""
    config = folder / "verifier.toml"
    lines = [line.strip() for line in options.replace("FOLDER", str(folder)).splitlines()]
    config.write_text("\n".join(lines))
    for name in ("tmp", "home"):
        (folder / name).mkdir()
    port = free_port()
    environ: dict[str, Any] = {
        "VERIFIER_LISTEN": f"127.0.0.1:{port},unix:{folder}/listen.sock",
        "JWT_APP_ID": "app",
        "JWT_APP_SECRET": SECRETS["app_secret"],
        "VERIFIER_HANDOFF_SECRET": SECRETS["handoff_secret"],
        "VERIFIER_LOG_LEVEL": "debug",
        "TMPDIR": str(folder / "tmp"),
        "HOME": str(folder / "home"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "PYTHONDEVMODE": "1",
    }
    with running_verifier(folder, config, program=program, **environ) as verifier:
        yield Service(verifier, port, folder)


def test_flood_of_marked_secrets_leaves_no_piece(tmp_path: Path, collector: Collector) -> None:
    with contextlib.ExitStack() as stack:
        services = []
        for number, options in enumerate(VARIANTS):
            folder = tmp_path / str(number)
            folder.mkdir()
            services.append(stack.enter_context(service(folder, collector, options)))
        good, forged = TOKENS["a good token"], TOKENS["a forged token"]
        flood(services, at_every_place(DECISION_PATHS, good), paced=True)
        flood(services, where_none_belongs(DECISION_PATHS, good), paced=True)
        flood(services, at_every_place(ADMIN_PATHS, good), admin=True)
        flood(services, where_none_belongs(ADMIN_PATHS, forged), admin=True)
        for sent in (forged, SECRETS["app_secret"]):
            flood(services, at_every_place(DECISION_PATHS, sent, ("GET",)))
        for sent in (SECRETS["app_secret"], SECRETS["admin_token"]):
            flood(services, at_every_place(ADMIN_PATHS, sent, ("GET",)), admin=True)
        flood(services, as_operator(), admin=True)
    texts = {"spans": collector.received.decode("latin-1")}
    for running in services:
        assert "Traceback" not in running.verifier.log
        texts |= running.sent | running.written()
    assert MARKS.where(texts) == []


# The service without the function that hides tokens.
_LEAKING = """
import sys
from verifier import log
from verifier.observability import audit_log
log.loggable = audit_log.loggable = lambda value: value
from verifier.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_leaking_service_is_detected(tmp_path: Path, collector: Collector) -> None:
    program = (sys.executable, "-c", _LEAKING, "serve")
    sent, closing = TOKENS["a good token"], "Host: a\r\nConnection: close\r\n\r\n"
    with service(tmp_path, collector, VARIANTS[0], program) as running:
        flood([running], [f"GET /ext-authz/{sent} HTTP/1.1\r\n{closing}".encode()])
    reports = MARKS.where(running.sent | running.written())
    assert {report.partition(": ")[0].rpartition("/")[2] for report in reports} == {
        "audit.log",
        running.verifier.log_path.name,
    }


@pytest.mark.parametrize("form", [*forms(SECRETS["app_secret"])])
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_twelve_characters_are_found_in_every_encoding(
    form: str, change: Callable[[str], str]
) -> None:
    for at in range(0, len(form) - PIECE, 7):
        piece = change(form[at : at + PIECE])
        assert MARKS.found(f"room={piece}") == {"app_secret"}
        assert not MARKS.found(f"room={piece[:-1]} {piece[-1]}")


def test_admin_commands_print_no_piece_of_a_secret(tmp_path: Path, collector: Collector) -> None:
    printed = {}
    good = TOKENS["a good token"]
    link = f"https://meet.example.org/standup?jwt={good}"
    options = VARIANTS[0] + f'revocation_store = "sqlite:///{tmp_path}/revocations.db"'
    with service(tmp_path, collector, options) as running:
        for command in (
            ("revoke", good),
            ("revoke", link, "--json"),
            ("revoke", TOKENS["a forged token"]),
            ("revoke", "--room", "standup", "--reason", f"they had {good}"),
            ("revoke", "--room", "standup", "--reason", "they had it"),
            ("revocations",),
            ("revocations", "--json"),
            ("revoke", "--undo", good),
        ):
            config = ["--config", str(tmp_path / "verifier.toml")]
            environ = running.verifier.environ
            done = subprocess.run(
                [COMMAND, *command, *config], env=environ, capture_output=True, check=False
            )
            printed[str(command)] = (done.stdout + done.stderr).decode()
    assert "they had" in printed["('revocations',)"]
    assert MARKS.where(printed | running.written()) == []


def test_unreachable_store_is_reported_without_password(
    tmp_path: Path, collector: Collector
) -> None:
    password = marked("redis password")
    url = f"redis://verifier:{password}@127.0.0.1:{free_port()}/0"
    options = VARIANTS[1] + f'revocation_store = "{url}"\n'
    with service(tmp_path, collector, options) as running:
        good = TOKENS["a good token"]
        flood([running], at_every_place(DECISION_PATHS, good, ("GET",)))
        flood([running], at_every_place(ADMIN_PATHS, good, ("GET",)), admin=True)
        for command in (["check-config"], ["revoke", good], ["revocations"]):
            line = [str(COMMAND), *command, "--config", str(tmp_path / "verifier.toml")]
            environ = running.verifier.environ
            done = subprocess.run(line, env=environ, capture_output=True, check=False)
            running.sent[str(command)] = (done.stdout + done.stderr).decode()
        running.verifier.wait_for_log("revocation store unavailable")
    everything = running.sent | running.written()
    assert Marks({"redis": password}).where(everything) == MARKS.where(everything) == []


def as_operator() -> Iterator[bytes]:
    """Yield a request with the admin token for every path of the admin address."""
    for path in ADMIN_PATHS:
        fields = f"Host: localhost\r\nAuthorization: Bearer {SECRETS['admin_token']}\r\n"
        yield f"GET {path} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n".encode()
