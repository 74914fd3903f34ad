"""The original request: how each kind of proxy describes it, and how it is read.

Each convention has one source for each part of the original request, and ignores the headers of
all other conventions. A proxy overwrites only its own headers, so any other header may come from
the client. This module uses no rule and no key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from verifier.http.request import Request
from verifier.rooms.host import split_port
from verifier.rooms.query import MAX_PARAMETERS, has_too_many_parameters
from verifier.rooms.url import EXT_AUTHZ_PREFIX, Target, parse_target, parse_url
from verifier.rules.denials import ambiguous
from verifier.rules.model import Deny

_BEARER: Final = "bearer "
_MOST_COOKIES: Final = 512  # browsers keep 50 to 180 for a site


@dataclass(frozen=True, slots=True)
class Convention:
    """How one kind of proxy describes the original request.

    Attributes:
        read: Returns the target and the host of the original request; None if one of them is
            missing, doubled or malformed.
        headers: The headers that ``read`` uses, in lower case.
        method_header: The header with the original method. It is not used, but a doubled one
            shows that a client's header passed the proxy.
        redirect: How the proxy sends its client to another address: ``header`` for a proxy that
            reads the address from a header of a 401, ``response`` for a proxy that passes a 303
            on; None for a proxy that cannot.
    """

    read: Callable[[Request], tuple[Target, str] | None]
    headers: tuple[bytes, ...]
    method_header: bytes | None = None
    redirect: Literal["header", "response"] | None = None


@dataclass(slots=True)
class OriginalRequest:
    """The request that a client sent to the proxy; not to be changed.

    Attributes:
        target: Its target.
        host: Its host, with the port if one was named.
        token: Its token; None for none.
    """

    target: Target
    host: str
    token: str | None = field(repr=False)


def read_nginx(request: Request) -> tuple[Target, str] | None:
    """Nginx ``auth_request``: path and query in ``X-Original-URI``, host in ``Host``."""
    host = request.sole(b"host") or ""
    return _read_path(request, b"x-original-uri", b"x-original-method", host)


def read_ingress_nginx(request: Request) -> tuple[Target, str] | None:
    """ingress-nginx: the absolute URL in ``X-Original-URL``."""
    value = request.sole(b"x-original-url")
    # Browsers do not send fragments. Programs disagree about where the query ends before one.
    if value is None or "#" in value or b"x-original-method" in request.doubled:
        return None
    url = parse_url(value)
    return None if url is None else (url.target, url.host)


def read_forward_auth(request: Request) -> tuple[Target, str] | None:
    """Traefik, Caddy and HAProxy: ``X-Forwarded-Uri`` and ``X-Forwarded-Host``."""
    host = request.sole(b"x-forwarded-host")
    if host is None:
        return None
    return _read_path(request, b"x-forwarded-uri", b"x-forwarded-method", host)


def read_ext_authz(request: Request) -> tuple[Target, str] | None:
    """Envoy's HTTP ext_authz: the original target follows the path prefix, host in ``Host``."""
    target = parse_target(request.target.removeprefix(EXT_AUTHZ_PREFIX))
    return None if target is None else (target, request.sole(b"host") or "")


CONVENTIONS: Final[dict[str, Convention]] = {
    "auth": Convention(read_nginx, (b"host", b"x-original-uri"), b"x-original-method", "header"),
    "auth-url": Convention(read_ingress_nginx, (b"x-original-url",), b"x-original-method"),
    "forward-auth": Convention(
        read_forward_auth,
        (b"x-forwarded-host", b"x-forwarded-uri"),
        b"x-forwarded-method",
        "response",
    ),
    "ext-authz": Convention(read_ext_authz, (b"host",), redirect="response"),
}
"""The convention of each decision endpoint, by the endpoint's name in metrics."""

PATHS: Final = {f"/{name}": name for name in CONVENTIONS if name != "ext-authz"}
"""The decision endpoints that have one path; ``ext-authz`` has every path below its own."""


def read_original(
    request: Request, convention: Convention, token_cookie: str | None
) -> OriginalRequest | Deny:
    """Return the original request, or the denial of a request that can be read in two ways.

    Args:
        request: The proxy's request.
        convention: How the proxy describes the original request.
        token_cookie: The name of the cookie that may hold a token; None for none.
    """
    parts = convention.read(request)
    if parts is None:
        return ambiguous("expected exactly one, well-formed original request")
    target, host = parts
    # The host selects the policy. Proxies accept different forms of unusual hosts.
    if split_port(host) is None:
        return ambiguous("expected a plain host name or address, with a port or without")
    if has_too_many_parameters(target.query):
        return ambiguous(f"expected at most {MAX_PARAMETERS} query parameters")
    if target.ambiguous:
        return ambiguous("expected every query parameter once, and prefix to be the path's tenant")
    in_query = [*target.jwt, *target.token]
    if b"authorization" in request.doubled:
        return ambiguous("expected at most one Authorization header")
    tokens = {*in_query, *bearer_tokens(request)}
    if not tokens and token_cookie is not None:
        tokens = set(cookies(request, token_cookie))
    if len(tokens) > 1:
        return ambiguous("expected all tokens in the request to be the same one")
    return OriginalRequest(target, host, tokens.pop() if tokens else None)


def bearer_tokens(request: Request) -> list[str]:
    """Return every bearer token of a request (RFC 6750, section 2.1)."""
    start = len(_BEARER)
    return [
        value[start:].strip()
        for value in request.values(b"authorization")
        if value[:start].lower() == _BEARER
    ]


def cookies(request: Request, name: str) -> list[str]:
    """Return the values of all cookies of this name, as they were sent."""
    return [value for key, value in all_cookies(request) if key == name]


def all_cookies(request: Request) -> list[tuple[str, str]]:
    """Return the names and values of all cookies, as they were sent.

    A request with more cookies than a browser sends counts as one without cookies.
    """
    headers = request.values(b"cookie")
    if sum(header.count(";") + 1 for header in headers) > _MOST_COOKIES:
        return []
    pairs = [pair.strip().partition("=") for header in headers for pair in header.split(";")]
    return [(name, value) for name, _, value in pairs]


def _read_path(
    request: Request, name: bytes, method_header: bytes, host: str
) -> tuple[Target, str] | None:
    value = request.sole(name)
    if value is None or method_header in request.doubled:
        return None
    target = parse_target(value)
    return None if target is None else (target, host)
