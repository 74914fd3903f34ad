"""The service behind a real proxy, or behind the simulated requests of one."""

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
from tests.system.proxies.programs import OTHERS, PROXIES

OPTIONS = {"VERIFIER_TOKEN_COOKIE": COOKIE, "VERIFIER_LOG_LEVEL": "debug"}

ALL_GATES = pytest.mark.parametrize("gate", [*PROXIES, *AUTH_REQUESTS], indirect=True)
REAL_GATES = pytest.mark.parametrize("gate", list(PROXIES), indirect=True)
OTHER_GATES = pytest.mark.parametrize("gate", list(OTHERS), indirect=True)
GATES_WITH_PAGES = pytest.mark.parametrize("gate", ["caddy", "envoy"], indirect=True)
"""The pages of nginx have tests of their own, in ``tests/system/nginx``."""


class RealGate:
    """A real proxy, the service, and a recording upstream in the place of Jitsi."""

    def __init__(self, name: str, folder: Path, upstream: Upstream) -> None:
        self.name, self.folder, self.upstream = name, folder, upstream
        self.sidecar = Sidecar(folder, OPTIONS)
        self.sidecar.start()
        try:
            self.proxy = (PROXIES | OTHERS)[name](
                folder / "proxy", self.sidecar.port, upstream.port
            )
        except Exception:
            self.sidecar.stop()
            raise

    def send(
        self, target: str, *headers: raw_http.Header, method: str = "GET", body: bytes = b""
    ) -> raw_http.Answer:
        """Send a request to the proxy, as a client does."""
        return raw_http.send(self.proxy.port, target, *headers, method=method, body=body)

    def forwarded(self, target: str, *headers: raw_http.Header) -> RecordedRequest:
        """Send a request that is allowed; return the request that reached the upstream."""
        answer = self.send(target, *headers)
        assert answer.status == 200, (target, answer.denial, answer.text)
        return RecordedRequest.from_json(answer.json())

    def check(self, case: Case) -> None:
        """Send the request of a case, and compare the outcome."""
        case, before = case.signed(), len(self.upstream.requests)
        answer = self.send(case.target, *case.headers, method=case.method, body=case.body.encode())
        arrived = self.upstream.requests[before:]
        check_outcome(case, answer)
        assert len(arrived) == (case.denial is None)
        for forwarded in arrived:
            assert (forwarded.method, forwarded.target) == (case.method, case.target)
            assert forwarded.body == case.body
            assert forwarded.values("X-Jitsi-Room") == [case.room]
            assert forwarded.values("X-Jitsi-Tenant") == [case.tenant]

    @contextmanager
    def with_options(self, **options: str) -> Iterator[Sidecar]:
        """Replace the service by one with more options, inside the context; yield it."""
        listen = {"VERIFIER_LISTEN": f"127.0.0.1:{self.sidecar.port}"}
        other = Sidecar(self.folder, OPTIONS | listen | options)
        self.sidecar.stop()
        other.start()
        try:
            yield other
        finally:
            other.stop()
            self.sidecar.start()

    @contextmanager
    def allowing_everything(self) -> Iterator[list[RecordedRequest]]:
        """Replace the service by one that allows everything; yield its list of auth requests."""
        self.sidecar.stop()
        with allow_all_server(self.sidecar.port) as requests:
            yield requests
        self.sidecar.start()

    @contextmanager
    def without_jitsi(self) -> Iterator[None]:
        """Replace the proxy by one with no Jitsi behind it, inside the context."""
        with_jitsi = self.proxy
        self.proxy = PROXIES[self.name](self.folder / "alone", self.sidecar.port, free_port())
        try:
            yield
        finally:
            self.proxy.stop()
            self.proxy = with_jitsi

    def logs(self) -> str:
        """Return all logs of the proxies and the service."""
        files = [self.sidecar.log, *sorted(self.folder.glob("*/logs/*"))]
        return "\n".join(file.read_text() for file in files)

    def stop(self) -> None:
        """Stop the proxy and the service."""
        self.proxy.stop()
        self.sidecar.stop()


class SimulatedGate:
    """The auth requests of a proxy that is not installed, and the service that answers them."""

    def __init__(self, name: str, folder: Path, upstream: Upstream) -> None:
        del upstream  # nothing is forwarded
        self._build_request = AUTH_REQUESTS[name]
        self._sidecar = Sidecar(folder, OPTIONS)
        self._sidecar.start()

    def check(self, case: Case) -> None:
        """Send the auth request of a case, and compare the answer."""
        case = case.signed()
        with socket.create_connection(("127.0.0.1", self._sidecar.port), timeout=20) as connection:
            connection.sendall(self._build_request(case))
            with HTTPResponse(connection) as response:
                response.begin()
                answer = raw_http.Answer(response.status, response.headers, response.read())
        check_outcome(case, answer)
        if case.denial is None:
            assert answer.headers["X-Jitsi-Room"] == case.room
            assert answer.headers["X-Jitsi-Tenant"] == case.tenant

    def logs(self) -> str:
        """Return the log of the service."""
        return self._sidecar.log.read_text()

    def stop(self) -> None:
        """Stop the service."""
        self._sidecar.stop()


def check_outcome(case: Case, answer: raw_http.Answer) -> None:
    """Compare status and denial code with those of the case."""
    if case.denial is None:
        assert answer.status == 200, (answer.denial, answer.text)
    elif case.denial == (0, ""):
        assert answer.status in {400, 401, 403}, (answer.status, answer.text)
    else:
        assert answer.denial == case.denial
