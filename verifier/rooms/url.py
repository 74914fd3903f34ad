"""URLs: which room and tokens a target contains, and how to remove the tokens.

Three programs read a URL, each in its own way, and all have to agree on the room:

- The web client (jitsi-meet, ``base/util/uri.ts``) takes the raw path: the last segment is the
  room, and the segments before it are the tenant. It sends the room's form as the ``room``
  parameter.
- The web server (the nginx files that Jitsi ships) takes the decoded path: slashes merged, dots
  resolved, ``%2F`` a slash. It alone decides what is signalling, and the tenant: one segment.
- Prosody takes the address that the client built: ``[tenant]room@muc`` (``config.js`` writes the
  dots of a tenant as underscores).

A URL on which they disagree names no room here:

- encoded slashes and backslashes (``/a%2Fb``), dot segments (``/a/../b``), and empty segments
  (``/a//b``; only ``//room`` is ``room`` to all three);
- two tenants in a row (``/a/b/room``), and excluded characters in a tenant;
- names that look like signalling to a proxy that ignores case (``/HTTP-bind``).

No browser sends a raw space, control character or ``#`` in a path: these name no room either. Nor
does a path that is too long for a tenant and a room. Lengths and numbers are checked before the
work that depends on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address
from json import loads
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, unquote

from verifier.rooms.address import (
    MAX_BYTES,
    MAX_WRITTEN,
    RoomAddress,
    room_name,
    sent_room_name,
    tenant_name,
)
from verifier.rooms.host import split_port
from verifier.rooms.percent import percent_decoded
from verifier.rooms.query import has_too_many_parameters, read_parameters

EXT_AUTHZ_PREFIX: Final = "/ext-authz"
"""The prefix that Envoy puts before the path of an original request; no part of its room."""

Service: TypeAlias = Literal["http-bind", "xmpp-websocket", "conference-request", "room-info"]
"""What the web server hands signalling to: Prosody, or Jicofo for ``conference-request``."""

_DOUBTFUL: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff#\\]|%(?:00|2[Ff]|5[Cc])")
_DOTS: Final = frozenset((".", ".."))
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))

_STREAMS: Final = ("http-bind", "xmpp-websocket")
_SERVICES: Final[dict[tuple[str, ...], Service]] = {
    ("http-bind",): "http-bind",
    ("xmpp-websocket",): "xmpp-websocket",
    ("_api", "room-info"): "room-info",
}
_CONFERENCE_REQUEST: Final = ["conference-request", "v1"]
_UNLOCK: Final = re.compile(r"/(?:[^/]+/)?_unlock/?")
_SIGNALLING_NAMES: Final = frozenset({*_STREAMS, "_api", "conference-request"})
_PARAMETERS: Final = ("jwt", "token", "room", "prefix")
_TOKEN_PARAMETERS: Final = frozenset(("jwt", "token"))
_LONGEST_PATH: Final = 2 * (MAX_WRITTEN + len("/"))
_LONGEST_RAW_PATH: Final = 2 * (MAX_BYTES + len("/"))  # bytes, of a path with raw text in it
_MOST_SEGMENTS: Final = 16
# Characters: three for each of the longest word of the web server's, and of a parameter's name.
_LONGEST_WORD: Final = 3 * len("conference-request")
_LONGEST_NAME: Final = 3 * len("token")

# Not IGNORECASE: with that flag, the letter U+017F (long s) would match "s".
_URL: Final = re.compile(r"([Hh][Tt][Tt][Pp][Ss]?)://([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)
_MAX_HOST: Final = 253  # characters of a name in DNS


@dataclass(slots=True)
class Target:
    """What an original request's target says.

    Attributes:
        path: As it was sent.
        query: As it was sent, without ``?``.
        service: The service to which the web server hands the request; the room is then a
            parameter. None for a page.
        address: The room; None if the target names no room.
        jwt: Every value of the ``jwt`` parameter, decoded, in order; likewise the next three. None
            of them has a value if there are too many parameters.
        token: The values of ``token``.
        room: The values of ``room``.
        prefix: The values of ``prefix``.
    """

    path: str
    query: str = field(repr=False)
    service: Service | None
    address: RoomAddress | None
    jwt: tuple[str, ...] = field(repr=False)
    token: tuple[str, ...] = field(repr=False)
    room: tuple[str, ...]
    prefix: tuple[str, ...]

    @property
    def signalling(self) -> bool:
        """Whether the web server hands the request to Prosody or Jicofo."""
        return self.service is not None

    @property
    def is_unlock(self) -> bool:
        """Whether a client asks only that its cookies and connections stay in use.

        Jitsi's web servers answer ``/_unlock`` with an empty page; it enters no room.
        """
        return _UNLOCK.fullmatch(self.path) is not None

    @property
    def ambiguous(self) -> bool:
        """Whether a parameter is there twice, or ``prefix`` contradicts the path.

        Also whether there are more parameters than are read.

        Stock nginx puts ``prefix=<tenant>`` before the client's own query, and Prosody takes the
        last value, so that a client's ``prefix`` replaces the tenant.
        """
        if has_too_many_parameters(self.query):
            return True
        if len(self.jwt) > 1 or len(self.token) > 1 or len(self.room) > 1 or len(self.prefix) > 1:
            return True
        if not (self.signalling and self.prefix and self.address):
            return False
        return sent_room_name(self.prefix[0]) != self.address.tenant


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute URL: scheme and host in lower case, an IPv6 host in its brackets."""

    scheme: str
    host: str
    port: int | None
    target: Target


