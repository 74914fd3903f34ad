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
_NO_UPGRADE: Final = frozenset({"-", ""})  # what a proxy says of a request without Upgrade
_PREFLIGHT_HEADERS: Final = (b"origin", b"access-control-request-method")
_NAMES: Final = {
    b"host": "Host",
    b"x-original-uri": "X-Original-URI",
    b"x-original-url": "X-Original-URL",
    b"x-original-method": "X-Original-Method",
    b"x-forwarded-uri": "X-Forwarded-Uri",
    b"x-forwarded-host": "X-Forwarded-Host",
    b"x-forwarded-method": "X-Forwarded-Method",
}


@dataclass(frozen=True, slots=True)
class Convention:
    """How one kind of proxy describes the original request. All header names are in lower case.

    Attributes:
        read: Returns the target and the host of the original request; None if one of them is
            missing, doubled or malformed.
        target_header: The header with the target; None if the target is in the request's own path.
        host_header: The header with the host; None if the host is in the target.
        method_header: The header with the method; None if the request itself has the method.
        upgrade_header: The header with the ``Upgrade`` of the original request.
        redirect: How the proxy sends its client to another address: ``header`` for a proxy that
            reads the address from a header of a 401, ``response`` for a proxy that passes a 303
            on; None for a proxy that cannot.
    """

    read: Callable[[Request], tuple[Target, str] | None]
    target_header: bytes | None
    host_header: bytes | None
    method_header: bytes | None
    upgrade_header: bytes
    redirect: Literal["header", "response"] | None = None

    @property
    def headers(self) -> tuple[bytes, ...]:
        """The headers that are read, apart from those of the client itself."""
        named = self.target_header, self.host_header, self.method_header, self.upgrade_header
        return tuple(name for name in named if name is not None)


@dataclass(slots=True)
class OriginalRequest:
    """The request that a client sent to the proxy; not to be changed.

    Attributes:
        target: Its target.
        host: Its host, with the port if one was named.
        token: Its token; None for none.
        is_preflight: Whether a browser asks with it whether a page may send a request to Prosody or
            Jicofo. It enters no room and can have no token.
        is_keep_alive: Whether a client that is connected by websocket sends it from time to time,
            and needs any response. It enters no room.
    """

    target: Target
    host: str
    token: str | None = field(repr=False)
    is_preflight: bool = False
    is_keep_alive: bool = False


def read_nginx(request: Request) -> tuple[Target, str] | None:
    """Nginx ``auth_request``: path and query in ``X-Original-URI``, host in ``Host``."""
    return _read_path(request, b"x-original-uri", request.sole(b"host") or "")


def read_ingress_nginx(request: Request) -> tuple[Target, str] | None:
    """ingress-nginx: the absolute URL in ``X-Original-URL``."""
    value = request.sole(b"x-original-url")
    # Browsers do not send fragments. Programs disagree about where the query ends before one.
    if value is None or "#" in value:
        return None
    url = parse_url(value)
    return None if url is None else (url.target, url.host)


def read_forward_auth(request: Request) -> tuple[Target, str] | None:
    """Traefik, Caddy and HAProxy: ``X-Forwarded-Uri`` and ``X-Forwarded-Host``."""
    host = request.sole(b"x-forwarded-host")
    return None if host is None else _read_path(request, b"x-forwarded-uri", host)


def read_ext_authz(request: Request) -> tuple[Target, str] | None:
    """Envoy's HTTP ext_authz: the original target follows the path prefix, host in ``Host``."""
    target = parse_target(request.target.removeprefix(EXT_AUTHZ_PREFIX))
    return None if target is None else (target, request.sole(b"host") or "")


