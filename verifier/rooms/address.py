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
from typing import Final
from unicodedata import combining, normalize
from urllib.parse import quote

from verifier.rooms.nameprep import is_prepared
from verifier.rooms.percent import BROKEN, percent_decoded

MAX_BYTES: Final = 1023
"""Bytes of the longest part of an XMPP address (RFC 6122, section 2.1)."""

LONGEST_JID: Final = 3 * MAX_BYTES + len("@/")
"""Characters of the longest XMPP address."""

MAX_WRITTEN: Final = 3 * MAX_BYTES
"""Characters of the longest segment or parameter that is read as a name.

Each byte of a name has at most three characters, and normalisation makes a name shorter only by
composing letters.
"""

_EXCLUDED: Final = re.compile(r"""[:?#\[\]@!$&'()*+,;=></"]""")
_REMOVED: Final = str.maketrans("", "", """:?#[]@!$&'()*+,;=></\"""")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~-]+")
_UNESCAPED: Final = "-_.!~*'()"  # by encodeURIComponent, besides letters and digits
# UAX #15, stream-safe text: no language has as many combining marks on one letter.
_MOST_MARKS: Final = 30
_NORMALISED_AT_ONCE: Final = 64  # letters
# Other ASCII characters are excluded, also percent-encoded: the client would remove some of them,
# and nginx and XMPP refuse others.
_TENANT: Final = re.compile(r"(?:[a-z0-9._~-]|%[89a-f][0-9a-f])+")
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
        than 1,023 bytes, or a lone surrogate. Also None for a segment of more than ``MAX_WRITTEN``
        characters.
    """
    if len(segment) > MAX_WRITTEN:
        return None
    if _PLAIN.fullmatch(segment):
        return _bounded(segment.lower())
    return _form(_percent_decoded(segment.translate(_REMOVED)))


def sent_room_name(value: str) -> str | None:
    """Return the form of a name that a client sent, such as a decoded ``room`` parameter.

    A name that is in the form stays as it is. Any other name is brought to the form, but nothing is
    removed: older clients sent the form unescaped, so that its ``%3a`` arrives here as ``:``. This
    function is idempotent.
    """
    if len(value) > MAX_WRITTEN:
        return None
    if _PLAIN.fullmatch(value):
        return _bounded(value.lower())
    text = _percent_decoded(value)
    is_form = len(value) <= MAX_BYTES and _encoded(text) == value
    return _bounded(value) if is_form else _form(text)


def tenant_name(segment: str) -> str | None:
    """Return one raw path segment in the form of a tenant.

    Returns:
        None if client, nginx and XMPP would not write the same name.
    """
    form = room_name(segment)
    if not form or _EXCLUDED.search(segment):
        return None
    if not _TENANT.fullmatch(form):
        return None
    if "%" in form and not is_prepared(percent_decoded(form, "replace")):
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
    """Split an address as Prosody's ``util.jid.split`` does; None if that returns nil.

    Also None for a part of more than 1,023 bytes: Prosody receives no such address.
    """
    if len(text) > LONGEST_JID:
        return None
    bare, slash, resource = text.partition("/")
    node, at, host = bare.rpartition("@")
    if not host or "@" in node or bool(at) != bool(node) or bool(slash) != bool(resource):
        return None
    # A character has at most four bytes.
    if 4 * len(text) > MAX_BYTES and any(map(_is_too_long, (node, host, resource))):
        return None
    return Jid(node or None, host, resource or None)


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
    if len(text) > MAX_BYTES:
        return None
    if not text.isascii():
        if _has_many_marks(text):
            return None
        normalised = _normalised(text)
        if normalised is None:
            return None
        text = normalised
    lowered = text.lower()
    return None if _is_too_long(lowered) else _bounded(_encoded(lowered))


def _has_many_marks(text: str) -> bool:
    """Return whether a letter has so many combining marks that to sort them would take long."""
    count = 0
    if len(text) <= _MOST_MARKS:
        return False
    for letter in text:
        count = count + 1 if combining(letter) else 0
        if count > _MOST_MARKS:
            return True
    return False


def _normalised(text: str) -> str | None:
    """Return a text in NFKC; None if it is longer than a name, as one letter can become many."""
    size = 0
    for start in range(0, len(text), _NORMALISED_AT_ONCE):
        size += len(normalize("NFKC", text[start : start + _NORMALISED_AT_ONCE]))
        # Letters of two parts may become one letter, but not as many as a part has.
        if size > MAX_BYTES + _NORMALISED_AT_ONCE * 4:
            return None
    form = normalize("NFKC", text)
    return form if len(form) <= MAX_BYTES else None


def _bounded(form: str | None) -> str | None:
    return form if form and len(form) <= MAX_BYTES else None


def _is_too_long(part: str) -> bool:
    return len(part) > MAX_BYTES or len(part.encode("utf-8", "surrogatepass")) > MAX_BYTES


def _percent_decoded(text: str) -> str:
    """Decode as ``decodeURIComponent``; return the whole text unchanged if that would throw."""
    if "%" not in text or BROKEN.search(text):
        return text
    try:
        return percent_decoded(text, "strict")
    except UnicodeDecodeError:
        return text


def _encoded(text: str) -> str | None:
    """Encode as ``encodeURIComponent``, in lower case; None if that would throw."""
    try:
        return quote(text, safe=_UNESCAPED).lower()
    except UnicodeEncodeError:
        return None
