"""Hand-off cookies as browsers send and receive them."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie

from multidict import CIMultiDict

from tests.support.sidecar import NOW
from tests.support.tokens import SECRET
from verifier.http.handoff_cookie import (
    CookieScope,
    HandoffCookie,
    cookie_name,
    cookie_value,
    derive_key,
)
from verifier.tokens.marks import TokenMarks

KEY = derive_key(SECRET.encode())

HOST = ("Host", "meet.example.org")

SCOPE = CookieScope("meet.example.org", None, "standup")


@dataclass
class Clock:
    """Unix time that a test sets."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


def value(
    scope: CookieScope = SCOPE,
    ends: int = NOW + 60,
    key: bytes = KEY,
    browser_id: str | None = None,
    made: int = NOW - 60,
) -> str:
    """Return the value of a cookie whose token has no mark."""
    token_id = None if browser_id is None else "0" * 64
    content = HandoffCookie(ends, made, TokenMarks(None, frozenset()), browser_id, token_id)
    return cookie_value(key, scope, content)


def cookie(scope: CookieScope = SCOPE, ends: int = NOW + 60, key: bytes = KEY) -> tuple[str, str]:
    """Return the ``Cookie`` header of a browser that was handed off, among other cookies."""
    return ("Cookie", f"a=b; {cookie_name(scope)}={value(scope, ends, key)}; c=d")


def set_cookie(headers: CIMultiDict[str]) -> Morsel[str]:
    """Return the one cookie that a response sets."""
    (header,) = headers.getall("Set-Cookie")
    (morsel,) = SimpleCookie(header).values()
    return morsel