CONVENTIONS: Final[dict[str, Convention]] = {
    "auth": Convention(
        read_nginx,
        b"x-original-uri",
        b"host",
        b"x-original-method",
        b"x-original-upgrade",
        "header",
    ),
    "auth-url": Convention(
        read_ingress_nginx, b"x-original-url", None, b"x-original-method", b"x-original-upgrade"
    ),
    "forward-auth": Convention(
        read_forward_auth,
        b"x-forwarded-uri",
        b"x-forwarded-host",
        b"x-forwarded-method",
        b"x-forwarded-upgrade",
        "response",
    ),
    "ext-authz": Convention(read_ext_authz, None, b"host", None, b"x-original-upgrade", "response"),
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
    parts = None if convention.method_header in request.doubled else convention.read(request)
    if parts is None:
        return ambiguous(_describe_wrong_header(request, convention))
    target, host = parts
    # The host selects the policy. Proxies accept different forms of unusual hosts.
    if split_port(host) is None:
        name = _NAMES[convention.host_header or b"x-original-url"]
        return ambiguous(f"expected a plain host in {name}, with a port or without")
    if has_too_many_parameters(target.query):
        return ambiguous(f"expected at most {MAX_PARAMETERS} query parameters")
    if target.ambiguous:
        return ambiguous("expected every query parameter once, and prefix to be the path's tenant")
    if b"authorization" in request.doubled:
        return ambiguous("expected at most one Authorization header")
    tokens = {*target.jwt, *target.token, *bearer_tokens(request)}
    if not tokens and token_cookie is not None:
        tokens = set(cookies(request, token_cookie))
    if len(tokens) > 1:
        return ambiguous("expected all tokens in the request to be the same one")
    token = tokens.pop() if tokens else None
    header = convention.method_header
    method = request.method if header is None else request.sole(header)
    if method == "OPTIONS" and target.signalling:
        if not request.doubled.keys().isdisjoint(_PREFLIGHT_HEADERS):
            return ambiguous("expected at most one Origin and one Access-Control-Request-Method")
        is_preflight = _is_preflight(request, convention)
        return OriginalRequest(target, host, token, is_preflight=is_preflight)
    is_keep_alive = method == "GET" and _is_keep_alive(request, convention, target)
    return OriginalRequest(target, host, token, is_keep_alive=is_keep_alive)


def _is_preflight(request: Request, convention: Convention) -> bool:
    """Return whether an OPTIONS has what a browser sends (Fetch standard, "CORS-preflight fetch").

    A header without a value does not count. A request with ``Upgrade`` is none: proxies pass it on,
    and if Jitsi's server accepted it, the connection would be open for any other request.
    """
    if not _NO_UPGRADE.issuperset(request.values(convention.upgrade_header)):
        return False
    length = request.fields.get(b"content-length", b"").strip()
    has_body = length.strip(b"0") != b"" or b"transfer-encoding" in request.fields
    return not has_body and all(map(request.sole, _PREFLIGHT_HEADERS))


def _is_keep_alive(request: Request, convention: Convention, target: Target) -> bool:
    """Return whether a GET is a keep-alive; False if the proxy does not say enough about it."""
    if target.service == "xmpp-websocket":
        # Prosody opens a websocket whatever the value of Upgrade is.
        return request.sole(convention.upgrade_header) in _NO_UPGRADE
    return target.is_unlock


def _describe_wrong_header(request: Request, convention: Convention) -> str:
    """Return which header of the original request is wrong, and which endpoint reads another one.

    The text holds names only, because the values may contain a token.
    """
    method_header, target_header = convention.method_header, convention.target_header
    if method_header is not None and method_header in request.doubled:
        return f"expected one {_NAMES[method_header]}, found {_count(request, method_header)}"
    for name in (target_header, convention.host_header):
        if name is not None and _count(request, name) != 1:
            found = f"expected one {_NAMES[name]}, found {_count(request, name) or 'none'}"
            return found + _describe_others(request, convention)
    form = _form_of(request.sole(target_header or b"host") or "")
    if target_header == b"x-original-url":
        expected = "an absolute http or https URL, without user name and fragment"
        return f"expected X-Original-URL to be {expected}, found {form}"
    return f"expected {_NAMES[target_header or b'host']} to begin with a slash, found {form}"


def _form_of(value: str) -> str:
    """Return what a header's value is, in words."""
    if value.startswith("/"):
        return "a path"
    if "://" in value:
        return "a URL"
    return "another text" if value else "nothing"


def _describe_others(request: Request, convention: Convention) -> str:
    """Return which headers came that other endpoints read."""
    own = convention.target_header
    others = {
        other.target_header: endpoint
        for endpoint, other in CONVENTIONS.items()
        if other.target_header not in {None, own} and other.target_header in request.fields
    }
    found = [f"; found {_NAMES[name]}, which /{end} reads" for name, end in others.items() if name]
    return "".join(found)


def _count(request: Request, name: bytes) -> int:
    return len(request.values(name))


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


def _read_path(request: Request, name: bytes, host: str) -> tuple[Target, str] | None:
    value = request.sole(name)
    target = None if value is None else parse_target(value)
    return None if target is None else (target, host)
