"""A gated Jitsi behind a real proxy, or the requests of a proxy that cannot be installed here."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.support import raw_http
from tests.support.processes import free_port
from tests.support.upstream import RecordedRequest, Upstream
from tests.system.nginx.sites import Sidecar
from tests.system.proxies.allow_all import allow_all_server
from tests.system.proxies.auth_requests import AUTH_REQUESTS
from tests.system.proxies.cases import COOKIE, Case
from tests.system.proxies.programs import PROXIES

OPTIONS = {"VERIFIER_TOKEN_COOKIE": COOKIE, "VERIFIER_LOG_LEVEL": "debug"}

ALL_GATES = pytest.mark.parametrize("gate", [*PROXIES, *AUTH_REQUESTS], indirect=True)
REAL_GATES = pytest.mark.parametrize("gate", list(PROXIES), indirect=True)
GATES_WITH_PAGES = pytest.mark.parametrize("gate", ["caddy", "envoy"], indirect=True)
"""The pages of nginx have tests of their own, in ``tests/system/nginx``."""


class RealGate:
    """A real proxy, the sidecar, and a stand-in for the Jitsi behind them."""

    def __init__(self, name: str, folder: Path, upstream: Upstream) -> None:
        self.name, self.folder, self.upstream = name, folder, upstream
        self.sidecar = Sidecar(folder, OPTIONS)
        self.sidecar.start()
        self.proxy = PROXIES[name](folder / "proxy", self.sidecar.port, upstream.port)

    def ask(
        self, target: str, *headers: raw_http.Header, method: str = "GET", body: bytes = b""
    ) -> raw_http.Answer:
        """Ask the proxy, as a client from outside."""
        return raw_http.send(self.proxy.port, target, *headers, method=method, body=body)

    def forwarded(self, target: str, *headers: raw_http.Header) -> RecordedRequest:
        """Ask for something that is let in; give what arrived behind the proxy."""
        answer = self.ask(target, *headers)
        assert answer.status == 200, (target, answer.denial, answer.text)
        return RecordedRequest.from_json(answer.json())

    def check(self, case: Case) -> None:
        """Send a case's request, and compare what comes of it."""
        case, before = case.signed(), len(self.upstream.requests)
        answer = self.ask(case.target, *case.headers, method=case.method, body=case.body.encode())
        arrived = self.upstream.requests[before:]
        check_verdict(case, answer)
        assert len(arrived) == (case.refused is None)
        for forwarded in arrived:
            assert (forwarded.method, forwarded.target) == (case.method, case.target)
            assert forwarded.body == case.body
            assert forwarded.values("X-Jitsi-Room") == [case.room]
            assert forwarded.values("X-Jitsi-Tenant") == [case.tenant]

    @contextmanager
    def instead(self, **options: str) -> Iterator[None]:
        """Put a sidecar with other options in the place of this gate's."""
        listen = {"VERIFIER_LISTEN": f"127.0.0.1:{self.sidecar.port}"}
        other = Sidecar(self.folder, OPTIONS | listen | options)
        self.sidecar.stop()
        other.start()
        try:
            yield
        finally:
            other.stop()
            self.sidecar.start()

    @contextmanager
    def open_to_all(self) -> Iterator[list[RecordedRequest]]:
        """Put a stand-in in the place of the sidecar; give the questions that it is asked."""
        self.sidecar.stop()
        with allow_all_server(self.sidecar.port) as questions:
            yield questions
        self.sidecar.start()

    @contextmanager
    def without_jitsi(self) -> Iterator[None]:
        """Start a second proxy, with nothing behind it, in the place of this gate's."""
        whole = self.proxy
        self.proxy = PROXIES[self.name](self.folder / "alone", self.sidecar.port, free_port())
        try:
            yield
        finally:
            self.proxy.stop()
            self.proxy = whole

    def logs(self) -> str:
        """Everything that proxies and sidecar have written so far."""
        files = [self.sidecar.log, *sorted(self.folder.glob("*/logs/*"))]
        return "\n".join(file.read_text() for file in files)

    def stop(self) -> None:
        """Stop both."""
        self.proxy.stop()
        self.sidecar.stop()


class ReproducedGate:
    """A proxy's questions, and the sidecar's answers to them."""

    def __init__(self, name: str, folder: Path, upstream: Upstream) -> None:
        del upstream  # nothing is handed on
        self._question = AUTH_REQUESTS[name]
        self._sidecar = Sidecar(folder, OPTIONS)
        self._sidecar.start()

    def check(self, case: Case) -> None:
        """Ask about a case's request, and compare the answer."""
        case = case.signed()
        with socket.create_connection(("127.0.0.1", self._sidecar.port), timeout=20) as connection:
            connection.sendall(self._question(case))
            with HTTPResponse(connection) as response:
                response.begin()
                answer = raw_http.Answer(response.status, response.headers, response.read())
        check_verdict(case, answer)
        if case.refused is None:
            assert answer.headers["X-Jitsi-Room"] == case.room
            assert answer.headers["X-Jitsi-Tenant"] == case.tenant

    def logs(self) -> str:
        """Everything that the sidecar has written so far."""
        return self._sidecar.log.read_text()

    def stop(self) -> None:
        """Stop the sidecar."""
        self._sidecar.stop()


def check_verdict(case: Case, answer: raw_http.Answer) -> None:
    """Compare status and code with the case's."""
    if case.refused is None:
        assert answer.status == 200, (answer.denial, answer.text)
    elif case.refused == (0, ""):
        assert answer.status in {400, 401, 403}, (answer.status, answer.text)
    else:
        assert answer.denial == case.refused
