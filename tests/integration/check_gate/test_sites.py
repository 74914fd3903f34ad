"""Sites that cannot be asked, answer slowly or are no Jitsi; and what goes out on the wire."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.support.commands import Outcome
from tests.support.documents import Snippet, name_of, snippets
from tests.support.jitsi import Jitsi
from tests.support.processes import free_port, running
from tests.support.tls import tls_context
from tests.support.tokens import SECRET, sign
from verifier.check_gate import MAX_REQUESTS
from verifier.check_gate import asker as asker_module
from verifier.check_gate.asker import Asker, LimitError, Site
from verifier.check_gate.connection import Endpoint
from verifier.check_gate.model import Request, Server
from verifier.check_gate.questions import QUESTIONS
from verifier.cli import main

HOST = "meet.example.org"
Ask = Callable[..., Outcome]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return a function that asks the site on a port of this machine."""
    monkeypatch.setenv("JWT_APP_ID", "app")
    monkeypatch.setenv("JWT_APP_SECRET", SECRET)
    monkeypatch.setattr(asker_module, "PAUSE", 0)

    def call(port: int, *arguments: str, scheme: str = "http") -> Outcome:
        usual = "443" if scheme == "https" else "80"
        connect = f"{HOST}:{usual}:127.0.0.1:{port}"
        status = main(["check-gate", f"{scheme}://{HOST}", *arguments, "--connect-to", connect])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call


Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(respond: Respond) -> Iterator[int]:
    """Serve every GET, POST and OPTIONS by this function; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            respond(self)

        do_POST = do_OPTIONS = do_GET  # noqa: N815  # the base class's names

        def log_message(self, *_args: Any) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients leave early
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answering(status: int, body: str = "<html>x</html>", **headers: str) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": "text/html", **headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return respond


def assert_error(outcome: Outcome, *words: str) -> None:
    assert outcome.status == 1
    assert outcome.out == ""
    assert outcome.err.startswith(f"jitsi-verifier: http://{HOST}: ") or "https" in outcome.err
    assert outcome.err.count("\n") == 1
    for word in words:
        assert word in outcome.err


def test_site_that_refuses_connections_is_an_error(ask: Ask) -> None:
    assert_error(ask(free_port()), "connection refused")


def test_host_without_an_address_is_an_error(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    del ask  # it sets the configuration
    status = main(["check-gate", "https://meet.invalid"])
    assert_error(Outcome(status, *capsys.readouterr()), "https://meet.invalid")


def test_slow_site_is_an_error(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert_error(ask(silent.getsockname()[1], "--timeout", "1s"), "no answer within 1 s")


def test_site_that_is_no_jitsi_is_an_error(ask: Ask) -> None:
    with serving(answering(200)) as port:
        assert_error(ask(port), "not a Jitsi Meet", "/config.js")


@pytest.mark.parametrize("name", ["a..b", ".example.org", "a" * 70])
def test_name_that_no_host_can_have_is_an_error(ask: Ask, name: str) -> None:
    # The first entry is used.
    assert_error(ask(0, "--connect-to", f"::{name}:"), "http", "name of the host")


@contextmanager
def sending(start: bytes, piece: bytes) -> Iterator[int]:
    """Send these bytes to each client, the second ones without end; yield the port."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        while True:
            handler.wfile.write(piece)

    with serving(respond) as port:
        yield port


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\nA: ", b"b" * 60_000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000),
    ],
)
def test_answer_without_an_end_is_an_error(ask: Ask, start: bytes, piece: bytes) -> None:
    with sending(start, piece) as port:
        assert_error(ask(port), "no answer in the first")


def test_site_that_stops_answering_is_an_error(ask: Ask) -> None:
    answered: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        answered.append(handler.path)
        if len(answered) > 20:
            handler.server.server_close()
        answering(401)(handler)

    with serving(respond) as port:
        assert_error(ask(port), "connection refused", "fail2ban")


