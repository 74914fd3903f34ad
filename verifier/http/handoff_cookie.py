"""The hand-off cookie: it opens one room's page on one host until a given time.

The value is ``ends.signature`` or ``ends.browser_id.signature``. The signature (HMAC-SHA256) covers
the host, the tenant and the room too. The cookie contains no token and no claim, and only a program
with the key can make one. This module knows no HTTP.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

LONGEST_SECONDS: Final = 24 * 3600
"""The longest time that a cookie is valid, even if its token is valid for longer.

Each room has a cookie of its own, and browsers keep a limited number of cookies for a host.
"""

_NAME: Final = "__Host-jitsi-"
_LABEL: Final = b"jitsi-verifier hand-off cookie 1"
_VALUE: Final = re.compile(
    r"([1-9][0-9]{0,11})\.(?:([A-Za-z0-9_-]{22})\.)?([A-Za-z0-9_-]{43})", re.ASCII
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


def derive_key(secret: bytes) -> bytes:
    """Return the key that signs cookies, for a secret that signs tokens too."""
    return hmac.digest(secret, _LABEL, "sha256")


def cookie_name(scope: CookieScope) -> str:
    """Return the name of a scope's cookie. Each scope has its own, so several rooms can be open.

    Browsers accept a ``__Host-`` name only over TLS and for this host (RFC 6265bis, 4.1.3.2).
    """
    # 64 bits: enough to keep the rooms of one browser apart, and short, because browsers send the
    # name with each request. Security does not depend on it: the signature covers the scope.
    return _NAME + sha256(_signed_text(scope, 0)).hexdigest()[:16]


def cookie_value(key: bytes, scope: CookieScope, ends: int, browser_id: str | None = None) -> str:
    """Return a cookie's value.

    Args:
        key: The key that signs cookies.
        scope: What the cookie opens.
        ends: The time when the cookie ends, Unix seconds.
        browser_id: The id of this browser (``new_browser_id``); None for none.
    """
    id_part = "" if browser_id is None else f"{browser_id}."
    return f"{ends}.{id_part}{_signature(key, scope, ends, browser_id)}"


def is_valid(value: str, key: bytes, scope: CookieScope, now: float) -> bool:
    """Return whether a client's cookie opens the scope at ``now``, Unix seconds."""
    return _match(value, key, scope, now) is not None


def read_browser_id(value: str, key: bytes, scope: CookieScope, now: float) -> str | None:
    """Return the browser id of a client's cookie; None if there is none, or it is not valid."""
    match = _match(value, key, scope, now)
    return None if match is None else match[2]


def new_browser_id(random: bytes) -> str:
    """Return an id made of 16 random bytes."""
    return urlsafe_b64encode(random).rstrip(b"=").decode()


def _match(value: str, key: bytes, scope: CookieScope, now: float) -> re.Match[str] | None:
    match = _VALUE.fullmatch(value)
    if match is None or int(match[1]) <= now:
        return None
    signature = _signature(key, scope, int(match[1]), match[2])
    return match if hmac.compare_digest(match[3], signature) else None


def _signature(key: bytes, scope: CookieScope, ends: int, browser_id: str | None) -> str:
    digest = hmac.digest(key, _signed_text(scope, ends, browser_id), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _signed_text(scope: CookieScope, ends: int, browser_id: str | None = None) -> bytes:
    # JSON, because with its quotes two different scopes never have the same text.
    id_part = [] if browser_id is None else [browser_id]
    return json.dumps([scope.host, scope.tenant, scope.room, ends, *id_part]).encode()
