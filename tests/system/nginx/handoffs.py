from __future__ import annotations

import time
from http.cookies import SimpleCookie

from tests.support.raw_http import Answer
from tests.support.tokens import SECRET
from verifier.http.handoff_cookie import CookieScope, cookie_name, cookie_value, derive_key

HOST = "meet.example.org"
STANDUP = CookieScope(HOST, None, "standup")

KEY = derive_key(SECRET.encode())


def cookie(place: CookieScope = STANDUP, *, ends: int | None = None) -> tuple[str, str]:
    value = cookie_value(KEY, place, ends or int(time.time()) + 600)
    return ("Cookie", f"{cookie_name(place)}={value}")


def handed_off(answer: Answer) -> tuple[str, tuple[str, str]]:
    """Give where a hand-off sends the browser, and the cookie that this then sends."""
    assert answer.status == 302, answer.text
    (written,) = answer.headers.get_all("Set-Cookie", [])
    ((name, morsel),) = SimpleCookie(written).items()
    return answer.headers["Location"], ("Cookie", f"{name}={morsel.value}")
