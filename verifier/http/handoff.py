"""The hand-off: a page's token moves from the query to the fragment, and a cookie replaces it.

1. A browser opens ``/room?jwt=…``, and the token is accepted.
2. The response sends the browser to ``/room#jwt="…"`` and sets a cookie for this one room.
3. The browser requests ``/room`` without the token. The cookie opens the page.
4. The web client reads the token from the fragment and uses it for signalling as before.

Browsers do not send a fragment, so that the token gets into no log and no ``Referer``. A cookie
opens pages only; signalling always needs the token. This module applies no rule: it changes
responses to requests that have been allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from secrets import token_bytes
from typing import Final

from verifier.http.handoff_cookie import (
    LONGEST_SECONDS,
    CookieScope,
    cookie_name,
    cookie_value,
    is_valid,
    new_browser_id,
    read_browser_id,
)
from verifier.http.original_request import CONVENTIONS, OriginalRequest, cookies
from verifier.http.request import Request
from verifier.http.responses import NO_STORE, SERVER, Response
from verifier.rooms.host import name_of_host
from verifier.rooms.url import without_tokens
from verifier.rules.model import Allow

REDIRECT: Final = "X-Jitsi-Redirect"
"""The address to which nginx redirects; its ``auth_request`` cannot pass a redirect on."""

_LONGEST_LOCATION: Final = 15_000  # nginx has 16 KB for the head of a response
_CAPABLE: Final = b"x-jitsi-handoff"


class Handoff:
    """Makes and reads hand-off cookies, and the responses that set them.

    Args:
        key: The key that signs cookies.
        clock: Unix time, seconds.
    """

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = key
        self._clock = clock

    def admits(self, request: Request, original: OriginalRequest) -> bool:
        """Return whether a cookie opens the page that is requested without a token."""
        scope = _page_scope(original)
        if scope is None or original.token is not None:
            return False
        values, now = cookies(request, cookie_name(scope)), self._clock()
        return any(is_valid(value, self._key, scope, now) for value in values)

    def browser_id(self, request: Request, original: OriginalRequest) -> str | None:
        """Return the browser's id from its cookie, or a new id for a new cookie.

        Returns:
            None for a client that has no cookie and will not get one.
        """
        scope = _scope(original)
        if scope is None:
            return None
        now = self._clock()
        for value in cookies(request, cookie_name(scope)):
            browser_id = read_browser_id(value, self._key, scope, now)
            if browser_id is not None:
                return browser_id
        if _page_scope(original) is None or not _has_token_in_query(original):
            return None
        return None if _is_embedded(request) else new_browser_id(token_bytes(16))

    def response(
        self,
        request: Request,
        endpoint: str,
        original: OriginalRequest,
        decision: Allow,
        browser_id: str | None = None,
    ) -> Response | None:
        """Return the response that moves a page's token from the query to the fragment.

        Args:
            request: The proxy's request.
            endpoint: The endpoint's name in metrics.
            original: The original request.
            decision: The allow.
            browser_id: The id that the cookie is to hold; None for none.

        Returns:
            None if the token stays where it is. It stays for embedded pages too: the page around
            them chooses their fragment, and browsers do not send such a cookie with them.
        """
        scope = _page_scope(original)
        if decision.claims is None or scope is None:
            return None
        if not _has_token_in_query(original) or _is_embedded(request):
            return None
        shown = without_tokens(original.target, _LONGEST_LOCATION)
        location = f"{shown}#jwt=%22{original.token}%22"
        now = int(self._clock())
        ends = min(int(decision.expires_at or now + LONGEST_SECONDS), now + LONGEST_SECONDS)
        if shown is None or ends <= now or len(location) > _LONGEST_LOCATION:
            return None
        response = _redirect(request, endpoint, location)
        if response is None:
            return None
        return response.with_header("Set-Cookie", self._cookie(scope, ends, now, browser_id))

    def _cookie(self, scope: CookieScope, ends: int, now: int, browser_id: str | None) -> str:
        pair = f"{cookie_name(scope)}={cookie_value(self._key, scope, ends, browser_id)}"
        return f"{pair}; Max-Age={ends - now}; Path=/; Secure; HttpOnly; SameSite=Lax"


def _page_scope(original: OriginalRequest) -> CookieScope | None:
    """Return the scope of a page; None for signalling, and for a URL that names no room."""
    return None if original.target.signalling else _scope(original)


def _scope(original: OriginalRequest) -> CookieScope | None:
    address = original.target.address
    if address is None:
        return None
    return CookieScope(name_of_host(original.host), address.tenant, address.room)


def _has_token_in_query(original: OriginalRequest) -> bool:
    return original.token in (*original.target.jwt, *original.target.token)


def _is_embedded(request: Request) -> bool:
    return not {*request.values(b"sec-fetch-dest")} <= {"", "document"}


def _redirect(request: Request, endpoint: str, location: str) -> Response | None:
    """Return a redirect in the form that the proxy understands; None if it understands none.

    nginx gets a 401, so that a site without the configuration for hand-offs refuses the request.
    Other proxies pass a 303 on; each of them must say so in a header, because the proxy must also
    pass on the response's ``Set-Cookie`` and the request's ``Cookie``.
    """
    form = CONVENTIONS[endpoint].redirect
    headers = SERVER | NO_STORE | {"Referrer-Policy": "no-referrer"}
    if form == "header":
        return Response(HTTPStatus.UNAUTHORIZED, headers | {REDIRECT: location})
    if form == "response" and request.sole(_CAPABLE) == "1":
        return Response(HTTPStatus.SEE_OTHER, headers | {"Location": location})
    return None
