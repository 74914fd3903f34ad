"""The cases of ``cases.toml``, and what is never gated. Knows no proxy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.raw_http import Header
from tests.system.nginx.sites import mint

COOKIE = "jitsi_token"
"""The option ``token_cookie``."""


@dataclass(frozen=True, slots=True)
class Case:
    """A request and its outcome.

    Attributes:
        name: What it shows.
        target: What is asked for.
        headers: Sent beside ``Host``.
        method: Likewise.
        body: Likewise.
        claims: The token's, beside the usual ones; a ``padding`` makes it one of 8 KB.
        refused: Status and denial code; None where it is let in. 0 and "" where the refusal can
            be the proxy's own.
        room: The room that Jitsi is told.
        tenant: The tenant that it is told.
    """

    name: str
    target: str
    headers: tuple[Header, ...] = ()
    method: str = "GET"
    body: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    refused: tuple[int, str] | None = None
    room: str = "standup"
    tenant: str = "-"

    def signed(self) -> Case:
        """Write the token into the request."""
        token = mint(**self.claims)
        headers = [(name, value.replace("{token}", token)) for name, value in self.headers]
        target = self.target.replace("{token}", token)
        return replace(self, target=target, headers=tuple(headers))


def _read(name: str, target: str, more: dict[str, Any]) -> Case:
    headers = tuple((key, value) for key, value in more.pop("headers", ()))
    refused = tuple(more.pop("refused", ())) or None
    claims = more.pop("claims", {})
    if "padding" in claims:
        claims["padding"] *= 6_000
    return Case(name, target, headers, claims=claims, refused=refused, **more)


_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))

CASES = {
    f"{group}: {name}": _read(name, target, more)
    for group, rows in _TABLE.items()
    for name, target, more in rows
}

STATIC = [
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
]
"""What is never gated."""
