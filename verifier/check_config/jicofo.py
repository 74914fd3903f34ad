"""The two switches of ``jicofo.conf`` by which everybody may become a moderator.

Reads as much HOCON as that file is written in: nested objects, dotted keys, comments. Includes,
substitutions and multi-line strings are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_AUTO_OWNER: Final = "jicofo.conference.enable-auto-owner"
_AUTHENTICATION: Final = "jicofo.authentication.enabled"
_WORDS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_TOKEN: Final = re.compile(
    r'(?P<comment>(?:#|//)[^\n]*)|(?P<quoted>"(?:\\.|[^"\\\n])*")|(?P<mark>[{}\[\]=:,\n])'
    r'|(?P<plain>(?:(?!//)[^{}\[\]=:,\n#"])+)'
)


@dataclass(frozen=True, slots=True)
class Jicofo:
    """What Jicofo is told; None where nothing is.

    Attributes:
        auto_owner: Whether it makes the first participant an owner; it does unless told otherwise.
        authentication: Whether its own authentication is on.
        where: Where that is said.
    """

    auto_owner: bool | None
    authentication: bool | None
    where: str


def read_jicofo(text: str, file: str) -> Jicofo:
    """Read ``jicofo.conf``."""
    switches = _switches(text)
    return Jicofo(switches.get(_AUTO_OWNER), switches.get(_AUTHENTICATION), file)


def _switches(text: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    path: list[str] = []
    key, value, has_key = "", "", False
    for token in _TOKEN.finditer(f"{text}\n"):
        piece = token[0]
        if token["plain"] or token["quoted"]:
            bare = piece.strip().strip('"') if token["quoted"] or piece.strip() else ""
            key, value = (key, value + bare) if has_key else (key + bare, value)
        elif piece in ("{", "["):
            path.append(key)
            key, value, has_key = "", "", False
        elif piece in ("=", ":") and not has_key:
            has_key = True
        elif token["mark"]:
            name = ".".join(filter(None, [*path, key]))
            if has_key and value.lower() in _WORDS:
                found[name] = _WORDS[value.lower()]
            if has_key and not value and piece == "\n":
                continue  # the value is on the next line
            key, value, has_key = "", "", False
            if piece in ("}", "]") and path:
                path.pop()
    return found
