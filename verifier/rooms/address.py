"""The room that a request means: URL and JID to room address, and the web client's form of a name.

Knows nothing of tokens, headers or this deployment's hosts, and judges nobody: who may enter is
for the rules. Three readings have to agree, and each has its own idea of a URL:

- The web client (jitsi-meet, ``base/util/uri.ts``) takes the raw path: the last segment is the
  room, what stands before it the tenant. It sends the room's form as the ``room`` parameter.
- The web server (the nginx files that Jitsi ships) takes the decoded path: slashes merged, dots
  resolved, ``%2F`` a slash. It alone decides what is signalling, and the tenant: one segment.
- Prosody takes the address that the client built: ``[tenant]room@muc`` (``config.js`` writes the
  dots of a tenant as underscores).

A URL on which they disagree names no room here: encoded slashes and backslashes, dot segments,
empty segments (but ``//room`` is ``room`` to all), two tenants in a row, excluded characters in a
tenant, names that only a careless proxy would take for signalling. No browser sends a raw
space, control character or ``#`` in a path, so they name no room either.

A room's form: excluded characters removed, percent-decoded (kept as it is if that fails), NFKC,
lower case, ``encodeURIComponent``, lower case. `room_name` makes it from a path segment and is not
idempotent: ``%21`` becomes ``!``, which a second turn removes. `sent_room_name` takes a form as it
stands, so that a page and the signalling it starts have one address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from encodings.idna import nameprep
from ipaddress import AddressValueError, IPv6Address
from json import loads
from unicodedata import normalize
from urllib.parse import quote, unquote, unquote_plus

# Prosody's string preparation refuses a longer part of an address.
_LONGEST = 1023

_EXCLUDED = re.compile(r"""[:?#\[\]@!$&'()*+,;=></"]""")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNESCAPED = "-_.!~*'()"  # besides letters and digits, by encodeURIComponent

_DOUBTFUL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff#\\]|%(?:00|2[Ff]|5[Cc])")
_DOTS = frozenset((".", ".."))
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))

_STREAMS = ("http-bind", "xmpp-websocket")
_SIGNALLING = frozenset({("http-bind",), ("xmpp-websocket",), ("_api", "room-info")})
_CONFERENCE_REQUEST = ["conference-request", "v1"]
_NEVER_TENANTS = frozenset({*_STREAMS, "_api", "conference-request"})
# No ASCII but these in any spelling: the client would remove some, nginx and XMPP refuse others.
_TENANT = re.compile(r"(?:[a-z0-9._~-]|%[89a-f][0-9a-f])+")

