r"""Splits a ``.env`` file into assignments, as Docker Compose does.

===============  ===================================================================
form             value
===============  ===================================================================
``A=b # c``      ``b``; variables are replaced. Only a blank before ``#`` begins a comment
``A= # c``       ``# c``: the blanks before a value do not count
``A='b\n'``      as it is written; ``\'`` is ``'``. The value may have several lines
``A="b\n"``      the same, but escape sequences and variables are replaced; ``\$`` is ``$``
``A: b``         the same as ``A=b``
``A``            the variable of Compose's own environment
===============  ===================================================================

The text behind a closing quotation mark begins another assignment. Compose reads nothing of a file
with an error; this reader goes on with the next line, so that a report has more than the error.

Source: the package ``dotenv`` of compose-go, July 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_BETWEEN: Final = re.compile(r"(?:\s|#[^\n]*)*+")
_BLANKS: Final = re.compile(r"[ \t\v\f\r\x85\xa0]*")
_NAME: Final = re.compile(
    r"(?:export\s+)?(?P<name>[\w.\-\[\] \t\v\f\r\x85\xa0]*)(?P<end>[=:\n]|\Z)"
)
_QUOTED: Final = re.compile(r"""'((?:[^'\\]|\\.)*+)'|"((?:[^"\\]|\\.)*+)\"""", re.DOTALL)
_UNQUOTED: Final = re.compile(r"[^\n]*")
_LINE: Final = re.compile(r"[^\n]*\n?")
_REST: Final = re.compile(r"[ \t\v\f\r\x85\xa0]*(?:#[^\n]*)?(?=\n|\Z)")
_ESCAPED: Final = re.compile(r'\\(?:([abfnrtv"\\$])|0([0-3][0-7]{2}))')
_CHARACTERS: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


@dataclass(frozen=True, slots=True)
class Assignment:
    """One variable of the file, or a line that is none.

    Attributes:
        name: The variable's name; empty for a line that Compose cannot read.
        value: The value before variables are replaced; None for a name alone.
        line: The line's number, from 1.
        literal: Whether Compose replaces no variables in the value.
        remark: What is surprising, in words that follow the name; empty if nothing is.
    """

    name: str
    value: str | None
    line: int
    literal: bool = False
    remark: str = ""


def split_env_file(text: str) -> Iterator[Assignment]:
    """Yield the assignments of a file in their order."""
    position, line, counted = 0, 1, 0
    while (position := _end(_BETWEEN, text, position)) < len(text):
        line += text.count("\n", counted, position)
        counted = position
        found, position = _read_assignment(text, position, line)
        yield found


def _read_assignment(text: str, start: int, line: int) -> tuple[Assignment, int]:
    """Return an assignment, and the position behind it."""
    found = _NAME.match(text, start)
    name = found["name"].strip() if found else ""
    if found is None or not name or " " in name:
        return _skip_line(text, start, line)
    if found["end"] not in ("=", ":"):
        return Assignment(name, None, line), found.end()
    position = _end(_BLANKS, text, found.end())
    if text[position : position + 1] in ("'", '"'):
        quoted = _QUOTED.match(text, position)
        if quoted is None:
            return _skip_line(text, start, line)
        return _read_quoted(text, name, line, quoted)
    end = _end(_UNQUOTED, text, position)
    value = text[position:end].partition(" #")[0].rstrip()
    remark = "begins with #, which is no comment there" if value.startswith("#") else ""
    return Assignment(name, value, line, remark=remark), end


def _read_quoted(text: str, name: str, line: int, found: re.Match[str]) -> tuple[Assignment, int]:
    ends_there = _REST.match(text, found.end()) is not None
    remark = "" if ends_there else "ends at the closing quotation mark, and not with the line"
    literal = found[1] is not None
    value = re.sub(r"\\'", "'", found[1]) if literal else _unescape(found[2])
    return Assignment(name, value, line, literal, remark), found.end()


def _skip_line(text: str, start: int, line: int) -> tuple[Assignment, int]:
    return Assignment("", None, line), _end(_LINE, text, start)


def _unescape(text: str) -> str:
    """Return a text between double quotation marks, with ``$$`` for a dollar sign."""

    def character(found: re.Match[str]) -> str:
        if found[2]:
            return chr(int(found[2], 8))
        return "$$" if found[1] == "$" else _CHARACTERS.get(found[1], found[1])

    return _ESCAPED.sub(character, text)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return position if found is None else found.end()
