"""Docker Compose's replacement of variables: ``$VAR``, ``${VAR:-default}`` and the like.

===============  ==============================================================
form             result
===============  ==============================================================
``$$``           a dollar sign
``$VAR``         the variable; empty if it is not set
``${VAR}``       the same
``${VAR:-x}``    ``x`` if the variable is not set or empty; ``${VAR-x}``: if it is not set
``${VAR:+x}``    ``x`` if the variable is set and not empty; ``${VAR+x}``: if it is set
``${VAR:?x}``    the variable; Compose stops with the error ``x`` if it is not set or empty
``$``            a dollar sign, before anything but a letter, an underline and ``{``
===============  ==============================================================

In ``x`` variables are replaced, too. ``_MAX_DEPTH`` bounds the nesting, and ``_MAX_INSERTED`` the
text that variables add: each line of a file may double the line before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_MAX_DEPTH: Final = 20
_MAX_INSERTED: Final = 100_000
_DOLLAR: Final = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<plain>[A-Za-z_]\w*)"
    r"|\{(?P<name>[A-Za-z_]\w*)(?:(?P<end>\})|(?P<operator>:?[-+?])))",
    re.ASCII,
)
_MARK: Final = re.compile(r"\$\{|\}|\$\$")


@dataclass(slots=True)
class Interpolated:
    """A text in which variables were replaced.

    Attributes:
        text: The result.
        unset: The names of variables that are not set and have no default.
        malformed: Whether a ``${`` begins none of Compose's forms, or the result is too long.
        inserted: The length of all values in the result.
    """

    text: str
    unset: list[str] = field(default_factory=list)
    malformed: bool = False
    inserted: int = 0

    def insert(self, value: str) -> str:
        """Return a variable's value; an empty text if the result would become too long."""
        self.inserted += len(value)
        if self.inserted <= _MAX_INSERTED:
            return value
        self.malformed = True
        return ""


Lookup = Callable[[str], str | None]
"""Returns a variable; None if it is not set."""


def interpolate(text: str, lookup: Lookup) -> Interpolated:
    """Replace all variables in a text."""
    found = Interpolated("")
    found.text = _replace(text, lookup, found, 0)
    return found


def _replace(text: str, lookup: Lookup, found: Interpolated, depth: int) -> str:
    if "$" not in text:
        return text
    parts: list[str] = []
    position = 0
    while (start := text.find("$", position)) >= 0:
        parts.append(text[position:start])
        match = _DOLLAR.match(text, start)
        if match is None or depth > _MAX_DEPTH:
            found.malformed |= match is not None or text.startswith("${", start)
            parts.append("$")
            position = start + 1
        elif match["operator"] is None:
            name = match["plain"] or match["name"]
            parts.append("$" if match["escaped"] else _value(name, lookup, found))
            position = match.end()
        else:
            end = _closing(text, match.end())
            operand = text[match.end() : end]
            value = _apply(match, lookup, found)
            parts.append(_replace(operand, lookup, found, depth + 1) if value is None else value)
            found.malformed |= end == len(text)
            position = end + 1
    return "".join([*parts, text[position:]])


def _value(name: str, lookup: Lookup, found: Interpolated) -> str:
    value = lookup(name)
    if value is None:
        found.unset.append(name)
    return found.insert(value or "")


def _apply(match: re.Match[str], lookup: Lookup, found: Interpolated) -> str | None:
    """Return the value of a form with an operator; None if it is that of the operand."""
    name, operator = match["name"], match["operator"]
    value = lookup(name)
    is_given = bool(value) if operator[0] == ":" else value is not None
    if operator[-1] == "+":
        return None if is_given else ""
    if operator[-1] == "-":
        return found.insert(value or "") if is_given else None
    if not is_given:
        found.unset.append(name)
    return found.insert(value or "")


def _closing(text: str, position: int) -> int:
    """Return the position of the ``}`` that ends a form; the text's length if there is none."""
    depth = 0
    for mark in _MARK.finditer(text, position):
        if mark[0] == "${":
            depth += 1
        elif mark[0] == "}":
            if not depth:
                return mark.start()
            depth -= 1
    return len(text)
