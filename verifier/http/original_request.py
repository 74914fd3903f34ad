"""The original request: how each kind of proxy describes it, and how it is read.

Each convention has one source for each part of the original request, and ignores the headers of
all other conventions. A proxy overwrites only its own headers, so any other header may come from
the client. This module uses no rule and no key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from verifier.http.request_head import RequestHead, sole_header
from verifier.rooms.host import split_port
from verifier.rooms.url import EXT_AUTHZ_PREFIX, Target, parse_target, parse_url
from verifier.rules.denials import ambiguous
from verifier.rules.model import Deny

_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Convention:
    """How one kind of proxy describes the original request.

    Attributes:
        read: Returns the target and the host of the original request; None if one of them is
            missing, doubled or malformed.
        headers: The headers that ``read`` uses.
        method_header: The header with the original method. It is not used, but a doubled one
            shows that a client's header passed the proxy.
        redirect: How the proxy sends its client to another address: ``header`` for a proxy that
            reads the address from a header of a 401, ``response`` for a proxy that passes a 303
            on; None for a proxy that cannot.
    """

    read: Callable[[RequestHead], tuple[Target, str] | None]
    headers: tuple[str, ...]
    method_header: str | None = None
    redirect: Literal["header", "response"] | None = None

    @property
    def all_headers(self) -> tuple[str, ...]:
        """The headers that the proxy sets."""
        return self.headers if self.method_header is None else (*self.headers, self.method_header)


@dataclass(frozen=True, slots=True)
class OriginalRequest:
    """The request that a client sent to the proxy.

    Attributes:
        target: Its target.
        host: Its host, with the port if one was named.
        token: Its token; None for none.
    """

    target: Target
    host: str
    token: str | None = field(repr=False)


def read_nginx(request: RequestHead) -> tuple[Target, str] | None:
    """Nginx ``auth_request``: path and query in ``X-Original-URI``, host in ``Host``."""
    host = request.headers.get("Host", "")
    return _read_path(request, "X-Original-URI", "X-Original-Method", host)


def read_ingress_nginx(request: RequestHead) -> tuple[Target, str] | None:
    """ingress-nginx: the absolute URL in ``X-Original-URL``."""
    value = sole_header(request, "X-Original-URL")
    # Browsers do not send fragments. Programs disagree about where the query ends before one.
    if value is None or "#" in value or not _at_most_one(request, "X-Original-Method"):
        return None
    url = parse_url(value)
    return None if url is None else (url.target, url.host)


def read_forward_auth(request: RequestHead) -> tuple[Target, str] | None:
    """Traefik, Caddy and HAProxy: ``X-Forwarded-Uri`` and ``X-Forwarded-Host``."""
    host = sole_header(request, "X-Forwarded-Host")
    if host is None:
        return None
    return _read_path(request, "X-Forwarded-Uri", "X-Forwarded-Method", host)


def read_ext_authz(request: RequestHead) -> tuple[Target, str] | None:
    """Envoy's HTTP ext_authz: the original target follows the path prefix, host in ``Host``."""
    target = parse_target(request.raw_path.removeprefix(EXT_AUTHZ_PREFIX))
    return None if target is None else (target, request.headers.get("Host", ""))


CONVENTIONS: Final[dict[str, Convention]] = {
    "auth": Convention(read_nginx, ("Host", "X-Original-URI"), "X-Original-Method", "header"),
    "auth-url": Convention(read_ingress_nginx, ("X-Original-URL",), "X-Original-Method"),
    "forward-auth": Convention(
        read_forward_auth,
        ("X-Forwarded-Host", "X-Forwarded-Uri"),
        "X-Forwarded-Method",
        "response",
    ),
    "ext-authz": Convention(read_ext_authz, ("Host",), redirect="response"),
}
"""The convention of each decision endpoint, by the endpoint's name in metrics."""

PATHS: Final = {f"/{name}": name for name in CONVENTIONS if name != "ext-authz"}
"""The decision endpoints that have one path; ``ext-authz`` has every path below its own."""


def read_original(
    request: RequestHead, convention: Convention, token_cookie: str | None
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
    if target.ambiguous:
        return ambiguous("expected every query parameter once, and prefix to be the path's tenant")
    in_query = [*target.jwt, *target.token]
    if not _at_most_one(request, "Authorization"):
        return ambiguous("expected at most one Authorization header")
    tokens = {*in_query, *bearer_tokens(request)}
    if not tokens and token_cookie is not None:
        tokens = set(cookies(request, token_cookie))
    if len(tokens) > 1:
        return ambiguous("expected all tokens in the request to be the same one")
    return OriginalRequest(target, host, tokens.pop() if tokens else None)


def bearer_tokens(request: RequestHead) -> list[str]:
    """Return every bearer token of a request (RFC 6750, section 2.1)."""
    values = request.headers.getall("Authorization", ())
    start = len(_BEARER)
    return [value[start:].strip() for value in values if value[:start].lower() == _BEARER]


def cookies(request: RequestHead, name: str) -> list[str]:
    """Return the values of all cookies of this name, as they were sent."""
    pairs = [
        pair.strip().partition("=")
        for header in request.headers.getall("Cookie", ())
        for pair in header.split(";")
    ]
    return [value for key, _, value in pairs if key == name]


def _read_path(
    request: RequestHead, name: str, method_header: str, host: str
) -> tuple[Target, str] | None:
    value = sole_header(request, name)
    if value is None or not _at_most_one(request, method_header):
        return None
    target = parse_target(value)
    return None if target is None else (target, host)


def _at_most_one(request: RequestHead, name: str) -> bool:
    return len(request.headers.getall(name, ())) <= 1