def test_run_that_a_limit_ends_does_not_hold(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/config.js":
            answering(200, "config", **{"Content-Type": "text/javascript"})(handler)
        else:
            safe = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
            answering(401, **safe)(handler)

    monkeypatch.setattr(asker_module, "MAX_REQUESTS", 2)
    with serving(respond) as port:
        outcome = ask(port)
    assert "the limit of 2 requests is reached" in outcome.out
    assert ("✗" in outcome.out, outcome.status) == (False, 1)


def test_error_pages_everywhere_are_an_error(ask: Ask) -> None:
    with serving(answering(502, "<html>Bad Gateway</html>")) as port:
        assert_error(ask(port), "not a Jitsi Meet", "502")


@pytest.mark.parametrize("target", [f"http://{HOST}/config.js", "https://other.example/"])
def test_redirects_are_named_and_not_followed(ask: Ask, target: str) -> None:
    with serving(answering(301, Location=target)) as port:
        assert_error(ask(port), "redirected", target.partition("://")[2].partition("/")[0])


def test_answer_that_is_not_http_is_an_error(ask: Ask) -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    with serving(respond) as port:
        assert_error(ask(port), "not HTTP")


DOCUMENTED = [each for each in snippets("sh") if each.document.name == "check-gate.md"]


@pytest.mark.parametrize("snippet", DOCUMENTED, ids=name_of)
def test_documented_command_asks_the_site(
    ask: Ask,
    snippet: Snippet,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del ask  # it sets the configuration
    token = sign({"room": "standup", "iss": "app", "aud": "jitsi", "sub": "*"})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(token.encode())))
    command, name, *given = snippet.text.partition("<")[0].split()
    assert (command, name) == ("jitsi-verifier", "check-gate")
    with tls_jitsi(HOST) as (port, certificate):
        (tmp_path / "ca.pem").write_text(certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        # The documents' address is the last entry, so that this one is used first.
        connect = ("--connect-to", f"{HOST}:443:127.0.0.1:{port}")
        assert main(["check-gate", *connect, *given]) == 1  # there is no gate
    captured = capsys.readouterr()
    assert "With a good token" in captured.out
    assert "eyJ" not in captured.out + captured.err


@contextmanager
def tls_jitsi(*names: str) -> Iterator[tuple[int, str]]:
    """Run a Jitsi over TLS; yield its port and its certificate."""
    alternatives = [x509.DNSName(name) for name in names]
    context, certificate = tls_context(alternatives, time.time() - 3600, time.time() + 3600)
    with running(Jitsi(context)) as jitsi:
        yield jitsi.port, certificate


def test_unknown_certificate_is_an_error(ask: Ask) -> None:
    with tls_jitsi(HOST) as (port, _):
        assert_error(ask(port, scheme="https"), "certificate", "--ca", "--insecure")


def test_certificate_of_another_host_is_an_error(ask: Ask, tmp_path: Path) -> None:
    with tls_jitsi("other.example") as (port, certificate):
        (tmp_path / "ca.pem").write_text(certificate)
        assert_error(ask(port, "--ca", str(tmp_path / "ca.pem"), scheme="https"), "certificate")


@pytest.mark.parametrize("trust", ["--ca", "--insecure"])
def test_own_certificates_can_be_accepted(ask: Ask, tmp_path: Path, trust: str) -> None:
    with tls_jitsi(HOST) as (port, certificate):
        (tmp_path / "ca.pem").write_text(certificate)
        arguments = [trust, *([str(tmp_path / "ca.pem")] if trust == "--ca" else [])]
        outcome = ask(port, *arguments, scheme="https")
    assert outcome.status == 1  # there is no gate
    assert "✓ config.js" in outcome.out


def test_site_without_tls_is_an_error_for_https(ask: Ask) -> None:
    with serving(answering(200)) as port:
        assert_error(ask(port, scheme="https"), "no TLS")


@pytest.fixture
def jitsi() -> Iterator[Jitsi]:
    """Run a Jitsi without a gate."""
    with running(Jitsi()) as server:
        yield server


def test_jitsi_without_a_gate_does_not_hold(ask: Ask, jitsi: Jitsi) -> None:
    outcome = ask(jitsi.port, "--json")
    document = json.loads(outcome.out)
    assert (outcome.status, document["holds"]) == (1, False)
    verdicts = {each["question"]: each["verdict"] for each in document["questions"]}
    assert verdicts["config.js"] == "holds"
    assert verdicts["BOSH, expired"] == "missed"
    assert document["requests"] <= MAX_REQUESTS
    assert set(jitsi.bodies) <= {"", "check-gate"}


def test_no_output_contains_a_token(ask: Ask, jitsi: Jitsi, tmp_path: Path) -> None:
    token = sign({"room": "standup", "iss": "app", "aud": "jitsi", "sub": "*"})
    (tmp_path / "token").write_text(token)
    for form in ([], ["--json"]):
        outcome = ask(jitsi.port, "--token", str(tmp_path / "token"), *form)
        assert "With a good token" in outcome.out
        assert "eyJ" not in outcome.out + outcome.err


def test_site_that_repeats_tokens_is_named_without_them(ask: Ask) -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        answering(401, f"<html>{handler.path}</html>", **{"X-Jitsi-Denial": handler.path})(handler)

    with serving(respond) as port:
        outcome = ask(port)
    assert '"no answer repeats a token"' in outcome.out
    assert "eyJ" not in outcome.out + outcome.err


def test_targets_go_out_byte_for_byte(ask: Ask) -> None:
    seen: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.requestline.split(" ")[1])
        answering(401)(handler)

    with serving(respond) as port:
        ask(port)
    asked = [each.request for each in QUESTIONS if each.request.server is Server.SITE]
    starts = {request.path.partition("?")[0] for request in asked}
    sent = {target.partition("?")[0] for target in seen}
    assert {path for path in starts if "{" not in path} - sent == set()


