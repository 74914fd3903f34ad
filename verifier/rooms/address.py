"""Room addresses: the web client's form of a name, JIDs, and the room that both mean.

This module knows neither URLs nor tokens nor this deployment's hosts.

A room's form, as jitsi-meet's ``base/util/uri.ts`` makes it: excluded characters removed,
percent-decoded (kept as it is if that fails), NFKC, lower case, ``encodeURIComponent``, lower case.
``room_name`` makes the form from a path segment and is not idempotent: ``%21`` becomes ``!``, which
a second call removes. ``sent_room_name`` takes a form as it is, so that a page and the signalling
that it starts have one address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from encodings.idna import nameprep
from typing import Final
from unicodedata import normalize
from urllib.parse import quote, unquote

# Prosody's string preparation refuses a longer part of an address.
_MAX_BYTES: Final = 1023

_EXCLUDED: Final = re.compile(r"""[:?#\[\]@!$&'()*+,;=></"]""")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]+")
_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNESCAPED: Final = "-_.!~*'()"  # by encodeURIComponent, besides letters and digits
# Other ASCII characters are excluded, also percent-encoded: the client would remove some of them,
# and nginx and XMPP refuse others.
_TENANT: Final = re.compile(r"(?:[a-z0-9._~-]|%[89a-f][0-9a-f])+")
_JID: Final = re.compile(r"(?:([^@/]+)@)?([^@/]+)(?:/(.+))?", re.DOTALL)
_NODE_WITH_TENANT: Final = re.compile(r"\[([^\]]+)\](.+)", re.DOTALL)


@dataclass(slots=True, unsafe_hash=True)
class RoomAddress:
    """A room as the web client names it.

    Attributes:
        room: Percent-encoded, lower case; at most 1,023 bytes, all ASCII.
        tenant: In the same form (Jitsi's ``prefix``); None without a tenant.
    """

    room: str
    tenant: str | None = None


@dataclass(slots=True)
class Jid:
    """An XMPP address, not prepared."""

    node: str | None
    host: str
    resource: str | None = None


def room_name(segment: str) -> str | None:
    """Return one raw path segment in the form that the client sends.

    Returns:
        None if nothing is left of the segment, or if no XMPP address can hold the name: it has more
        than 1,023 bytes, or a lone surrogate.
    """
    if _PLAIN.fullmatch(segment):
        return _bounded(segment.lower())
    return _form(_percent_decoded(_EXCLUDED.sub("", segment)))


def sent_room_name(value: str) -> str | None:
    """Return the form of a name that a client sent, such as a decoded ``room`` parameter.

    A name that is in the form stays as it is. Any other name is brought to the form, but nothing is
    removed: older clients sent the form unescaped, so that its ``%3a`` arrives here as ``:``. This
    function is idempotent.
    """
    if _PLAIN.fullmatch(value):
        return _bounded(value.lower())
    text = _percent_decoded(value)
    return _bounded(value) if _encoded(text) == value else _form(text)


def tenant_name(segment: str) -> str | None:
    """Return one raw path segment in the form of a tenant.

    Returns:
        None if client, nginx and XMPP would not write the same name.
    """
    form = room_name(segment)
    if not form or _EXCLUDED.search(segment):
        return None
    if not _TENANT.fullmatch(form) or ("%" in form and not _is_prepared(unquote(form))):
        return None
    return form


def room_jid(address: RoomAddress, muc_domain: str) -> str:
    """Return the MUC address that Prosody sees: ``room@muc`` or ``[tenant]room@muc``.

    The tenant is part of a host name that ``config.js`` makes of nginx' ``$subdomain``. It is lower
    case, ``acme.corp`` becomes ``acme_corp``, and what is not ASCII stays percent-encoded, because
    nginx' ``set`` leaves a capture of an encoded path encoded.
    """
    if address.tenant is None:
        return f"{address.room}@{muc_domain}"
    return f"[{address.tenant.replace('.', '_')}]{address.room}@{muc_domain}"


def parse_jid(text: str) -> Jid | None:
    """Split an address as Prosody's ``util.jid.split`` does; None if that returns nil."""
    match = _JID.fullmatch(text)
    return Jid(*match.groups()) if match else None


def split_tenant(node: str) -> tuple[str | None, str]:
    """Split ``[tenant]room`` as jitsi-meet's ``extract_subdomain``; other nodes have no tenant."""
    match = _NODE_WITH_TENANT.fullmatch(node)
    return (match[1], match[2]) if match else (None, node)


def ascii_lower(text: str) -> str:
    """Return the text in lower case as Lua makes it: ASCII letters only."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _form(text: str) -> str | None:
    # Every character takes a byte or more; the bound comes first, because NFKC is not linear.
    if len(text) > _MAX_BYTES:
        return None
    return _bounded(_encoded(normalize("NFKC", text).lower()))


def _bounded(form: str | None) -> str | None:
    return form if form and len(form) <= _MAX_BYTES else None


def _percent_decoded(text: str) -> str:
    """Decode as ``decodeURIComponent``; return the whole text unchanged if that would throw."""
    if "%" not in text or _BROKEN_PERCENT.search(text):
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _encoded(text: str) -> str | None:
    """Encode as ``encodeURIComponent``, in lower case; None if that would throw."""
    try:
        return quote(text, safe=_UNESCAPED).lower()
    except UnicodeEncodeError:
        return None


def _is_prepared(host: str) -> bool:
    """Return whether Prosody's preparation of host names (RFC 3491) leaves the name as it is."""
    try:
        return nameprep(host) == host
    except UnicodeError:
        return False
