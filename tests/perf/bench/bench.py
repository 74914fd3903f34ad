"""What all sections share: how much is measured, who signs, and that a gate is one."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.perf.bench.load import Tokens
from tests.perf.bench.minting import ISSUER, ROOM, Issuer, rsa_issuer
from tests.perf.bench.rounds import PLACE, WARM_UP_SECONDS, Effort, Variant
from tests.perf.bench.servers import Server

# Limits of a proxy's own may refuse, too.
_REFUSED: Final = (401, 403, 429, 503)
_TOKENS_A_SECOND: Final = {"HS256": 60_000, "RS256": 25_000}

ASK: Final = (
    b"GET /auth HTTP/1.1\r\nHost: meet.example.org\r\nX-Original-Method: GET\r\n"
    b"X-Original-URI: /%s?jwt=%s\r\n\r\n" % (ROOM.encode(), PLACE)
)
"""What a proxy asks a sidecar."""

VISIT: Final = b"GET /%s?jwt=%s HTTP/1.1\r\nHost: meet.example.org\r\n\r\n" % (ROOM.encode(), PLACE)
"""What a browser asks a proxy."""


@dataclass(frozen=True)
class Bench:
    """One run.

    Attributes:
        effort: Rounds and seconds.
        minutes: How long the memory of a busy sidecar is watched.
        folder: Where files go.
    """

    effort: Effort
    minutes: int
    folder: Path

    @cached_property
    def shared(self) -> Issuer:
        """Who signs with the shared secret."""
        return Issuer("HS256")

    @cached_property
    def rsa(self) -> Issuer:
        """Who signs with a private key."""
        return rsa_issuer()

    @property
    def issuers(self) -> tuple[Issuer, Issuer]:
        """Both."""
        return self.shared, self.rsa

    def distinct(self, issuer: Issuer, name: str = "") -> Tokens:
        """Mint as many tokens as a variant can use up in all its rounds, no matter how fast."""
        seconds = WARM_UP_SECONDS + self.effort.rounds * self.effort.seconds
        count = _TOKENS_A_SECOND[issuer.algorithm] * seconds
        file = self.folder / f"{issuer.algorithm}{name}.tokens"
        return Tokens(file, 0, count) if file.exists() else issuer.mint(file, count)


def one_token(name: str, server: Server, issuer: Issuer, *pids: int, head: bytes = ASK) -> Variant:
    """Make a variant that is asked the same, allowed question again and again.

    Args:
        name: Its line in the table.
        server: Who is asked.
        issuer: Who signs.
        pids: The other programs whose CPU time counts.
        head: The question, with a place for the token.
    """
    check_gate(name, server.port, issuer, head)
    head = head.replace(PLACE, issuer.token().encode())
    return Variant(name, server.port, head, (server.pid, *pids))


def check_gate(name: str, port: int, issuer: Issuer, head: bytes) -> None:
    """See to it that what is measured is a gate: it lets in one token, and none of four others.

    Raises:
        RuntimeError: it is none.
    """
    good = issuer.token()
    others = {"room": "another", "exp": int(time.time()) - 10, "iss": f"not {ISSUER}", "aud": "x"}
    bad = [replace(issuer, claims={claim: value}).token() for claim, value in others.items()]
    signature = good.rpartition(".")[2]
    bad.append(good.replace(signature, signature[::-1].swapcase().replace("-", "_")))
    statuses = [ask(port, head.replace(PLACE, token.encode())) for token in (good, *bad)]
    if statuses[0] >= 300 or any(status not in _REFUSED for status in statuses[1:]):
        raise RuntimeError(f"{name}: expected 200 and five refusals, found {statuses}")


def ask(port: int, head: bytes) -> int:
    """Send one request as it stands; give the answer's status."""
    line, *fields = head.decode().rstrip().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(line.split()[0], line.split()[1], headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