def parse_target(target: str) -> Target | None:
    """Read a request target in origin form, a path with or without a query; never raises.

    Raw text beyond ASCII counts as its UTF-8, as browsers encode it; surrogates (bytes that are
    not UTF-8) name no room.

    Returns:
        None for any other form, such as ``*`` or an absolute URL.
    """
    if not target.startswith("/"):
        return None
    path, _, query = target.partition("?")
    if has_too_many_parameters(query):
        return Target(path, query, None, None, (), (), (), ())
    jwt, token, room, prefix = map(tuple, read_parameters(query, _PARAMETERS).values())
    # Proxies differ on whether a raw "#" ends the query.
    service, address = (None, None) if "#" in query else _read_path(path, room)
    return Target(path, query, service, address, jwt, token, room, prefix)


def parse_url(url: str) -> Url | None:
    """Read an absolute http or https URL; a fragment is left out.

    Returns:
        None for anything else, also with user info, an invalid host or an invalid port.
    """
    match = _URL.fullmatch(url)
    authority = split_port(match[2]) if match else None
    if match is None or authority is None:
        return None
    host, port = authority[0].lower(), authority[1]
    if port is not None and not 0 < port <= 0xFFFF:
        return None
    if len(host) > _MAX_HOST or not _is_ip_literal_or_name(host):
        return None
    rest = match[3] if match[3].startswith("/") else f"/{match[3]}"
    target = parse_target(rest)
    return Url(match[1].lower(), host, port, target) if target else None


def fragment_token(url: str) -> str | None:
    """Return the token after ``#jwt=``, which the client reads first and no proxy ever sees.

    The client (``base/util/parseURLParams.ts``) reads the value as JSON, so that it has to be in
    quotes for the client; here a bare value counts too.
    """
    parts = url.partition("#")[2].split("&")
    values = [part.split("=")[1] for part in parts if part.startswith("jwt=")]
    text = unquote(values[-1]) if values else ""
    if text.startswith('"'):
        try:
            text = loads(text)
        except ValueError:
            return None
    return text or None


def without_tokens(target: Target, longest: int) -> str | None:
    """Return path and query without the parameters ``jwt`` and ``token``.

    The result is printable ASCII and begins with one slash: a browser that is sent to a path with
    two slashes would take the first segment for another host.

    Args:
        target: The target.
        longest: The most characters of the result.

    Returns:
        None if it would be longer.
    """
    parts = [part for part in target.query.split("&") if not _is_token(part)]
    query = "&".join(parts)
    path = "/" + target.path.lstrip("/")
    raw = (f"{path}?{query}" if query else path).encode("utf-8", "surrogatepass")
    # Before it is encoded, too, because that takes long.
    if len(raw) > longest:
        return None
    text = quote(raw, safe=_PRINTABLE)
    return None if len(text) > longest else text


def _is_token(parameter: str) -> bool:
    name = parameter.partition("=")[0]
    if "%" in name and len(name) <= _LONGEST_NAME:
        name = percent_decoded(name)
    return name in _TOKEN_PARAMETERS


def _read_path(path: str, rooms: tuple[str, ...]) -> tuple[Service | None, RoomAddress | None]:
    """Return the service of signalling, and which room the path or its parameter names."""
    if len(path) > _LONGEST_PATH or path.count("/") > _MOST_SEGMENTS or _DOUBTFUL.search(path):
        return None, None
    if not path.isascii():
        if len(path.encode()) > _LONGEST_RAW_PATH:
            return None, None
        path = quote(path, safe=_PRINTABLE)
    segments = path.split("/")[1:]
    if len(segments) == 2 and not segments[0]:
        del segments[0]
    names = list(map(_word, segments)) if "%" in path else segments
    if "" in names[:-1] or not _DOTS.isdisjoint(names):
        return None, None
    # Most paths are a page's, and need no comparison of their parts.
    if not _SIGNALLING_NAMES.isdisjoint(names):
        for depth in (0, 1):
            service = _service(names[depth:])
            if service is not None:
                room = sent_room_name(rooms[0]) if len(rooms) == 1 else None
                return service, _address(segments[:depth], room)
    return None, _page_address(segments)


def _word(segment: str) -> str:
    """Return a segment decoded, or any text if it is too long for a word of the web server's."""
    return percent_decoded(segment) if len(segment) <= _LONGEST_WORD else segment


def _service(names: list[str]) -> Service | None:
    """Return the service whose path these names are; None if they are a page's."""
    if names[:2] == _CONFERENCE_REQUEST:
        return "conference-request"
    return _SERVICES.get(tuple(names))


def _page_address(segments: list[str]) -> RoomAddress | None:
    """Return the room of a page's path: a room, or a tenant and a room."""
    if len(segments) > 2:
        return None
    room = room_name(segments[-1])
    # Below a tenant nginx looks at how the name begins; elsewhere only a proxy that ignores case
    # or normalises would find signalling here.
    if room in _STREAMS or (room and len(segments) == 2 and room.startswith(_STREAMS)):
        return None
    return _address(segments[:-1], room)


def _address(tenants: list[str], room: str | None) -> RoomAddress | None:
    if not tenants or room is None:
        return RoomAddress(room) if room else None
    tenant = tenant_name(tenants[0])
    return RoomAddress(room, tenant) if tenant and tenant not in _SIGNALLING_NAMES else None


def _is_ip_literal_or_name(host: str) -> bool:
    try:
        return not host.startswith("[") or bool(IPv6Address(host[1:-1]))
    except AddressValueError:
        return False
