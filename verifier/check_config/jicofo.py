"""The two switches of ``jicofo.conf`` that may make every user a moderator.

This module reads the part of HOCON in which that file is written: nested objects, dotted keys and
comments. Includes, substitutions and multi-line strings are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_AUTO_OWNER: Final = "jicofo.conference.enable-auto-owner"
_AUTHENTICATION: Final = "jicofo.authentication.enabled"
_BOOLEANS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
}
_TOKEN: Final = re.compile(
    r'(?P<comment>(?:#|//)[^\n]*)|(?P<quoted>"(?:\\.|[^"\\\n])*")|(?P<mark>[{}\[\]=:,\n])'
    r'|(?P<plain>(?:(?!//)[^{}\[\]=:,\n#"])+)'
)


@dataclass(frozen=True, slots=True)
class JicofoSwitches:
    """Jicofo's switches; None for a switch that is not set.

    Attributes:
        auto_owner: Whether Jicofo makes the first participant an owner, which is its default.
        authentication: Whether Jicofo's own authentication is on.
        where: The file that sets them.
    """

    auto_owner: bool | None
    authentication: bool | None
    where: str


def read_jicofo(text: str, file: str) -> JicofoSwitches:
    """Read the content of ``jicofo.conf``."""
    switches = _read_booleans(text)
    return JicofoSwitches(switches.get(_AUTO_OWNER), switches.get(_AUTHENTICATION), file)


def _read_booleans(text: str) -> dict[str, bool]:
    """Return every setting that is a boolean, by its dotted path."""
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
            # A line break, a comma or a closing bracket ends the setting.
            name = ".".join(filter(None, [*path, key]))
            if has_key and value.lower() in _BOOLEANS:
                found[name] = _BOOLEANS[value.lower()]
            if has_key and not value and piece == "\n":
                continue  # the value is on the next line
            key, value, has_key = "", "", False
            if piece in ("}", "]") and path:
                path.pop()
    return found
