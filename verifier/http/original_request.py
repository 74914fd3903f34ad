"""The decision endpoints for proxies: which room and token an original request means.

Each convention is read from one place and ignores every other convention's headers, so that a
client cannot smuggle in what its proxy does not overwrite. Knows no rule and no key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from verifier.http.request_head import RequestHead, sole_header
from verifier.rooms.host import split_port
from verifier.rooms.url import Target, parse_target, parse_url
from verifier.rules.denials import ambiguous
from verifier.rules.model import Deny

EXT_AUTHZ: Final = "/ext-authz"
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Convention:
    """How a proxy asks.

    Attributes:
        read: Gives the original request's target and host; None where they are not there exactly
            once.
        names: The headers that it reads.
        method: The header that has the original method, which must not be there twice.
    """

    read: Callable[[RequestHead], tuple[Target, str] | None]
    names: tuple[str, ...]
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """What a proxy asks about.

    Attributes:
        target: The original request's target.
        host: The host that it was sent to, with its port if it was named.
        token: The token that it carries; None for none.
    """

    target: Target
    host: str
    token: str | None = field(repr=False)


def nginx(request: RequestHead) -> tuple[Target, str] | None:
    """``auth_request``: path and query in ``X-Original-URI``, host in ``Host``."""
    host = request.headers.get("Host", "")
    return _origin_form(request, "X-Original-URI", "X-Original-Method", host)


def ingress_nginx(request: RequestHead) -> tuple[Target, str] | None:
    """ingress-nginx: the absolute URL in ``X-Original-URL``."""
    value = sole_header(request, "X-Original-URL")
    # A fragment never reaches a proxy, and others would take what is behind it for the query.
    if value is None or "#" in value or not _at_most_one(request, "X-Original-Method"):
        return None
    url = parse_url(value)
    return None if url is None else (url.target, url.host)


def forward_auth(request: RequestHead) -> tuple[Target, str] | None:
    """Traefik, Caddy and HAProxy: ``X-Forwarded-Uri``, with its host and method."""
    host = sole_header(request, "X-Forwarded-Host")
    if host is None:
        return None
    return _origin_form(request, "X-Forwarded-Uri", "X-Forwarded-Method", host)


def ext_authz(request: RequestHead) -> tuple[Target, str] | None:
    """Envoy's HTTP ext_authz: the original target behind the path prefix, host in ``Host``."""
    target = parse_target(request.raw_path.removeprefix(EXT_AUTHZ))
    return None if target is None else (target, request.headers.get("Host", ""))


CONVENTIONS: Final[dict[str, Convention]] = {
    "auth": Convention(nginx, ("Host", "X-Original-URI"), "X-Original-Method"),
    "auth-url": Convention(ingress_nginx, ("X-Original-URL",), "X-Original-Method"),
    "forward-auth": Convention(
        forward_auth, ("X-Forwarded-Host", "X-Forwarded-Uri"), "X-Forwarded-Method"
    ),
    "ext-authz": Convention(ext_authz, ("Host",)),
}
"""How each decision endpoint, by the name that it has in metrics, reads the original request."""

PATHS: Final = {f"/{name}": name for name in CONVENTIONS if name != "ext-authz"}
"""The decision endpoints that have one path; ``ext-authz`` has every path below its own."""


def read_original(
    request: RequestHead, convention: Convention, token_cookie: str | None
) -> Original | Deny:
    """Read the original request; anything that can be read in two ways is ambiguous.

    Args:
        request: The proxy's question.
        convention: Where the original request's target is.
        token_cookie: Name of the cookie that may hold a token; None where none may.
    """
    asked = convention.read(request)
    if asked is None:
        return ambiguous("expected exactly one, well-formed original request")
    target, host = asked
    # Proxies differ in what else they take for a host, and it chooses whose rules apply.
    if split_port(host) is None:
        return ambiguous("expected a plain host name or address, with a port or without")
    if target.ambiguous:
        return ambiguous("expected every query parameter once, and prefix to be the path's tenant")
    sent = [*target.jwt, *target.token]
    if not _at_most_one(request, "Authorization"):
        return ambiguous("expected at most one Authorization header")
    candidates = {*sent, *bearer_tokens(request)}
    if not candidates and token_cookie is not None:
        candidates = set(cookies(request, token_cookie))
    if len(candidates) > 1:
        return ambiguous("expected all tokens in the request to be the same one")
    return Original(target, host, candidates.pop() if candidates else None)


def _origin_form(
    request: RequestHead, name: str, method: str, host: str
) -> tuple[Target, str] | None:
    value = sole_header(request, name)
    if value is None or not _at_most_one(request, method):
        return None
    target = parse_target(value)
    return None if target is None else (target, host)


def _at_most_one(request: RequestHead, name: str) -> bool:
    return len(request.headers.getall(name, ())) <= 1


def bearer_tokens(request: RequestHead) -> list[str]:
    """Give every bearer token of a request (RFC 6750, section 2.1)."""
    values = request.headers.getall("Authorization", ())
    start = len(_BEARER)
    return [value[start:].strip() for value in values if value[:start].lower() == _BEARER]


def cookies(request: RequestHead, name: str) -> list[str]:
    """Give the value of every cookie of this name, as it was sent."""
    pairs = [
        pair.strip().partition("=")
        for header in request.headers.getall("Cookie", ())
        for pair in header.split(";")
    ]
    return [value for key, _, value in pairs if key == name]
