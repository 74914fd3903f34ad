"""Requests with a token or a secret in every possible place, well-formed or malformed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.integration.secrecy.marks import bodies_about, bodies_with, disguises

DECISION_PATHS: Final = (
    "/auth",
    "/auth-url",
    "/forward-auth",
    "/ext-authz/standup",
    "/v1/verify",
    "/access",
    "/check_password",
    "/user_exists",
    "/asap/k.pem",
    "/healthz",
    "/nowhere",
)
ADMIN_PATHS: Final = (
    "/",
    "/metrics",
    "/healthz",
    "/readyz",
    "/v1/explain",
    "/v1/keys",
    "/v1/hosts",
    "/v1/revocations",
    "/openapi.json",
    "/dashboard",
    "/nowhere",
)
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get")
_TOKEN_HEADERS: Final = (
    "Authorization: Bearer {}",
    "Authorization: bearer  {}",
    "Authorization: {}",
    "Authorization: Basic {}",
    "Authorization: Bearer {0}\r\nAuthorization: Bearer {0}",
    "Cookie: jwt={}",
    "Cookie: other={0}; jwt={0}",
    "Cookie: __Host-jitsi-0123456789abcdef={}",
    "Cookie: {}",
    "X-Original-URI: /standup?jwt={}",
    "X-Original-URI: /standup?token={}&room=standup",
    "X-Original-URI: /http-bind?room=standup&token={}",
    "X-Original-URI: /standup?jwt={0}&jwt={0}",
    "X-Original-URI: /standup?other={}",
    "X-Original-URI: /standup#jwt={}",
    "X-Original-URL: https://meet.example.org/standup?jwt={}",
    "X-Original-URL: https://{0}@meet.example.org/standup?jwt={0}",
    "X-Forwarded-Host: meet.example.org\r\nX-Forwarded-Uri: /standup?jwt={}",
    "Proxy-Authorization: Bearer {}",
    "X-Jitsi-Handoff: 1\r\nX-Original-URI: /standup?jwt={}",
)
# Places where a client may put a token by mistake. Other values in these places are addresses and
# names, which the service logs.
_OTHER_HEADERS: Final = (
    "X-Original-URI: /{}",
    "X-Original-URI: /{0}/{0}",
    "X-Original-URI: {}",
    "X-Original-URI: /http-bind?room={}",
    "X-Original-URI: /{0}/http-bind?room={0}&prefix={0}",
    "X-Original-URL: https://meet.example.org/{}",
    "X-Original-URL: https://{}/standup",
    "X-Original-URL: {}",
    "X-Forwarded-Host: {}\r\nX-Forwarded-Uri: /standup",
    "X-Forwarded-Host: meet.example.org\r\nX-Forwarded-Uri: /{}",
    "X-Original-Method: {}\r\nX-Original-URI: /standup",
    "X-Forwarded-Method: {}",
    "X-Request-Id: {}\r\nX-Original-URI: /standup",
    "X-Real-IP: {}\r\nX-Original-URI: /standup",
    "traceparent: {}\r\nX-Original-URI: /standup",
    "traceparent: 00-{0}-{0}-01\r\nX-Original-URI: /standup",
    "Host: {}",
    "Referer: https://meet.example.org/standup?jwt={}",
    "User-Agent: {}",
    "Origin: https://{}",
    "Sec-Fetch-Site: {}",
    "Sec-Fetch-Dest: {}",
    "Content-Type: {}",
    "Content-Encoding: {}",
    "Content-Length: {}",
    "Transfer-Encoding: {}",
    "Upgrade: {}\r\nConnection: Upgrade",
    "Expect: {}",
    "Accept: {}",
    "{}: x",
    "{}",
    " {}",
    "X: \x00{}",
    "X: " + "y" * 17_000 + "{}",
)


def at_every_place(
    paths: tuple[str, ...], sent: str, methods: tuple[str, ...] = METHODS
) -> Iterator[bytes]:
    """Yield well-formed requests with a value in every place of a token."""
    for method in methods:
        for path in paths:
            yield _head(method, f"{path}?jwt={sent}&user=u&server=h&pass={sent}")
            yield _head(method, path, f"Authorization: Bearer {sent}")
    for path in paths:
        for header in _TOKEN_HEADERS:
            yield _head("GET", path, header.format(sent))
        for body in bodies_with(sent):
            yield _with_body("POST", path, body)
    for disguise in disguises(sent):
        yield _head("GET", f"/ext-authz/standup?jwt={disguise}")
        yield _head("GET", f"/check_password?user=u&server=h&pass={disguise}")
        yield _head("GET", "/auth", f"X-Original-URI: /standup?jwt={disguise}")
        yield _head("GET", "/access", f"Authorization: Bearer {disguise}")
        yield _with_body("POST", "/v1/verify", b'{"token": "%s"}' % disguise.encode())


def where_none_belongs(paths: tuple[str, ...], token: str) -> Iterator[bytes]:
    """Yield requests, many of them malformed, with a token in the place of another value."""
    for disguise in disguises(token):
        yield _head("GET", f"/ext-authz/{disguise}")
        yield _head("GET", f"/ext-authz/{disguise}/{disguise}?jwt={token}")
        yield _head("GET", f"/ext-authz/http-bind?room={disguise}&jwt={token}")
        yield _head("GET", f"/{disguise}")
        yield _head("GET", f"/asap/{disguise}.pem")
        yield _head("GET", "/auth", f"X-Original-URI: /{disguise}?jwt={token}")
        yield _head("GET", "/auth", f"X-Request-Id: {disguise}\r\nX-Original-URI: /standup")
    for path in paths:
        for body in bodies_about(token):
            yield _with_body("POST", path, body)
        for header in _OTHER_HEADERS:
            yield _head("GET", path, header.format(token))
            yield _with_body(
                "POST", path, b'{"token": "%s"}' % token.encode(), header.format(token)
            )
        yield f"{token} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        yield f"GET {path} {token}\r\nHost: a\r\n\r\n".encode()
        yield f"GET {path} HTTP/1.1{token}\r\nHost: a\r\n\r\n".encode()
        yield f"GET {path}?{'y' * 17_000}{token} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        yield f"GET {path}?jwt={token} HTTP/1.0\r\n\r\n".encode()
        yield f"GET http://{token}{path}?jwt={token} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        yield f"GET {path}?jwt={token}\r\n\r\n".encode()
        yield f"CONNECT {token} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        yield _chunked(path, f"{len(token):x};{token}\r\n{token}\r\n0\r\nX: {token}\r\n\r\n")
    yield token.encode() + b"\r\n\r\n"
    yield b"\x16\x03\x01" + token.encode() + b"\r\n\r\n"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + token.encode()


def _head(method: str, target: str, fields: str = "") -> bytes:
    host = "" if fields.startswith("Host:") else "Host: 127.0.0.1\r\n"
    own = f"{fields}\r\n" if fields else ""
    return f"{method} {target} HTTP/1.1\r\n{host}{own}Connection: close\r\n\r\n".encode()


def _with_body(method: str, path: str, body: bytes, fields: str = "") -> bytes:
    kind = "" if fields.startswith("Content-Type") else "Content-Type: application/json\r\n"
    length = "" if fields.startswith("Content-Length") else f"Content-Length: {len(body)}\r\n"
    own = f"{fields}\r\n" if fields else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}{length}{own}"
    return f"{head}Connection: close\r\n\r\n".encode() + body


def _chunked(path: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    return f"{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{body}".encode()
