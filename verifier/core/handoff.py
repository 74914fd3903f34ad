"""The cookie that stands for a room link whose token has left the URL.

It opens one room's page on one host until a moment, and nothing else: it is no token, holds none
and says nothing of anybody. Only who has the key can make one. Knows no HTTP.
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
"""The longest time that a cookie holds, however long its token does: browsers keep few of them."""

_NAME: Final = "__Host-jitsi-"
_LABEL: Final = b"jitsi-verifier hand-off cookie 1"
_VALUE: Final = re.compile(r"([1-9][0-9]{0,11})\.([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """What a cookie opens.

    Attributes:
        host: The virtual host, lower case, no port.
        tenant: The tenant in its form; None when there is none.
        room: The room in its form.
    """

    host: str
    tenant: str | None
    room: str


def derive_key(secret: bytes) -> bytes:
    """Make the key of cookies from a secret that also has other uses."""
    return hmac.digest(secret, _LABEL, "sha256")


def cookie_name(place: Place) -> str:
    """Name a place's cookie; each has its own, so that several rooms can be open at once.

    A browser takes ``__Host-`` names only over TLS, for this host alone (RFC 6265bis, 4.1.3).
    """
    return _NAME + sha256(_written(place, 0)).hexdigest()[:16]


def cookie_value(key: bytes, place: Place, ends: int) -> str:
    """Make a cookie.

    Args:
        key: Whoever has it can make cookies.
        place: What the cookie opens.
        ends: When it stops to do so, Unix time, seconds.
    """
    return f"{ends}.{_signature(key, place, ends)}"


def opens(value: str, key: bytes, place: Place, now: float) -> bool:
    """Tell whether a cookie, as a client sent it, opens a place at this time."""
    match = _VALUE.fullmatch(value)
    if match is None or int(match[1]) <= now:
        return False
    return hmac.compare_digest(match[2], _signature(key, place, int(match[1])))


def _signature(key: bytes, place: Place, ends: int) -> str:
    digest = hmac.digest(key, _written(place, ends), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _written(place: Place, ends: int) -> bytes:
    """Write everything that is signed, so that no two places are written alike."""
    return json.dumps([place.host, place.tenant, place.room, ends]).encode()
