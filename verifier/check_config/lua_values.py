"""Lua's values as far as a configuration needs them, and what Prosody's getters make of them.

What cannot be known without running the configuration is a value too: ``Unknown``, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only Prosody could tell.

    Attributes:
        reason: Why, in words that follow "is"; never a part of a value.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Library(Unknown):
    """A part of Lua's library, of which a few parts are known."""

    parts: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class LuaTable:
    """A table; ``items`` has positional values under 1, 2 and so on."""

    items: dict[Scalar | None, Value] = field(default_factory=dict, repr=False)

    def sequence(self) -> list[Value]:
        """Give the values at 1, 2, … up to the first gap."""
        found: list[Value] = []
        while self.items.get(len(found) + 1) is not None:
            found.append(self.items[len(found) + 1])
        return found

    def doubt(self, reason: Unknown) -> None:
        """Take note that anything in it may have been changed."""
        self.items = dict.fromkeys((1, *self.items), reason)


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function that Prosody gives to its configuration."""

    name: str
    run: Callable[[list[Value]], Value] = field(repr=False)


Scalar: TypeAlias = bool | int | float | str
Value: TypeAlias = Scalar | LuaTable | Unknown | Builtin | None
"""None is nil."""


def as_string(value: Value) -> str | Unknown | None:
    """Read a value as ``module:get_option_string`` does."""
    scalar = _scalar(value)
    if scalar is None or isinstance(scalar, Unknown):
        return scalar
    return tostring(scalar)


def as_boolean(value: Value) -> bool | Unknown | None:
    """Read a value as ``module:get_option_boolean`` does: what it cannot understand is nil."""
    scalar = _scalar(value)
    if isinstance(scalar, Unknown):
        return scalar
    if scalar in (True, "true"):  # 1 equals True, as there
        return True
    return False if scalar in (False, "false") and scalar is not None else None


def as_number(value: Value) -> float | Unknown | None:
    """Read a value as ``module:get_option_number`` does."""
    scalar = _scalar(value)
    if isinstance(scalar, str):
        try:
            return float(scalar)
        except ValueError:
            return None
    if isinstance(scalar, bool):
        return None
    return scalar


def as_strings(value: Value) -> tuple[str, ...] | Unknown | None:
    """Read a value as ``module:get_option_array`` does, for comparison with strings.

    Items that are no strings equal no claim, and are left out.
    """
    if value is None or isinstance(value, Unknown):
        return value
    items = value.sequence() if isinstance(value, LuaTable) else [value]
    for item in items:
        if isinstance(item, Unknown):
            return item
    return tuple(item for item in items if isinstance(item, str))


def tostring(value: Scalar) -> str:
    """Write a scalar as Lua 5.4 does."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = f"{value:.14g}"
        return text if not text.lstrip("-").isdigit() else f"{text}.0"
    return str(value)


def _scalar(value: Value) -> Scalar | Unknown | None:
    if isinstance(value, LuaTable):
        first = value.items.get(1)
        return Unknown("a table in a table") if isinstance(first, LuaTable) else _scalar(first)
    return Unknown("a function") if isinstance(value, Builtin) else value
