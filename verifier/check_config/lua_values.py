"""Lua values as far as a configuration contains them, and Prosody's conversions of options.

A value that depends on running the configuration is a value of its own: ``Unknown``, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only a running Prosody knows.

    Attributes:
        reason: Why it is unknown, in words that follow "is"; never a part of a value.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class LuaLibrary(Unknown):
    """A part of Lua's library.

    Attributes:
        members: The members that can be evaluated; the others are unknown.
    """

    members: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class LuaTable:
    """A Lua table.

    Attributes:
        items: The values by key; the keys of list items are 1, 2 and so on.
    """

    items: dict[Scalar | None, Value] = field(default_factory=dict, repr=False)
    _last: int = field(default=0, repr=False, compare=False)

    def append(self, values: list[Value]) -> None:
        """Add list items behind the last one, whose key is kept: a file may add thousands."""
        if self.items.get(self._last) is None:
            self._last = 0
        while self.items.get(self._last + 1) is not None:
            self._last += 1
        self.items |= dict(enumerate(values, self._last + 1))

    def sequence(self) -> list[Value]:
        """Return the values at 1, 2, … up to the first gap."""
        found: list[Value] = []
        while self.items.get(len(found) + 1) is not None:
            found.append(self.items[len(found) + 1])
        return found

    def make_unknown(self, reason: Unknown) -> None:
        """Make every item unknown, because code that is not evaluated may have changed it."""
        # Key 1 as well: an empty table may have become a list.
        self.items = dict.fromkeys((1, *self.items), reason)


@dataclass(frozen=True, slots=True)
class LuaFunction:
    """A function that can be called: Prosody's own, or one that the file defines."""

    name: str
    run: Callable[[list[Value]], Value] = field(repr=False)


Scalar: TypeAlias = bool | int | float | str
Value: TypeAlias = Scalar | LuaTable | Unknown | LuaFunction | None
"""Any Lua value; None is nil."""


def as_string(value: Value) -> str | Unknown | None:
    """Convert a value as ``module:get_option_string`` does."""
    scalar = _scalar(value)
    if scalar is None or isinstance(scalar, Unknown):
        return scalar
    return tostring(scalar)


def as_boolean(value: Value) -> bool | Unknown | None:
    """Convert a value as ``module:get_option_boolean`` does; None for any other word."""
    scalar = _scalar(value)
    if isinstance(scalar, Unknown):
        return scalar
    if scalar in (True, "true"):  # Prosody accepts the number 1, too, and in Python 1 == True
        return True
    return False if scalar in (False, "false") and scalar is not None else None


def as_number(value: Value) -> float | Unknown | None:
    """Convert a value as ``module:get_option_number`` does."""
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
    """Convert a value as ``module:get_option_array`` does, and keep the strings.

    Jitsi compares the items with strings of a token, so that other items never match.
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
    """Return a scalar, or the first item of a table, as Prosody's getters do."""
    if isinstance(value, LuaTable):
        first = value.items.get(1)
        return Unknown("a table in a table") if isinstance(first, LuaTable) else _scalar(first)
    return Unknown("a function") if isinstance(value, LuaFunction) else value
