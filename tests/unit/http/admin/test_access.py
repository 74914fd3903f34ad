"""Access to the admin address: the requests that browsers send for pages of other sites."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import RunningVerifier, free_port, running_verifier
from tests.support.tokens import SECRET

JSON = {"Content-Type": "application/json"}
OPTIONS: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
ADMIN_TOKEN = "letmein-letmein"
BEARER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    with running_verifier(tmp_path_factory.mktemp("guarded"), **OPTIONS) as running:
        yield running


@pytest.fixture(scope="module")
def behind_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    folder = tmp_path_factory.mktemp("behind a token")
    with running_verifier(folder, **OPTIONS, VERIFIER_ADMIN_TOKEN=ADMIN_TOKEN) as running:
        yield running


def ask(
    verifier: RunningVerifier,
    method: str = "POST",
    path: str = "/v1/explain",
    headers: Mapping[str, str] = JSON,
    body: str | None = '{"token": "a.b.c"}',
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return response.status, json.loads(response.read() or "{}").get("detail", "")
    finally:
        connection.close()


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
def test_bodies_of_forms_are_refused(verifier: RunningVerifier, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert ask(verifier, headers=headers) == (415, "Content-Type: expected application/json")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_is_accepted_in_every_spelling(verifier: RunningVerifier, kind: str) -> None:
    assert ask(verifier, headers={"Content-Type": kind})[0] == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "nonsense"])
def test_requests_of_other_sites_pages_are_refused(verifier: RunningVerifier, site: str) -> None:
    status, detail = ask(verifier, headers=JSON | {"Sec-Fetch-Site": site})
    assert (status, detail) == (403, "expected no request from another site's page")


PAGES = ["/", "/dashboard", "/codes", "/openapi.json"]
EVERY_PATH = ["/metrics", "/healthz", "/readyz", *PAGES, "/v1/keys"]


@pytest.mark.parametrize("path", [*EVERY_PATH, "/v1/hosts", "/v1/revocations", "/nothing"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "none, cross-site"])
def test_other_sites_pages_may_not_read_either(
    verifier: RunningVerifier, path: str, site: str
) -> None:
    for method in ("GET", "HEAD"):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        assert status_of(verifier, path, headers, method) == 403


@pytest.mark.parametrize("path", EVERY_PATH)
def test_probes_and_own_pages_may_read(verifier: RunningVerifier, path: str) -> None:
    assert status_of(verifier, path, {}) == 200
    for site in ("none", "same-origin"):
        assert status_of(verifier, path, {"Sec-Fetch-Site": site}) == 200


@pytest.mark.parametrize("path", EVERY_PATH)
def test_other_sites_may_link_to_pages_only(verifier: RunningVerifier, path: str) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    is_page = path in PAGES
    opened = status_of(verifier, path, link | {"Sec-Fetch-Dest": "document"})
    assert opened == (200 if is_page else 403)
    for embedded in ({}, {"Sec-Fetch-Dest": "iframe"}, {"Sec-Fetch-Dest": "object"}):
        assert status_of(verifier, path, link | embedded) == 403


def status_of(
    verifier: RunningVerifier, path: str, headers: Mapping[str, str], method: str = "GET"
) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    try:
        connection.request(method, path, headers=dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_origin_is_compared_with_the_host(verifier: RunningVerifier) -> None:
    own = f"http://127.0.0.1:{verifier.admin}"
    assert ask(verifier, headers=JSON | {"Origin": own})[0] == 200
    for other in ("https://evil.example", "null", "http://127.0.0.1", f"{own}0", "", "file://"):
        assert ask(verifier, headers=JSON | {"Origin": other})[0] == 403, other


def test_sec_fetch_site_counts_more_than_origin(
    verifier: RunningVerifier,
) -> None:
    origin = {"Origin": "https://admin.example.org"}
    assert ask(verifier, headers=JSON | origin)[0] == 403
    for site in ("same-origin", "none"):
        assert ask(verifier, headers=JSON | origin | {"Sec-Fetch-Site": site})[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/explain", "/v1/keys", "/v1/anything-of-the-future"])
def test_every_changing_method_is_guarded_on_every_path(
    verifier: RunningVerifier, method: str, path: str
) -> None:
    evil = {"Origin": "https://evil.example"}
    assert ask(verifier, method, path, JSON | evil, "{}")[0] == 403
    assert ask(verifier, method, path, JSON | evil, None)[0] == 403


def test_a_preflight_is_refused(verifier: RunningVerifier) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    connection.request(
        "OPTIONS",
        "/v1/explain",
        headers={
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 403
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", ["/v1/explain", "/v1/keys", "/v1/hosts"])
@pytest.mark.parametrize(
    "host", ["evil.example:8091", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"]
)
def test_rebound_names_are_refused(verifier: RunningVerifier, path: str, host: str) -> None:
    # The browser takes this for the same origin, and says so in the headers.
    rebound = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    method = "POST" if path == "/v1/explain" else "GET"
    status, detail = ask(verifier, method, path, JSON | rebound)
    assert status == 403
    assert detail.startswith("Host: expected localhost or a loopback address")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:9000", "127.0.0.1:9000", "127.1.2.3", "[::1]:80", "a.localhost:1"],
)
def test_local_names_are_served(verifier: RunningVerifier, host: str) -> None:
    assert ask(verifier, "GET", "/v1/keys", {"Host": host}, None)[0] == 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/"])
def test_open_endpoints_accept_every_name(verifier: RunningVerifier, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    connection.request("GET", path, headers={"Host": "prometheus-target.example:8091"})
    assert connection.getresponse().status == 200
    connection.close()


def test_with_an_admin_token_any_name_is_accepted(behind_token: RunningVerifier) -> None:
    host = {"Host": "admin.example.org"}
    assert ask(behind_token, headers=JSON | host)[0] == 401
    assert ask(behind_token, headers=JSON | host | BEARER)[0] == 200
    assert ask(behind_token, headers=JSON | BEARER | {"Origin": "https://evil.example"})[0] == 403
    assert ask(behind_token, headers=BEARER)[0] == 415


@pytest.mark.slow
def test_a_unix_socket_accepts_any_name(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    port = free_port()
    given = OPTIONS | {"VERIFIER_LISTEN": f"127.0.0.1:{port}"}
    with running_verifier(
        tmp_path, wait=False, **given | {"VERIFIER_ADMIN_LISTEN": f"unix:{path}"}
    ) as running:
        running.wait_for_log("serving")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /v1/keys HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_requests_without_a_host_are_served(verifier: RunningVerifier) -> None:
    with socket.create_connection(("127.0.0.1", verifier.admin)) as client:
        client.sendall(b"GET /v1/keys HTTP/1.0\r\n\r\n")
        assert b" 200 OK" in client.recv(4096)