# Not IGNORECASE: to that a long s and the Kelvin sign are letters of ASCII.
_URL = re.compile(r"([Hh][Tt][Tt][Pp][Ss]?)://([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)
_NAME, _IP_LITERAL = r"(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+\.?", r"\[[0-9A-Fa-f:.]+\]"
_AUTHORITY = re.compile(rf"({_NAME}|{_IP_LITERAL})(?::([0-9]{{1,5}}))?")
_JID = re.compile(r"(?:([^@/]+)@)?([^@/]+)(?:/(.+))?", re.DOTALL)
_NODE_WITH_TENANT = re.compile(r"\[([^\]]+)\](.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RoomAddress:
    """A room as the web client names it.

    Attributes:
        room: Percent-encoded, lower case; at most 1,023 bytes, all ASCII.
        tenant: In the same form (Jitsi's ``prefix``); None when there is none.
    """

    room: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What an original request's target says.

    Attributes:
        path: As it was sent.
        query: As it was sent, without ``?``.
        signalling: The web server hands the request to Prosody or Jicofo: the room is a parameter.
        address: The room; None when the target names none.
        jwt: Every value of the ``jwt`` parameter, decoded, in order; likewise the next three.
        token: The values of ``token``.
        room: The values of ``room``.
        prefix: The values of ``prefix``.
    """

    path: str
    query: str = field(repr=False)
    signalling: bool
    address: RoomAddress | None
    jwt: tuple[str, ...] = field(repr=False)
    token: tuple[str, ...] = field(repr=False)
    room: tuple[str, ...]
    prefix: tuple[str, ...]

    @property
    def ambiguous(self) -> bool:
        """A parameter stands there twice, or ``prefix`` contradicts the path.

        Stock nginx puts ``prefix=<tenant>`` before the client's own query, and Prosody takes the
        last one, so that a client's ``prefix`` replaces the tenant.
        """
        if max(map(len, (self.jwt, self.token, self.room, self.prefix))) > 1:
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


@dataclass(frozen=True, slots=True)
class Jid:
    """An XMPP address, not prepared."""

    node: str | None
    host: str
    resource: str | None = None


def room_name(segment: str) -> str | None:
    """Bring one raw path segment to the form that the client sends; None where nothing is left.

    None too for what no XMPP address can hold: more than 1,023 bytes, or a lone surrogate.
    """
    if _PLAIN.fullmatch(segment):
        return _bounded(segment.lower())
    return _form(_percent_decoded(_EXCLUDED.sub("", segment)))


def sent_room_name(value: str) -> str | None:
    """Read a name that a client sent, such as a decoded ``room`` parameter.

    A name in the form stands as it is. Any other is brought to it, but nothing is removed: older
    clients sent the form unescaped, so that its ``%3a`` arrives here as ``:``. Idempotent.
    """
    if _PLAIN.fullmatch(value):
        return _bounded(value.lower())
    text = _percent_decoded(value)
    return _bounded(value) if _encoded(text) == value else _form(text)


def room_jid(address: RoomAddress, muc_domain: str) -> str:
    """Write the MUC address that Prosody sees, ``room@muc`` or ``[tenant]room@muc``.

    The tenant comes from a host name that ``config.js`` makes of nginx' ``$subdomain``: lower
    case, ``acme.corp`` is ``acme_corp``, and what is not ASCII stays percent-encoded, as ``set``
    leaves a capture of an encoded path.
    """
    if address.tenant is None:
        return f"{address.room}@{muc_domain}"
    return f"[{address.tenant.replace('.', '_')}]{address.room}@{muc_domain}"


def parse_jid(text: str) -> Jid | None:
    """Split an address as Prosody's ``util.jid.split`` does; None where that returns nil."""
    match = _JID.fullmatch(text)
    return Jid(*match.groups()) if match else None


def split_tenant(node: str) -> tuple[str | None, str]:
    """Split ``[tenant]room`` as jitsi-meet's ``extract_subdomain``; other nodes have no tenant."""
    match = _NODE_WITH_TENANT.fullmatch(node)
    return (match[1], match[2]) if match else (None, node)


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
    jwt, token, room, prefix = _parameters(query)
    # Proxies differ on whether a raw "#" ends the query.
    signalling, address = (False, None) if "#" in query else _read(path, room)
    return Target(path, query, signalling, address, jwt, token, room, prefix)


def parse_url(url: str) -> Url | None:
    """Read an absolute http or https URL; a fragment is left out.

    Returns:
        None for anything else, also with user info, an invalid host or an invalid port.
    """
    match = _URL.fullmatch(url)
    authority = _AUTHORITY.fullmatch(match[2]) if match else None
    if match is None or authority is None:
        return None
    host, port = authority[1].lower(), int(authority[2]) if authority[2] else None
    if port is not None and not 0 < port <= 0xFFFF:
        return None
    if len(host) > 253 or not _is_ip_literal_or_name(host):
        return None
    rest = match[3] if match[3].startswith("/") else f"/{match[3]}"
    target = parse_target(rest)
    return Url(match[1].lower(), host, port, target) if target else None


def fragment_token(url: str) -> str | None:
    """Find the token behind ``#jwt=``, which the client reads first and no proxy ever sees.

    The client (``base/util/parseURLParams.ts``) reads the value as JSON, so it has to stand in
    quotes there; here a bare value counts too.
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


def _form(text: str) -> str | None:
    # Every character takes a byte or more; the bound comes first, as NFKC is not linear.
    if len(text) > _LONGEST:
        return None
    return _bounded(_encoded(normalize("NFKC", text).lower()))


def _bounded(form: str | None) -> str | None:
    return form if form and len(form) <= _LONGEST else None


def _percent_decoded(text: str) -> str:
    """Decode as ``decodeURIComponent``, keeping the whole text where that throws."""
    if "%" not in text or _BROKEN_PERCENT.search(text):
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _encoded(text: str) -> str | None:
    """Encode as ``encodeURIComponent``, in lower case; None where that throws."""
    try:
        return quote(text, safe=_UNESCAPED).lower()
    except UnicodeEncodeError:
        return None


def _parameters(query: str) -> tuple[tuple[str, ...], ...]:
    """Collect the values of jwt, token, room and prefix, decoded as Prosody's formdecode does."""
    found: dict[str, list[str]] = {"jwt": [], "token": [], "room": [], "prefix": []}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if "%" in name:
            name = unquote(name)
        if name in found:
            if "%" in value or "+" in value:
                value = unquote_plus(value, errors="surrogateescape")
            found[name].append(value)
    return tuple(map(tuple, found.values()))


def _read(path: str, rooms: tuple[str, ...]) -> tuple[bool, RoomAddress | None]:
    """Say whether the path is signalling, and which room it or its parameter names."""
    if _DOUBTFUL.search(path):
        return False, None
    segments = (path if path.isascii() else quote(path, safe=_PRINTABLE)).split("/")[1:]
    if len(segments) == 2 and not segments[0]:
        del segments[0]
    names = [unquote(segment) for segment in segments] if "%" in path else segments
    if "" in names[:-1] or not _DOTS.isdisjoint(names):
        return False, None
    for depth in (0, 1):
        if _is_signalling(names[depth:]):
            room = sent_room_name(rooms[0]) if len(rooms) == 1 else None
            return True, _address(segments[:depth], room)
    return False, _page(segments)


def _is_signalling(names: list[str]) -> bool:
    return tuple(names) in _SIGNALLING or names[:2] == _CONFERENCE_REQUEST


def _page(segments: list[str]) -> RoomAddress | None:
    """Read a page's path: a room, or a tenant and a room."""
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
    tenant = _tenant(tenants[0])
    return RoomAddress(room, tenant) if tenant else None


def _tenant(segment: str) -> str | None:
    """Bring a tenant to its form; None where client, nginx and XMPP would not write one name."""
    form = room_name(segment)
    if not form or form in _NEVER_TENANTS or _EXCLUDED.search(segment):
        return None
    if not _TENANT.fullmatch(form) or ("%" in form and not _is_prepared(unquote(form))):
        return None
    return form


def _is_prepared(host: str) -> bool:
    """Prosody prepares host names (RFC 3491); the tenant of a MUC address is part of one."""
    try:
        return nameprep(host) == host
    except UnicodeError:
        return False


def _is_ip_literal_or_name(host: str) -> bool:
    try:
        return not host.startswith("[") or bool(IPv6Address(host[1:-1]))
    except AddressValueError:
        return False


def ascii_lower(text: str) -> str:
    """Return the text in lower case as Lua makes it: ASCII letters only."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
