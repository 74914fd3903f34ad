"""Requests as bytes: how each endpoint is asked, and plain forged tokens to compare with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.support.costs.modes import KEY_ID, PUBLIC_KEY_MODES
from tests.support.tokens import segment

HOST: Final = "meet.example.org"
ROOM_JID: Final = "standup@conference.meet.example.org"
LONGEST_TOKEN: Final = 15_800
"""Bytes of a token that fits into a header field beside a path."""

Field = tuple[str, str]

_CLAIMS: Final = {
    "iss": "app",
    "aud": "jitsi",
    "sub": HOST,
    "room": "standup",
    "exp": 4_000_000_000,
    "context": {"user": {"id": "u-1", "name": "Ada", "email": "ada@example.org"}},
}
_HEADERS: Final = {
    "HS256": {"typ": "JWT", "alg": "HS256"},
    "RS256": {"typ": "JWT", "alg": "RS256", "kid": KEY_ID},
}
# Less than any modulus, so that it has to be verified.
_SIGNATURES: Final = {"HS256": b"\x01" + bytes(31), "RS256": b"\x01" + b"\x5a" * 255}


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        endpoint: The endpoint that it is for, as it is written in ``ENDPOINTS``.
        name: What is particular about it.
        data: Its bytes.
        admin: Whether it goes to the admin address.
    """

    endpoint: str
    name: str
    data: bytes
    admin: bool = False


def write(method: str, target: str, fields: Sequence[Field], body: bytes = b"") -> bytes:
    """Return a request; bytes that are not UTF-8 are lone surrogates in the arguments."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def ask_auth(uri: str, *more: Field, host: str = HOST) -> bytes:
    """Return the request of nginx about a client's path and query."""
    return write("GET", "/auth", [("Host", host), ("X-Original-URI", uri), *more])


def ask_auth_url(uri: str, *more: Field, host: str = HOST) -> bytes:
    """Return the request of ingress-nginx."""
    fields = [("Host", "sidecar"), ("X-Original-URL", f"https://{host}{uri}"), *more]
    return write("GET", "/auth-url", fields)


def ask_forward_auth(uri: str, *more: Field, host: str = HOST) -> bytes:
    """Return the request of Traefik, Caddy or HAProxy."""
    fields = [("Host", "sidecar"), ("X-Forwarded-Host", host), ("X-Forwarded-Uri", uri), *more]
    return write("GET", "/forward-auth", fields)


def ask_ext_authz(uri: str, *more: Field, host: str = HOST) -> bytes:
    """Return the request of Envoy."""
    return write("GET", f"/ext-authz{uri}", [("Host", host), *more])


PROXY_ENDPOINTS: Final[dict[str, Callable[..., bytes]]] = {
    "/auth": ask_auth,
    "/auth-url": ask_auth_url,
    "/forward-auth": ask_forward_auth,
    "/ext-authz": ask_ext_authz,
}
"""The endpoints for proxies, each with the function that writes a request for it."""


def ask_verify(**members: object) -> bytes:
    """Return the request of a Prosody module."""
    return post_verify(json.dumps({"room_jid": ROOM_JID, "host": HOST} | members).encode())


def post_verify(body: bytes) -> bytes:
    """Return a request with this body."""
    fields = [("Host", HOST), ("Content-Type", "application/json")]
    return write("POST", "/v1/verify", fields, body)


def get(path: str, *more: Field, host: str = HOST) -> bytes:
    """Return a request for a path and query of either address."""
    return write("GET", path, [("Host", host), *more])


def ask_with_token(endpoint: str, token: str) -> bytes:
    """Return the usual request of an endpoint with a token.

    For an endpoint that reads no token, it is a request for ``/auth``.
    """
    if endpoint in PROXY_ENDPOINTS:
        return PROXY_ENDPOINTS[endpoint](f"/standup?jwt={token}")
    if endpoint == "/v1/verify":
        return ask_verify(token=token)
    if endpoint == "/access":
        return get("/access", ("Authorization", f"Bearer {token}"))
    if endpoint == "/check_password":
        return get(f"/check_password?user=u&server={HOST}&pass={token}")
    return ask_auth(f"/standup?jwt={token}")


def forged_token(mode: str, length: int) -> str:
    """Return a plain token of about so many bytes, with a signature of no key."""
    algorithm = "RS256" if mode in PUBLIC_KEY_MODES else "HS256"
    head, signature = segment(_HEADERS[algorithm]), segment(_SIGNATURES[algorithm])
    plain = f"{head}.{segment(_CLAIMS)}.{signature}"
    padding = max(0, (min(length, LONGEST_TOKEN) - len(plain)) * 3 // 4 - len(', "pad": ""'))
    return f"{head}.{segment(_CLAIMS | {'pad': 'x' * padding})}.{signature}"


def plain_request(mode: str, endpoint: str, length: int) -> bytes:
    """Return a request of about so many bytes with a plain forged token."""
    around = len(ask_with_token(endpoint, ""))
    return ask_with_token(endpoint, forged_token(mode, length - around))
