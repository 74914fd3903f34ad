"""The hand-off: a page's token moves from the URL into its fragment, and a cookie takes its place.

A fragment reaches no server, log or other site; the web client reads it like the query. Knows no
rule: it acts on what has been allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from secrets import token_bytes
from typing import Final

from verifier.http.handoff_cookie import (
    LONGEST_SECONDS,
    CookieScope,
    browser_of,
    cookie_name,
    cookie_value,
    new_browser,
    opens,
)
from verifier.http.original_request import Original, cookies
from verifier.http.request_head import RequestHead
from verifier.http.responses import NO_STORE, SERVER, Response
from verifier.rooms.host import name_of_host
from verifier.rooms.url import without_tokens
from verifier.rules.model import Allow

REDIRECT: Final = "X-Jitsi-Redirect"
"""Where nginx is to send the reader, whose own answers can only allow or refuse."""

_LONGEST_LOCATION: Final = 15_000  # of nginx' 16 KB for an answer's head
_CAPABLE: Final = "X-Jitsi-Handoff"
_TO_NGINX: Final = "auth"
_TO_BROWSERS: Final = frozenset(("forward-auth", "ext-authz"))


class Handoff:
    """Makes and honours cookies.

    Args:
        key: Signs them.
        clock: Unix time, seconds.
    """

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = key
        self._clock = clock

    def admits(self, request: RequestHead, original: Original) -> bool:
        """Tell whether a page is opened by a cookie; signalling never is."""
        place = _page(original)
        if place is None or original.token is not None:
            return False
        sent, now = cookies(request, cookie_name(place)), self._clock()
        return any(opens(value, self._key, place, now) for value in sent)

    def browser(self, request: RequestHead, original: Original) -> str | None:
        """Give what a browser is known by, or is about to be; None for one without a cookie."""
        place = _place(original)
        if place is None:
            return None
        now = self._clock()
        for value in cookies(request, cookie_name(place)):
            known = browser_of(value, self._key, place, now)
            if known is not None:
                return known
        handed_off = _page(original) and _token_in_query(original) and not _is_embedded(request)
        return new_browser(token_bytes(16)) if handed_off else None

    def answer(
        self,
        request: RequestHead,
        endpoint: str,
        original: Original,
        decision: Allow,
        browser: str | None = None,
    ) -> Response | None:
        """Send a page with a token in its query to the same page with it in the fragment.

        With ``browser`` the cookie says what this browser is known by.

        Returns:
            None where the request is to be answered as ever. Embedded pages are: their fragment
            belongs to the page around them, and browsers keep cookies like these from them.
        """
        place = _page(original)
        if decision.claims is None or place is None:
            return None
        if not _token_in_query(original) or _is_embedded(request):
            return None
        location = f"{without_tokens(original.target)}#jwt=%22{original.token}%22"
        now = int(self._clock())
        ends = min(int(decision.expires_at or now + LONGEST_SECONDS), now + LONGEST_SECONDS)
        if ends <= now or len(location) > _LONGEST_LOCATION:
            return None
        answer = _redirection(request, endpoint, location)
        return answer and answer.with_header("Set-Cookie", self._cookie(place, ends, now, browser))

    def _cookie(self, place: CookieScope, ends: int, now: int, browser: str | None) -> str:
        pair = f"{cookie_name(place)}={cookie_value(self._key, place, ends, browser)}"
        return f"{pair}; Max-Age={ends - now}; Path=/; Secure; HttpOnly; SameSite=Lax"


def _page(original: Original) -> CookieScope | None:
    """Give the page that is asked for; None for signalling, and where no room is named."""
    return None if original.target.signalling else _place(original)


def _place(original: Original) -> CookieScope | None:
    address = original.target.address
    if address is None:
        return None
    return CookieScope(name_of_host(original.host), address.tenant, address.room)


def _token_in_query(original: Original) -> bool:
    return original.token in (*original.target.jwt, *original.target.token)


def _is_embedded(request: RequestHead) -> bool:
    return request.headers.get("Sec-Fetch-Dest", "") not in ("", "document")


def _redirection(request: RequestHead, endpoint: str, location: str) -> Response | None:
    """Response in the words that a proxy understands; None for one that understands none.

    nginx sees a refusal, so that what does not know of the hand-off stays closed; others have to
    say that they pass on a redirection, its cookie, and the cookie that comes back.
    """
    headers = SERVER | NO_STORE | {"Referrer-Policy": "no-referrer"}
    if endpoint == _TO_NGINX:
        return Response(HTTPStatus.UNAUTHORIZED, headers | {REDIRECT: location})
    if endpoint in _TO_BROWSERS and request.headers.get(_CAPABLE) == "1":
        return Response(HTTPStatus.SEE_OTHER, headers | {"Location": location})
    return None
