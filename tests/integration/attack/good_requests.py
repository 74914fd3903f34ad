"""Good requests, answered with 200 as they are: one for each way in which a request is read.

They cover each convention, requests with and without a body, and both addresses.
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
class GoodRequest:
    """A good request; ``admin`` selects the address to which it is sent."""

    name: str
    target: str
    fields: Sequence[Field] = (HOST,)
    method: str = "GET"
    body: bytes = b""
    admin: bool = False

    def with_fields(self, *more: Field) -> GoodRequest:
        """Return the same request with more fields after its own."""
        return replace(self, fields=(*self.fields, *more))

    def line(self, version: str = "HTTP/1.1") -> bytes:
        """Return the request line, without its end."""
        return f"{self.method} {self.target} {version}".encode("utf-8", "surrogateescape")

    def field_lines(self) -> list[bytes]:
        """Return the fields, each without its end; no length."""
        lines = (f"{name}: {value}" for name, value in self.fields)
        return [line.encode("utf-8", "surrogateescape") for line in lines]

    def head(self, *more: bytes, version: str = "HTTP/1.1") -> bytes:
        """Return the head, with more lines after its own."""
        return b"\r\n".join([self.line(version), *self.field_lines(), *more, b"", b""])

    def whole(self, *more: bytes, version: str = "HTTP/1.1") -> bytes:
        """Return head and body, with the body's length if there is one."""
        length = [b"Content-Length: %d" % len(self.body)] if self.body else []
        return self.head(*length, *more, version=version) + self.body


VERIFY_BODY = json.dumps(
    {"token": TOKEN, "room_jid": "standup@conference.meet.example.org"}
).encode()
EXPLAIN_BODY = json.dumps({"token": TOKEN, "room": "standup"}).encode()

AUTH = GoodRequest("/auth", "/auth", (HOST, ("X-Original-URI", URI)))
VERIFY = GoodRequest("/v1/verify", "/v1/verify", method="POST", body=VERIFY_BODY)
GOOD_REQUESTS: Sequence[GoodRequest] = (
    AUTH,
    GoodRequest("/ext-authz", f"/ext-authz{URI}"),
    GoodRequest("/access", "/access", (HOST, ("Authorization", f"Bearer {TOKEN}"))),
    GoodRequest("/check_password", f"/check_password?user=u&server=s&pass={TOKEN}"),
    VERIFY,
    GoodRequest("/metrics", f"/metrics?{TOKEN}", admin=True),
    GoodRequest("/v1/explain", "/v1/explain", (HOST, JSON), "POST", EXPLAIN_BODY, admin=True),
)
