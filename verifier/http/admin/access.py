"""Who may ask the admin address: the operator, and no web page that his browser has open.

A page from elsewhere can send requests to a loopback address in three ways, none of which needs
the admin token where there is none:

- a form or a ``no-cors`` fetch: refused by ``Sec-Fetch-Site``, or else ``Origin``;
- the same with a body that looks like a form's: refused by its ``Content-Type``, as JSON makes
  the browser ask first (CORS), and nobody here answers that;
- a name of its own that suddenly means 127.0.0.1 (DNS rebinding): refused by ``Host``.

Knows no endpoint: all that are not open to everybody are guarded, whatever they do.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Final

from aiohttp import web

from verifier.config.addresses import is_loopback
from verifier.http.prosody_api import READ_METHODS
from verifier.http.request_head import sole_header
from verifier.http.responses import NO_STORE, problem

_OWN: Final = ("same-origin", "none")
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="jitsi-verifier admin"'}


class AdminGuard:
    """Refuses what nobody may ask.

    Args:
        token: What a caller must bring as a bearer token; None asks for nothing.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token

    def refusal(self, request: web.BaseRequest) -> web.Response | None:
        """Give the answer that refuses a request; None for one that may be answered."""
        if not self._is_authorized(request):
            detail = "expected the admin token as a bearer token"
            return problem(HTTPStatus.UNAUTHORIZED, detail, NO_STORE | _CHALLENGE)
        if self._token is None and not _is_called_by_a_local_name(request):
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
        scheme, _, given = (sole_header(request, "Authorization") or "").partition(" ")
        if scheme.lower() != "bearer":  # in any case (RFC 9110, section 11.1)
            return False
        sent = given.lstrip(" ").encode("utf-8", "surrogatepass")
        return hmac.compare_digest(sent, self._token.encode())


def _is_called_by_a_local_name(request: web.BaseRequest) -> bool:
    """Tell whether the name is one that no other site can have; no browser sends none."""
    transport = request.transport
    if transport is not None and isinstance(transport.get_extra_info("sockname"), str):
        return True  # a unix socket, which no browser can reach
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
    """Tell what a browser says of its page; a program says nothing.

    ``Sec-Fetch-Site`` (W3C Fetch Metadata) is the browser's own comparison, which holds behind a
    proxy too that calls this address by another name.
    """
    if "Sec-Fetch-Site" in request.headers:
        return sole_header(request, "Sec-Fetch-Site") not in _OWN
    if "Origin" not in request.headers:
        return False
    scheme, _, authority = (sole_header(request, "Origin") or "").partition("://")
    return scheme not in ("http", "https") or authority != request.headers.get("Host")


def _is_json(request: web.BaseRequest) -> bool:
    kind = (sole_header(request, "Content-Type") or "").partition(";")[0]
    return kind.strip().lower() == "application/json"
