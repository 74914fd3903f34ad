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
_VALUE: Final = re.compile(
    r"([1-9][0-9]{0,11})\.(?:([A-Za-z0-9_-]{22})\.)?([A-Za-z0-9_-]{43})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class CookieScope:
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


def cookie_name(place: CookieScope) -> str:
    """Name a place's cookie; each has its own, so that several rooms can be open at once.

    A browser takes ``__Host-`` names only over TLS, for this host alone (RFC 6265bis, 4.1.3).
    """
    return _NAME + sha256(_written(place, 0)).hexdigest()[:16]


def cookie_value(key: bytes, place: CookieScope, ends: int, browser: str | None = None) -> str:
    """Make a cookie.

    Args:
        key: Whoever has it can make cookies.
        place: What the cookie opens.
        ends: When it stops to do so, Unix time, seconds.
        browser: What this browser is known by, and no other (``new_browser``); None for nothing.
    """
    named = "" if browser is None else f"{browser}."
    return f"{ends}.{named}{_signature(key, place, ends, browser)}"


def opens(value: str, key: bytes, place: CookieScope, now: float) -> bool:
    """Tell whether a cookie, as a client sent it, opens a place at this time."""
    return _read(value, key, place, now) is not None


def browser_of(value: str, key: bytes, place: CookieScope, now: float) -> str | None:
    """Tell by which name a browser is known that has sent a cookie; None for none."""
    match = _read(value, key, place, now)
    return None if match is None else match[2]


def new_browser(random: bytes) -> str:
    """Name a browser by 16 random bytes."""
    return urlsafe_b64encode(random).rstrip(b"=").decode()


def _read(value: str, key: bytes, place: CookieScope, now: float) -> re.Match[str] | None:
    match = _VALUE.fullmatch(value)
    if match is None or int(match[1]) <= now:
        return None
    signature = _signature(key, place, int(match[1]), match[2])
    return match if hmac.compare_digest(match[3], signature) else None


def _signature(key: bytes, place: CookieScope, ends: int, browser: str | None) -> str:
    digest = hmac.digest(key, _written(place, ends, browser), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _written(place: CookieScope, ends: int, browser: str | None = None) -> bytes:
    """Write everything that is signed, so that no two places are written alike."""
    named = [] if browser is None else [browser]
    return json.dumps([place.host, place.tenant, place.room, ends, *named]).encode()