def test_rooms_of_the_given_tenant_are_asked_for(ask: Ask) -> None:
    seen: set[str] = set()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        seen.add(handler.path)
        answering(401)(handler)

    with serving(respond) as port:
        ask(port, "--tenant", "Acme", "--room", "Standup")
    assert {"/acme/http-bind?room=standup", "/acme/xmpp-websocket?room=standup"} <= seen


async def test_requests_beyond_the_limit_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asker_module, "PAUSE", 0)
    seen: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.path)
        answering(200)(handler)

    with serving(respond) as port:
        endpoints = {Server.SITE: Endpoint("127.0.0.1", port)}
        asker = Asker(Site(HOST, "room", "tenant", endpoints))
        for _ in range(MAX_REQUESTS):
            await asker.ask(Request("/"), "")
        with pytest.raises(LimitError):
            await asker.ask(Request("/"), "")
        await asker.close()
    assert len(seen) == MAX_REQUESTS


async def test_connection_that_the_server_has_closed_is_opened_again() -> None:
    with running(Jitsi()) as jitsi:
        asker = Asker(Site(HOST, "r", "t", {Server.SITE: Endpoint("127.0.0.1", jitsi.port)}))
        for path in ("/xmpp-websocket", "/config.js", "/xmpp-websocket"):
            answer = await asker.ask(Request(path, upgrade="xmpp" in path), "")
            assert answer.status == (101 if "xmpp" in path else 200)
        await asker.close()


def test_answer_longer_than_is_read_is_cut(ask: Ask) -> None:
    with serving(
        answering(200, "config" + "x" * 3_000_000, **{"Content-Type": "text/plain"})
    ) as port:
        assert ask(port).status == 1


def test_port_of_prosody_that_is_open_is_found(ask: Ask, jitsi: Jitsi) -> None:
    with running(Jitsi()) as other:
        outcome = ask(jitsi.port, "--json", "--connect-to", f"{HOST}:5280:127.0.0.1:{other.port}")
    verdicts = {each["question"]: each["verdict"] for each in json.loads(outcome.out)["questions"]}
    assert verdicts["BOSH on 5280"] == "missed"
