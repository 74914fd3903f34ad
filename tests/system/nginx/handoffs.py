"""Hand-off cookies, as the service sets them and as browsers send them."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie

from tests.support.handoff import value
from tests.support.raw_http import Answer
from verifier.http.handoff_cookie import CookieScope, cookie_name

HOST = "meet.example.org"
STANDUP = CookieScope(HOST, None, "standup")


def cookie(scope: CookieScope = STANDUP, *, ends: int | None = None) -> tuple[str, str]:
    """Return the ``Cookie`` header of a hand-off; ``ends`` is Unix time, in ten minutes if None."""
    sent = value(scope, ends or int(time.time()) + 600, made=int(time.time()))
    return ("Cookie", f"{cookie_name(scope)}={sent}")


def handed_off(answer: Answer) -> tuple[str, tuple[str, str]]:
    """Return the location to which a hand-off sends the browser, and the browser's next cookie."""
    assert answer.status == 302, answer.text
    (header,) = answer.headers.get_all("Set-Cookie", [])
    ((name, morsel),) = SimpleCookie(header).items()
    return answer.headers["Location"], ("Cookie", f"{name}={morsel.value}")
