"""The cases of ``cases.toml``, and the targets that need no token. Independent of any proxy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.raw_http import Header
from tests.system.nginx.sites import mint

COOKIE = "jitsi_token"
"""The value of the option ``token_cookie``."""


@dataclass(frozen=True, slots=True)
class Case:
    """A request and its expected outcome.

    Attributes:
        name: What the case shows.
        target: The request target; ``{token}`` stands for the token.
        headers: Headers besides ``Host``.
        method: The method.
        body: The body.
        claims: Claims that replace the usual ones; ``padding`` makes a token of 8 KB.
        denial: Status and denial code; None if the request is allowed. 0 and "" if the proxy
            may also reject the request itself.
        room: The room in the identity headers.
        tenant: The tenant in the identity headers.
    """

    name: str
    target: str
    headers: tuple[Header, ...] = ()
    method: str = "GET"
    body: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    denial: tuple[int, str] | None = None
    room: str = "standup"
    tenant: str = "-"

    def signed(self) -> Case:
        """Return the case with a signed token in its target and headers."""
        token = mint(**self.claims)
        headers = [(name, value.replace("{token}", token)) for name, value in self.headers]
        target = self.target.replace("{token}", token)
        return replace(self, target=target, headers=tuple(headers))


def _read(name: str, target: str, differences: dict[str, Any]) -> Case:
    headers = tuple((key, value) for key, value in differences.pop("headers", ()))
    denial = tuple(differences.pop("denial", ())) or None
    claims = differences.pop("claims", {})
    if "padding" in claims:
        claims["padding"] *= 6_000
    return Case(name, target, headers, claims=claims, denial=denial, **differences)


_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))

CASES = {
    f"{group}: {name}": _read(name, target, differences)
    for group, rows in _TABLE.items()
    for name, target, differences in rows
}

PUBLIC_TARGETS = [
    "/",
    "/?lang=de",
    "/config.js?v=1",
    "/acme/config.js",
    "/interface_config.js",
    "/external_api.js",
    "/manifest.json",
    "/acme/manifest.json",
    "/pwa-worker.js",
    "/favicon.ico",
    "/robots.txt",
    "/libs/app.bundle.min.js?v=8000",
    "/css/all.css",
    "/static/close.html",
    "/images/logo.svg",
    "/fonts/a.woff2",
    "/lang/main-de.json",
    "/sounds/ring.mp3",
    "/connection_optimization/connect.js",
    "/.well-known/assetlinks.json",
    "/colibri-ws/default-id/abc?pwd=x",
    "/etherpad/p/%D0%BA",
    "/socket.io/?EIO=4",
    "/_unlock?room=standup",
    "/acme/_unlock",
    "/_api/public/branding.json",
]
"""Static files and other targets that need no token."""

_PUBLIC_STARTS = ("/libs", "/_api/public", "/socket.io", "/config.js", "/_unlock")
_BETWEEN = (
    *("/", "//", "/a/", "%2f", "%2F..%2F", "%5c", "/%5c", "/..%2f", "/%2e%2e/", "/..;/", "/;/"),
    *("%0a/", "/%0a/", "/%0a", "/a%0a/", "%0d/", "/%0d%0a/", "/%00/", "/%09/", "/%20/", "/%3f/"),
    *("/%23/", "/%c0%af/", "/%e2%80%a8/", "/%c2%85/", "#/", "/#/../", "/a#"),
)
_SIGNALLING = (
    *("http-bind", "xmpp-websocket", "conference-request/v1", "_api/room-info"),
    *("%68ttp-bind", "xmpp%2dwebsocket", "_api%2froom-info", "http-bind%0a", "http-bind/config.js"),
)

HIDDEN_SIGNALLING = [
    f"{start}{between}{name}?room=standup"
    for start in (*_PUBLIC_STARTS, "/acme/_unlock")
    for between in _BETWEEN
    for name in _SIGNALLING
    if not name.endswith("/config.js") or between.startswith("%")
]
"""Signalling behind the start of a public path: none of these targets may be public."""
