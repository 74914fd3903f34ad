"""Hand-off cookies, as the service sets them and as browsers send them."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie

from tests.support.raw_http import Answer
from tests.support.tokens import SECRET
from verifier.http.handoff_cookie import CookieScope, cookie_name, cookie_value, derive_key

HOST = "meet.example.org"
STANDUP = CookieScope(HOST, None, "standup")

KEY = derive_key(SECRET.encode())


def cookie(scope: CookieScope = STANDUP, *, ends: int | None = None) -> tuple[str, str]:
    """Return the ``Cookie`` header of a hand-off; ``ends`` is Unix time, in ten minutes if None."""
    value = cookie_value(KEY, scope, ends or int(time.time()) + 600)
    return ("Cookie", f"{cookie_name(scope)}={value}")


def handed_off(answer: Answer) -> tuple[str, tuple[str, str]]:
    """Return the location to which a hand-off sends the browser, and the browser's next cookie."""
    assert answer.status == 302, answer.text
    (header,) = answer.headers.get_all("Set-Cookie", [])
    ((name, morsel),) = SimpleCookie(header).items()
    return answer.headers["Location"], ("Cookie", f"{name}={morsel.value}")
