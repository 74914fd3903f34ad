"""The hand-off: a page's token moves from the query to the fragment, and a cookie replaces it.

1. A browser opens ``/room?jwt=…``, and the token is accepted.
2. The response sends the browser to ``/room#jwt="…"`` and sets a cookie for this one room.
3. The browser requests ``/room`` without the token. The cookie opens the page.
4. The web client reads the token from the fragment and uses it for signalling as before.

Browsers do not send a fragment, so that the token gets into no log and no ``Referer``. A cookie
opens pages only; signalling always needs the token. The cookie stands for its token: when the token
ends, is revoked, or was used by another browser, the page is denied for the same reason as the
token. Otherwise the page would open, signalling would be denied, and the client would load the page
again and again.

A browser keeps cookies for a limited number of rooms. A hand-off that exceeds it also deletes the
oldest cookies. Links that are opened at the same time exceed it together, because none of them sees
the cookies of the others. So the next hand-offs delete more than one, and nginx can delete two.
Which two depends on the room: links that are opened at the same time delete different ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from operator import itemgetter
from secrets import token_bytes
from typing import Final

from verifier.http.handoff_cookie import (
    LONGEST_SECONDS,
    MAX_ROOMS,
    NAME,
    CookieScope,
    HandoffCookie,
    cookie_name,
    cookie_value,
    new_browser_id,
    read_cookie,
    time_made,
)
from verifier.http.original_request import (
    CONVENTIONS,
    OriginalRequest,
    all_cookies,
    cookies,
)
from verifier.http.request import Request
from verifier.http.responses import NO_STORE, SERVER, Response
from verifier.revocation.marks import marks_of
from verifier.rooms.host import name_of_host
from verifier.rooms.url import without_tokens
from verifier.rules.denials import deny, format_duration
from verifier.rules.model import Allow, DenialCode, Deny
from verifier.single_use.model import token_id
from verifier.tokens.claims import Claims
from verifier.tokens.jws import read

REDIRECT: Final = "X-Jitsi-Redirect"
"""The address to which nginx redirects; its ``auth_request`` cannot pass a redirect on."""

DROP_COOKIES: Final = ("X-Jitsi-Drop-Cookie", "X-Jitsi-Drop-Cookie-2")
"""Further ``Set-Cookie``, which nginx cannot read from a response that has one already."""

_ATTRIBUTES: Final = "Path=/; Secure; HttpOnly; SameSite=Lax"
_LONGEST_LOCATION: Final = 15_000  # nginx has 16 KB for the head of a response
_MOST_VALUES: Final = 4
_MOST_DROPPED: Final = 20  # 1.5 KB
_CAPABLE: Final = b"x-jitsi-handoff"


class Handoff:
    """Makes and reads hand-off cookies, and the responses that set them.

    Args:
        keys: The keys of cookies: the first one signs, all of them verify.
        clock: Unix time, seconds.
    """

    def __init__(self, keys: Sequence[bytes], clock: Callable[[], float]) -> None:
        self._keys = keys
        self._clock = clock

    def find_cookie(
        self, request: Request, original: OriginalRequest
    ) -> HandoffCookie | Deny | None:
        """Return the cookie that opens the page that is requested without a token.

        Returns:
            A denial, if the token of the cookie has ended; None if the page needs a token.
        """
        scope = _page_scope(original)
        if scope is None or original.token is not None:
            return None
        now, denial = self._clock(), None
        for cookie in self._cookies(request, scope):
            if cookie.ends > now:
                return cookie
            if cookie.ends_with_token:
                ago = format_duration(now - cookie.ends)
                denial = deny(DenialCode.TOKEN_EXPIRED, f"expired {ago} ago")
        return denial

    def browser_id(self, request: Request, original: OriginalRequest) -> str | None:
        """Return the browser's id from its cookie, or a new id for a new cookie.

        Returns:
            None for a client that has no cookie and will not get one.
        """
        scope = _scope(original)
        if scope is None:
            return None
        now = self._clock()
        for cookie in self._cookies(request, scope):
            if cookie.browser_id is not None and cookie.ends > now:
                return cookie.browser_id
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
        cookie = _cookie_for(original.token or "", decision.claims, ends, now, browser_id)
        pair = f"{cookie_name(scope)}={cookie_value(self._keys[0], scope, cookie)}"
        added = f"{pair}; Max-Age={ends - now}; {_ATTRIBUTES}"
        return _with_cookies(response, added, _cookies_to_drop(request, scope))

    def _cookies(self, request: Request, scope: CookieScope) -> Iterator[HandoffCookie]:
        """Yield what the cookies of a scope say; those with a wrong signature are left out."""
        # A browser has one of each name, because the name begins with "__Host-".
        for value in cookies(request, cookie_name(scope))[:_MOST_VALUES]:
            cookies_of_keys = (read_cookie(value, key, scope) for key in self._keys)
            cookie = next(filter(None, cookies_of_keys), None)
            if cookie is not None:
                yield cookie


def _cookie_for(
    token: str, claims: Claims, ends: int, now: int, browser_id: str | None
) -> HandoffCookie:
    return HandoffCookie(
        ends,
        now,
        marks_of(token, read(token)),
        browser_id,
        None if browser_id is None else token_id(claims),
    )


def _cookies_to_drop(request: Request, scope: CookieScope) -> list[str]:
    """Return the names of the oldest cookies of other rooms, if there are too many."""
    own = cookie_name(scope)
    others = [
        (time_made(value), name)
        for name, value in all_cookies(request)
        if name != own and NAME.fullmatch(name)
    ]
    excess = max(0, len(others) - MAX_ROOMS + 1)
    # Of several from the same second the first one, because browsers send the oldest first.
    oldest = [name for _, name in sorted(others, key=itemgetter(0))[:excess]]
    # The digits of a name are a digest: the names of other rooms begin elsewhere.
    first = int(own[-8:], 16) % max(1, excess)
    return [*oldest[first:], *oldest[:first]]


def _with_cookies(response: Response, added: str, dropped: list[str]) -> Response:
    response = response.with_header("Set-Cookie", added)
    deletions = [f"{name}=; Max-Age=0; {_ATTRIBUTES}" for name in dropped[:_MOST_DROPPED]]
    if REDIRECT not in response.headers:
        return replace(response, more_cookies=tuple(deletions))
    for name, deletion in zip(DROP_COOKIES, deletions, strict=False):
        response = response.with_header(name, deletion)
    return response


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
