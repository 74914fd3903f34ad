"""The two switches of ``jicofo.conf`` that may make every user a moderator.

This module reads the part of HOCON in which that file is written: nested objects, dotted keys,
comments, and substitutions, ``${path}`` and ``${?path}``. A substitution is another setting of the
file, else a variable of Jicofo's environment. ``${?path}`` without a value leaves the earlier
setting in force. Includes and multi-line strings are ignored. Jicofo's older properties file
(``sip-communicator.properties``) has the same two switches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from verifier.check_config.lua_values import Unknown

_AUTO_OWNER: Final = "jicofo.conference.enable-auto-owner"
_AUTHENTICATION: Final = "jicofo.authentication.enabled"
_PROPERTY_AUTO_OWNER: Final = "org.jitsi.jicofo.DISABLE_AUTO_OWNER"
_PROPERTY_AUTHENTICATION: Final = "org.jitsi.jicofo.auth.URL"
_BOOLEANS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
}
_MAX_STEPS: Final = 20
_MAX_DEPTH: Final = 20
_TOKEN: Final = re.compile(
    r"(?P<comment>(?:#|//)[^\n]*)|(?P<substitution>\$\{[^{}\n]*\})"
    r'|(?P<quoted>"(?:\\.|[^"\\\n])*+")|(?P<mark>[{}\[\]=:,\n])'
    r'|(?P<plain>(?:(?!//|\$\{)[^{}\[\]=:,\n#"])+)'
)
_SUBSTITUTION: Final = re.compile(r"\$\{(?P<optional>\??)(?P<path>[^}]*)\}")

Switch: TypeAlias = bool | Unknown | None
"""The value of a switch; None if it is not set."""

Lookup: TypeAlias = Callable[[str], str | Unknown | None]
"""Returns a variable of Jicofo's environment; None if it is not set there."""


@dataclass(frozen=True, slots=True)
class JicofoSwitches:
    """Jicofo's switches; None for a switch that is not set.

    Attributes:
        auto_owner: Whether Jicofo makes the first participant an owner, which is its default.
        authentication: Whether Jicofo's own authentication is on.
        where: The file that sets them.
    """

    auto_owner: Switch
    authentication: Switch
    where: str

    def over(self, other: JicofoSwitches | None) -> JicofoSwitches:
        """Return these switches; those that are not set here are the other file's."""
        if other is None:
            return self
        owner = other.auto_owner if self.auto_owner is None else self.auto_owner
        authentication = self.authentication
        if authentication is None:
            authentication = other.authentication
        return JicofoSwitches(owner, authentication, f"{other.where}, {self.where}")


def read_jicofo(text: str, file: str, lookup: Lookup | None = None) -> JicofoSwitches:
    """Read the content of ``jicofo.conf``.

    Args:
        text: The content.
        file: The file's name.
        lookup: Returns a variable of Jicofo's environment; by default none is known.
    """
    settings = _Settings(_read_settings(text), lookup or _unknown_variable)
    return JicofoSwitches(settings.boolean(_AUTO_OWNER), settings.boolean(_AUTHENTICATION), file)


def read_jicofo_properties(text: str, file: str) -> JicofoSwitches:
    """Read the content of ``sip-communicator.properties``."""
    pairs = [line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = {name.strip(): value.strip() for name, _, value in pairs}
    disabled = _BOOLEANS.get(found.get(_PROPERTY_AUTO_OWNER, "").lower())
    authentication = bool(found.get(_PROPERTY_AUTHENTICATION)) or None
    return JicofoSwitches(None if disabled is None else not disabled, authentication, file)


def _unknown_variable(name: str) -> Unknown:
    return Unknown(f"set by {name}, which is not known here")


class _Settings:
    """The settings of a file: for each path its values in their order, as they are written."""

    def __init__(self, settings: dict[str, list[str]], lookup: Lookup) -> None:
        self._settings = settings
        self._lookup = lookup

    def boolean(self, path: str) -> Switch:
        """Return a switch."""
        value = self._value(path, len(self._settings.get(path, ())), 0)
        return value if isinstance(value, Unknown) else _BOOLEANS.get((value or "").lower())

    def _value(self, path: str, number: int, steps: int) -> str | Unknown | None:
        """Return the value in force of the first ``number`` settings of a path."""
        if steps > _MAX_STEPS:
            return Unknown("a substitution of a substitution")
        for index in range(number - 1, -1, -1):
            written = self._settings[path][index]
            match = _SUBSTITUTION.fullmatch(written)
            if match is None:
                is_part = "${" in written
                return Unknown("joined from substitutions") if is_part else written
            value = self._substitute(path, match["path"].strip().strip('"'), index, steps)
            if value is not None or not match["optional"]:
                return Unknown(f"set by {match[0]}, which has no value") if value is None else value
        return None

    def _substitute(self, path: str, name: str, index: int, steps: int) -> str | Unknown | None:
        # A path that names itself means its earlier value.
        number = index if name == path else len(self._settings.get(name, ()))
        value = self._value(name, number, steps + 1) if number else None
        return self._lookup(name) if value is None else value


def _read_settings(text: str) -> dict[str, list[str]]:
    """Return the values of every setting, by its dotted path."""
    found: dict[str, list[str]] = {}
    path: list[str] = []
    key, value, has_key = "", "", False
    for token in _TOKEN.finditer(f"{text}\n"):
        piece = token[0]
        if token["plain"] or token["quoted"] or token["substitution"]:
            bare = piece.strip().strip('"') if token["quoted"] or piece.strip() else ""
            key, value = (key, value + bare) if has_key else (key + bare, value)
        elif piece in ("{", "["):
            path.append(key)
            key, value, has_key = "", "", False
        elif piece in ("=", ":") and not has_key:
            has_key = True
        elif token["mark"]:
            # A line break, a comma or a closing bracket ends the setting.
            if has_key and value and len(path) <= _MAX_DEPTH:
                found.setdefault(".".join(filter(None, [*path, key])), []).append(value)
            if has_key and not value and piece == "\n":
                continue  # the value is on the next line
            key, value, has_key = "", "", False
            if piece in ("}", "]") and path:
                path.pop()
    return found
