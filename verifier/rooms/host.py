"""Host names as HTTP has them: the one grammar of names, and what each place accepts of it.

=================  ==========================  ====================================================
Function           For                         Accepts
=================  ==========================  ====================================================
split_port         the original request's      a name, with a root dot or without, or an IP literal
                   host, absolute URLs         in brackets; a port of up to five digits
is_host_header     the listener's own Host     the same and empty labels, because only the proxy's
                                               configuration says what it is; no port over 65535
is_host_name       ``[hosts]`` of a            lower case, no root dot, no port: the form to which
                   configuration               name_of_host brings a Host
=================  ==========================  ====================================================

An option that takes an XMPP domain accepts any script, because Prosody prepares such names; its
grammar is in ``config.value_types``.

No name in DNS has more than 253 characters, so that a longer text is no host.
"""

from __future__ import annotations

import re
from typing import Final

_LABEL: Final = r"[A-Za-z0-9_-]+"
_NAME: Final = rf"(?:{_LABEL}\.)*{_LABEL}"
_IP_LITERAL: Final = r"\[[0-9A-Fa-f:.]+\]"
_HOST_AND_PORT: Final = re.compile(rf"({_NAME}\.?|{_IP_LITERAL})(?::([0-9]{{1,5}}))?")
_HOST_HEADER: Final = re.compile(rf"(?:[A-Za-z0-9_.-]+|{_IP_LITERAL})(?::([0-9]{{1,5}}))?")
_SENT_NAME: Final = re.compile(_NAME)
_MAX_PORT: Final = 0xFFFF
_LONGEST: Final = 253 + len(".:65535")


def split_port(text: str) -> tuple[str, int | None] | None:
    """Split a host and its port, if any; None if the text is no plain host."""
    match = _HOST_AND_PORT.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    return match[1], int(match[2]) if match[2] else None


def is_host_header(text: str) -> bool:
    """Return whether a text may be a ``Host`` header: no user, path, list or blanks."""
    match = _HOST_HEADER.fullmatch(text) if len(text) <= _LONGEST else None
    return match is not None and int(match[1] or 0) <= _MAX_PORT


def is_host_name(text: str) -> bool:
    """Return whether a text is a host name in lower case, without port and root dot."""
    return _SENT_NAME.fullmatch(text) is not None and text == text.lower()


def name_of_host(host: str) -> str:
    """Return the name in a ``Host`` header: no port, no root dot, lower case."""
    name, colon, port = host.rpartition(":")
    bare = name if colon and port.isdecimal() else host
    return bare.removesuffix(".").lower()
