"""Heads as proxies send them, for tests that change them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.sidecar import NOW, mint
from verifier.http.original_request import CONVENTIONS

Field = tuple[str, str]

GOOD = mint()
TOKENS = {
    "good": GOOD,
    "other-room": mint(room="retro"),
    "expired": mint(exp=NOW - 1),
    "ends-now": mint(exp=NOW + 1),
    "forged": GOOD[:-6] + "AAAAAA",
    "no-token": "e30.e30",
    "strange": "%FF",
}
HOST = "meet.example.org"
ENDPOINTS = tuple(CONVENTIONS)


def proxy_request(
    endpoint: str, token: str | None = GOOD, room: str = "standup", host: str = HOST
) -> tuple[str, list[Field]]:
    """Return the target and the fields of a proxy's request; a room may have a query."""
    separator = "&" if "?" in room else "?"
    uri = f"/{room}" if token is None else f"/{room}{separator}jwt={token}"
    if endpoint == "auth":
        return "/auth", [("Host", host), ("X-Original-URI", uri)]
    if endpoint == "auth-url":
        return "/auth-url", [("Host", "sidecar"), ("X-Original-URL", f"https://{host}{uri}")]
    if endpoint == "forward-auth":
        fields = [("Host", "sidecar"), ("X-Forwarded-Host", host), ("X-Forwarded-Uri", uri)]
        return "/forward-auth", fields
    if endpoint == "ext-authz":
        return f"/ext-authz{uri}", [("Host", host)]
    raise NotImplementedError(f"write here how a proxy asks {endpoint}")


def write_head(
    method: str, target: str, fields: Sequence[Field], version: str = "HTTP/1.1"
) -> bytes:
    """Return a head; bytes that are not UTF-8 are lone surrogates in the arguments."""
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def head(
    endpoint: str = "auth",
    *more: Field,
    method: str = "GET",
    token: str = GOOD,
    room: str = "standup",
) -> bytes:
    """Return the head of a proxy's request, with more fields after its own."""
    target, fields = proxy_request(endpoint, token, room)
    return write_head(method, target, [*fields, *more])
