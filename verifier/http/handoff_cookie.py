"""The hand-off cookie: it opens one room's page on one host until a given time.

The value is ``ends.details.signature`` or ``ends.details.browser_id.signature``. The details are
base64url of these bytes, in this order:

=====  ============================================================================================
bytes  content
=====  ============================================================================================
5      when the cookie was made, Unix seconds
5      the token's ``iat``, Unix seconds, plus 1; 0 for none
32     the token's ID in the store of redemptions; only with a browser ID
6 n    the token's marks, by which a revocation of the token closes the page
=====  ============================================================================================

The signature (HMAC-SHA256) covers the host, the tenant and the room too. The cookie contains no
token and no claim, and only a program with the key can make one. This module knows no HTTP.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from verifier.tokens.marks import MARK_BYTES, TokenMarks

LONGEST_SECONDS: Final = 24 * 3600
"""The longest time that a cookie is valid, even if its token is valid for longer."""

MAX_ROOMS: Final = 10
"""The number of rooms for which one browser keeps cookies.

Each room has a cookie of its own, so that two pages that are opened at the same time do not
overwrite each other's cookie. Proxies refuse requests with more than about 8 KB of cookies.
"""

NAME: Final = re.compile(r"__Host-jitsi-[0-9a-f]{16}")
"""The name of a hand-off cookie."""

_NAME_PREFIX: Final = "__Host-jitsi-"
_LABEL: Final = b"jitsi-verifier hand-off cookie 2"
_TIME_BYTES: Final = 5
_TOKEN_ID_BYTES: Final = 32
_VALUE: Final = re.compile(
    r"([1-9][0-9]{0,11})\.([A-Za-z0-9_-]{14,200})\.(?:([A-Za-z0-9_-]{22})\.)?([A-Za-z0-9_-]{43})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class CookieScope:
    """What a cookie opens.

    Attributes:
        host: The virtual host, lower case, without port.
        tenant: The tenant, in the form that Jitsi compares; None for none.
        room: The room, in the form that Jitsi compares.
    """

    host: str
    tenant: str | None
    room: str


@dataclass(frozen=True, slots=True)
class HandoffCookie:
    """What a cookie says about the token that was handed off.

    Attributes:
        ends: When the cookie ends, Unix seconds.
        made: When the cookie was made, Unix seconds.
        marks: The marks of the token.
        browser_id: The id of this browser, for single use (``new_browser_id``); None for none.
        token_id: The token's ID in the store of redemptions; None without a browser id.
    """

    ends: int
    made: int
    marks: TokenMarks
    browser_id: str | None = field(default=None, repr=False)
    token_id: str | None = None

    @property
    def ends_with_token(self) -> bool:
        """Whether the cookie ends because its token ends, and not after the longest time."""
        return self.ends - self.made < LONGEST_SECONDS


def derive_key(secret: bytes) -> bytes:
    """Return the key that signs cookies, for a secret that signs tokens too."""
    return hmac.digest(secret, _LABEL, "sha256")


def cookie_name(scope: CookieScope) -> str:
    """Return the name of a scope's cookie.

    Browsers accept a ``__Host-`` name only over TLS and for this host (RFC 6265bis, 4.1.3.2).
    """
    # 64 bits: enough to keep the rooms of one browser apart, and short, because browsers send the
    # name with each request. Security does not depend on it: the signature covers the scope.
    text = json.dumps([scope.host, scope.tenant, scope.room]).encode()
    return _NAME_PREFIX + sha256(text).hexdigest()[:16]


def cookie_value(key: bytes, scope: CookieScope, cookie: HandoffCookie) -> str:
    """Return a cookie's value.

    Args:
        key: The key that signs cookies.
        scope: What the cookie opens.
        cookie: What the cookie says.
    """
    parts = [str(cookie.ends), _details(cookie)]
    if cookie.browser_id is not None:
        parts.append(cookie.browser_id)
    signed = ".".join(parts)
    return f"{signed}.{_signature(key, scope, signed)}"


def read_cookie(value: str, key: bytes, scope: CookieScope) -> HandoffCookie | None:
    """Return what a client's cookie says; None for one that this program has not made.

    The cookie may have ended.
    """
    match = _VALUE.fullmatch(value)
    if match is None:
        return None
    signed = value[: match.start(4) - 1]
    if not hmac.compare_digest(match[4], _signature(key, scope, signed)):
        return None
    return _parse(int(match[1]), _decode(match[2]), match[3])


def time_made(value: str) -> int:
    """Return when a cookie of any scope was made; 0 for other cookies. Nothing is checked."""
    match = _VALUE.fullmatch(value)
    # Eight characters are six bytes. All of them may be no base64url, because nothing is checked.
    return 0 if match is None else int.from_bytes(_decode(match[2][:8])[:_TIME_BYTES])


def new_browser_id(random: bytes) -> str:
    """Return an id made of 16 random bytes."""
    return _encode(random)


def _details(cookie: HandoffCookie) -> str:
    issued_at = cookie.marks.issued_at
    times = (cookie.made, 0 if issued_at is None else issued_at + 1)
    parts = [time.to_bytes(_TIME_BYTES) for time in times]
    if cookie.browser_id is not None:
        parts.append(bytes.fromhex(cookie.token_id or "").rjust(_TOKEN_ID_BYTES, b"\0"))
    parts += [mark.to_bytes(MARK_BYTES) for mark in sorted(cookie.marks.marks)]
    return _encode(b"".join(parts))


def _parse(ends: int, details: bytes, browser_id: str | None) -> HandoffCookie:
    """Read the parts of a cookie whose signature is valid."""
    made, issued_at = (
        int.from_bytes(details[start : start + _TIME_BYTES]) for start in (0, _TIME_BYTES)
    )
    rest, token_id = details[2 * _TIME_BYTES :], None
    if browser_id is not None:
        token_id, rest = rest[:_TOKEN_ID_BYTES].hex(), rest[_TOKEN_ID_BYTES:]
    marks = frozenset(
        int.from_bytes(rest[start : start + MARK_BYTES])
        for start in range(0, len(rest), MARK_BYTES)
    )
    return HandoffCookie(
        ends, made, TokenMarks(issued_at - 1 if issued_at else None, marks), browser_id, token_id
    )


def _signature(key: bytes, scope: CookieScope, signed: str) -> str:
    # JSON, because with its quotes two different scopes never have the same text.
    text = json.dumps([scope.host, scope.tenant, scope.room, signed]).encode()
    return _encode(hmac.digest(key, text, "sha256"))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
