"""Heads as proxies send them, for tests that then do strange things to them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.sidecar import NOW, mint

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
ENDPOINTS = ("auth", "auth-url", "forward-auth", "ext-authz")


def question(
    endpoint: str, token: str | None = GOOD, room: str = "standup", host: str = HOST
) -> tuple[str, list[Field]]:
    """Give the target and the fields of a proxy's question; a room may have a query."""
    blank = "&" if "?" in room else "?"
    uri = f"/{room}" if token is None else f"/{room}{blank}jwt={token}"
    if endpoint == "auth":
        return "/auth", [("Host", host), ("X-Original-URI", uri)]
    if endpoint == "auth-url":
        return "/auth-url", [("Host", "sidecar"), ("X-Original-URL", f"https://{host}{uri}")]
    if endpoint == "forward-auth":
        fields = [("Host", "sidecar"), ("X-Forwarded-Host", host), ("X-Forwarded-Uri", uri)]
        return "/forward-auth", fields
    return f"/ext-authz{uri}", [("Host", host)]


def written(method: str, target: str, fields: Sequence[Field], version: str = "HTTP/1.1") -> bytes:
    """Write a head; bytes that are no characters are lone surrogates."""
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def head(
    endpoint: str = "auth",
    *more: Field,
    method: str = "GET",
    token: str = GOOD,
    room: str = "standup",
) -> bytes:
    """Write a proxy's question, and more fields behind its own."""
    target, fields = question(endpoint, token, room)
    return written(method, target, [*fields, *more])
