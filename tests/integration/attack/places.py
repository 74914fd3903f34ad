"""Requests that are answered 200 as they stand, one for each way into the service.

Each way that a request is read is there: the fast lane and aiohttp, a head alone and a body, the
decision address and the admin address.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.support.tokens import SECRET, sign

Field = tuple[str, str]

OPTIONS = {
    "JWT_APP_ID": "app",
    "JWT_APP_SECRET": SECRET,
    "XMPP_DOMAIN": "meet.example.org",
    "VERIFIER_LOG_LEVEL": "debug",
}
TOKEN = sign(
    {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup", "exp": int(time.time()) + 3600}
)
URI = f"/standup?jwt={TOKEN}"
HOST = ("Host", "127.0.0.1")
JSON = ("Content-Type", "application/json")


@dataclass(frozen=True)
class Place:
    """A good request, and where it is sent; ``admin`` says to which of the two addresses."""

    name: str
    target: str
    fields: Sequence[Field] = (HOST,)
    method: str = "GET"
    body: bytes = b""
    admin: bool = False

    def with_fields(self, *more: Field) -> Place:
        """Give the same request with more fields behind its own."""
        return replace(self, fields=(*self.fields, *more))

    def line(self, version: str = "HTTP/1.1") -> bytes:
        """Write the request line, without its end."""
        return f"{self.method} {self.target} {version}".encode("utf-8", "surrogateescape")

    def field_lines(self) -> list[bytes]:
        """Write the fields, each without its end; no length."""
        lines = (f"{name}: {value}" for name, value in self.fields)
        return [line.encode("utf-8", "surrogateescape") for line in lines]

    def head(self, *more: bytes, version: str = "HTTP/1.1") -> bytes:
        """Write the head, with more lines behind its own."""
        return b"\r\n".join([self.line(version), *self.field_lines(), *more, b"", b""])

    def whole(self, *more: bytes, version: str = "HTTP/1.1") -> bytes:
        """Write head and body, with its length where there is one."""
        length = [b"Content-Length: %d" % len(self.body)] if self.body else []
        return self.head(*length, *more, version=version) + self.body


QUESTION = json.dumps({"token": TOKEN, "room_jid": "standup@conference.meet.example.org"}).encode()
EXPLAIN = json.dumps({"token": TOKEN, "room": "standup"}).encode()

LANE = Place("the fast lane", "/auth", (HOST, ("X-Original-URI", URI)))
SLOW = LANE.with_fields(("X-Unheard-Of", "so aiohttp reads it"))
VERIFY = Place("/v1/verify", "/v1/verify", method="POST", body=QUESTION)
PLACES: Sequence[Place] = (
    LANE,
    replace(SLOW, name="the gate by aiohttp"),
    Place("/ext-authz", f"/ext-authz{URI}"),
    Place("/access", "/access", (HOST, ("Authorization", f"Bearer {TOKEN}"))),
    Place("/check_password", f"/check_password?user=u&server=s&pass={TOKEN}"),
    VERIFY,
    Place("/metrics", f"/metrics?{TOKEN}", admin=True),
    Place("/v1/explain", "/v1/explain", (HOST, JSON), "POST", EXPLAIN, admin=True),
)
