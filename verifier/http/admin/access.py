"""Access to the admin address: for the operator, not for web pages in the operator's browser.

A page of another site can send requests to a loopback address. Without an admin token, three
checks refuse them:

- A form or a ``no-cors`` fetch has another ``Sec-Fetch-Site``, or in older browsers ``Origin``.
- A body that a form can send has another ``Content-Type`` than JSON. For JSON, the browser first
  asks for permission (CORS preflight), and this address never grants it.
- After DNS rebinding, when a name of the other site leads to 127.0.0.1, ``Host`` has that name.

All endpoints are guarded in the same way, except those that ``api`` lists as open.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Final

from aiohttp import web

from verifier.config.addresses import is_loopback
from verifier.http.request_head import READ_METHODS, sole_header
from verifier.http.responses import NO_STORE, problem

_OWN_SITE: Final = ("same-origin", "none")
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="jitsi-verifier admin"'}


class AdminGuard:
    """Refuses requests that may not use the admin address.

    Args:
        token: The bearer token that a request must have; None if no token is needed.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token

    def refusal(self, request: web.BaseRequest) -> web.Response | None:
        """Return the response that refuses a request; None if the request is allowed."""
        if not self._is_authorized(request):
            detail = "expected the admin token as a bearer token"
            return problem(HTTPStatus.UNAUTHORIZED, detail, NO_STORE | _CHALLENGE)
        if self._token is None and not _has_local_name(request):
            detail = "Host: expected localhost or a loopback address, since there is no admin_token"
            return problem(HTTPStatus.FORBIDDEN, detail, NO_STORE)
        if request.method in READ_METHODS:
            return None
        if _is_from_another_site(request):
            detail = "expected no request from another site's page"
            return problem(HTTPStatus.FORBIDDEN, detail, NO_STORE)
        if (request.method == "POST" or request.body_exists) and not _is_json(request):
            detail = "Content-Type: expected application/json"
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, NO_STORE)
        return None

    def _is_authorized(self, request: web.BaseRequest) -> bool:
        if self._token is None:
            return True
        scheme, _, token = (sole_header(request, "Authorization") or "").partition(" ")
        # The scheme may be in any case (RFC 9110, section 11.1).
        if scheme.lower() != "bearer":
            return False
        given = token.lstrip(" ").encode("utf-8", "surrogatepass")
        return hmac.compare_digest(given, self._token.encode())


def _has_local_name(request: web.BaseRequest) -> bool:
    """Return whether ``Host`` is a name that no other site can have.

    A request without ``Host`` comes from no browser.
    """
    transport = request.transport
    # A socket name that is a string belongs to a unix socket, which no browser can reach.
    if transport is not None and isinstance(transport.get_extra_info("sockname"), str):
        return True
    host = request.headers.get("Host")
    if host is None:
        return True
    name = _without_port(host)
    return is_loopback(name) or name.lower().removesuffix(".").endswith(".localhost")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_from_another_site(request: web.BaseRequest) -> bool:
    """Return whether a browser says that the request comes from another site's page.

    ``Sec-Fetch-Site`` (W3C Fetch Metadata) is the browser's own comparison. It is right even
    behind a proxy that uses another name for this address, where ``Origin`` and ``Host`` differ.
    """
    if "Sec-Fetch-Site" in request.headers:
        return sole_header(request, "Sec-Fetch-Site") not in _OWN_SITE
    if "Origin" not in request.headers:
        return False
    scheme, _, authority = (sole_header(request, "Origin") or "").partition("://")
    return scheme not in ("http", "https") or authority != request.headers.get("Host")


def _is_json(request: web.BaseRequest) -> bool:
    media_type = (sole_header(request, "Content-Type") or "").partition(";")[0]
    return media_type.strip().lower() == "application/json"
