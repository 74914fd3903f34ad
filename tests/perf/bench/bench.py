"""What all sections share: the amount of measuring, issuers, requests, and a check of each gate."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.perf.bench.issuers import ISSUER, ROOM, Issuer, rsa_issuer
from tests.perf.bench.load import Tokens
from tests.perf.bench.rounds import TOKEN_PLACEHOLDER, WARM_UP_SECONDS, Effort, Variant
from tests.perf.bench.servers import Server

# 429 and 503 come from the limits of a proxy.
_DENIED: Final = (401, 403, 429, 503)
_TOKENS_A_SECOND: Final = {"HS256": 60_000, "RS256": 20_000}

AUTH_REQUEST: Final = (
    b"GET /auth HTTP/1.1\r\nHost: meet.example.org\r\nX-Original-Method: GET\r\n"
    b"X-Original-URI: /%s?jwt=%s\r\n\r\n" % (ROOM.encode(), TOKEN_PLACEHOLDER)
)
"""The auth request of a proxy that sends only what the verifier reads, such as nginx."""

BROWSER_AUTH_REQUEST: Final = AUTH_REQUEST.replace(
    b"\r\n\r\n",
    b"\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    b"\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    b"\r\nAccept-Language: en-US,en;q=0.5"
    b"\r\nAccept-Encoding: gzip, deflate, br, zstd"
    b"\r\nReferer: https://booking.example.org/"
    b"\r\nUpgrade-Insecure-Requests: 1"
    b"\r\nSec-Fetch-Dest: document"
    b"\r\nSec-Fetch-Mode: navigate"
    b"\r\nSec-Fetch-Site: cross-site"
    b"\r\nSec-Fetch-User: ?1"
    b"\r\nPriority: u=0, i\r\n\r\n",
)
"""The auth request of a proxy that also passes on a browser's headers, such as Traefik."""

PAGE_REQUEST: Final = b"GET /%s?jwt=%s HTTP/1.1\r\nHost: meet.example.org\r\n\r\n" % (
    ROOM.encode(),
    TOKEN_PLACEHOLDER,
)
"""The request of a browser for a page."""


@dataclass(frozen=True)
class Bench:
    """One run.

    Attributes:
        effort: Rounds, and seconds of each.
        minutes: Minutes of load for the memory section.
        folder: The folder of all files.
    """

    effort: Effort
    minutes: int
    folder: Path

    @cached_property
    def shared(self) -> Issuer:
        """The issuer with a shared secret."""
        return Issuer("HS256")

    @cached_property
    def rsa(self) -> Issuer:
        """The issuer with a private key."""
        return rsa_issuer()

    @property
    def issuers(self) -> tuple[Issuer, Issuer]:
        """Both issuers."""
        return self.shared, self.rsa

    def distinct(self, issuer: Issuer, name: str = "") -> Tokens:
        """Return more different tokens than the fastest variant needs for all its rounds."""
        seconds = WARM_UP_SECONDS + self.effort.rounds * self.effort.seconds
        count = _TOKENS_A_SECOND[issuer.algorithm] * seconds
        file = self.folder / f"{issuer.algorithm}{name}.tokens"
        return Tokens(file, 0, count) if file.exists() else issuer.mint(file, count)


def one_token(
    name: str, server: Server, issuer: Issuer, *pids: int, head: bytes = AUTH_REQUEST
) -> Variant:
    """Return a variant that gets the same allowed request again and again.

    Args:
        name: Its row in the table.
        server: The measured server.
        issuer: Signs the token.
        pids: Other programs whose CPU time counts.
        head: The request, with ``TOKEN_PLACEHOLDER``.
    """
    check_denials(name, server.port, issuer, head)
    head = head.replace(TOKEN_PLACEHOLDER, issuer.token().encode())
    return Variant(name, server.port, head, (server.pid, *pids))


def check_denials(name: str, port: int, issuer: Issuer, head: bytes) -> None:
    """Check that a server allows one good token and denies five bad ones.

    Raises:
        RuntimeError: The server answers otherwise.
    """
    good = issuer.token()
    others = {"room": "another", "exp": int(time.time()) - 10, "iss": f"not {ISSUER}", "aud": "x"}
    bad = [replace(issuer, claims={claim: value}).token() for claim, value in others.items()]
    signature = good.rpartition(".")[2]
    bad.append(good.replace(signature, signature[::-1].swapcase().replace("-", "_")))
    statuses = [
        send(port, head.replace(TOKEN_PLACEHOLDER, token.encode())) for token in (good, *bad)
    ]
    if statuses[0] >= 300 or any(status not in _DENIED for status in statuses[1:]):
        raise RuntimeError(f"{name}: expected 200 and five denials, found {statuses}")


def send(port: int, head: bytes) -> int:
    """Send one request; return the status of the answer."""
    line, *fields = head.decode().rstrip().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(line.split()[0], line.split()[1], headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
