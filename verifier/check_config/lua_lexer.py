"""Lua source to tokens.

To Lua, source is bytes. Each byte is one character of the text that is read here (Latin-1), and the
value of a literal is made of the bytes again. The whole source is read by one regular expression,
from token to token; no part of it can go back, so the cost is proportional to the source.

An error does not end the reading at once: it becomes the last token. So the parser, which reads the
tokens in order, reports an error of its own that stands before it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final

from verifier.check_config.lua_values import Scalar

NAME: Final = "name"
VALUE: Final = "value"
END: Final = "the end"
ERROR: Final = "error"

_WORDS: Final = """
    and break do else elseif end false for function goto if in local nil not or repeat return then
    true until while
"""
KEYWORDS: Final = frozenset(_WORDS.split())
_INTEGERS: Final = 2**63
_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\n\v\f\r]++)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*+)
      | (?P<comment>--(?:\[(?P<comment_level>=*)\[|[^\r\n]*+))
      | (?P<number>0[xX](?:[pP][+-]?|[0-9a-fA-F.])*+[A-Za-z_]?
          |\.?[0-9](?:[eE][+-]?|[0-9a-fA-F.])*+[A-Za-z_]?)
      | (?P<text>"(?:[^"\\\r\n]++|\\(?:z[ \t\n\v\f\r]*+|\r\n|\n\r|[\s\S]))*+"
          |'(?:[^'\\\r\n]++|\\(?:z[ \t\n\v\f\r]*+|\r\n|\n\r|[\s\S]))*+')
      | (?P<long>\[(?P<level>=*)\[)
      | (?P<mark>\.\.\.|\.\.|==|~=|<=|>=|//|::|<<|>>|[-+*/%^\#&~|<>=(){}\[\];:,.])
    """,
    re.VERBOSE,
)
_NUMBER: Final = re.compile(
    r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    r"|0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?"
)
_NEWLINE: Final = re.compile(r"\r\n|\n\r|\r|\n")
_ESCAPE: Final = re.compile(
    r"""\\(?:
        x(?P<hexadecimal>[0-9a-fA-F]{2})
      | (?P<decimal>[0-9]{1,3})
      | u\{(?P<unicode>[0-9a-fA-F]{1,8})\}
      | (?P<skipped>z[ \f\n\r\t\v]*+)
      | (?P<line_break>\r\n|\n\r|\n|\r)
      | (?P<simple>[abfnrtv\\"'])
      | (?P<wrong>.|$)
    )""",
    re.DOTALL | re.VERBOSE,
)
_LARGEST_UTF8: Final = 0x7FFFFFFF
_SIMPLE: Final = dict(zip("abfnrtv\\\"'", "\a\b\f\n\r\t\v\\\"'", strict=True))


class LuaSyntaxError(Exception):
    """The source is not Lua, or exceeds the limits of this package.

    Attributes:
        line: The line of the error, from 1.
        reason: What is wrong, without any text of the source.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line}: {reason}")


@dataclass(slots=True)
class Tokens:
    """The tokens of a source, as lists of the same length.

    Attributes:
        types: A keyword or mark itself, or ``NAME``, ``VALUE``, ``END`` or ``ERROR``.
        values: The name, the literal's value, or the error.
        lines: The line of each token, from 1.
        starts: The position of each token's first character.
    """

    types: list[str] = field(default_factory=list)
    values: list[Scalar | LuaSyntaxError | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def append(
        self, kind: str, value: Scalar | LuaSyntaxError | None, line: int, start: int
    ) -> None:
        """Add a token."""
        self.types.append(kind)
        self.values.append(value)
        self.lines.append(line)
        self.starts.append(start)


def column_of(source: str, start: int) -> int:
    """Return the column of a position, from 1."""
    return start - max(source.rfind("\n", 0, start), source.rfind("\r", 0, start))


def read_tokens(source: str) -> Tokens:
    """Return the tokens of a source; the last one is ``END`` or ``ERROR``."""
    tokens = Tokens()
    line, position = 1, 0
    try:
        while position < len(source):
            match = _TOKEN.match(source, position)
            if match is None:
                raise _unreadable(source, position, line)
            kind = match.lastgroup
            text, start, position = match[0], position, match.end()
            if kind == "space":
                line += _count_lines(text)
            elif kind == "name":
                tokens.append(text if text in KEYWORDS else NAME, text, line, start)
            elif kind == "mark":
                tokens.append(text, None, line, start)
            elif kind == "number":
                tokens.append(VALUE, _number(text, source, start, line), line, start)
            elif kind == "text":
                tokens.append(VALUE, string_value(text[1:-1], line), line, start)
                line += _count_lines(text)
            elif match["level"] is not None:
                body, position = _long_text(source, position, match["level"], "text", line)
                tokens.append(VALUE, _decode(_long_value(body)), line, start)
                line += _count_lines(body)
            elif match["comment_level"] is not None:
                level = match["comment_level"]
                body, position = _long_text(source, position, level, "comment", line)
                line += _count_lines(body)
    except LuaSyntaxError as error:
        tokens.append(ERROR, error, error.line, position)
    else:
        tokens.append(END, None, line, position)
    return tokens


def _unreadable(source: str, position: int, line: int) -> LuaSyntaxError:
    if source[position] in "\"'":
        return LuaSyntaxError(line, "a text in quotes that does not end on its line")
    return LuaSyntaxError(line, f"a syntax error at column {column_of(source, position)}")


def _count_lines(text: str) -> int:
    return len(_NEWLINE.findall(text)) if "\r" in text else text.count("\n")


def _long_text(source: str, position: int, level: str, what: str, line: int) -> tuple[str, int]:
    end = source.find(f"]{level}]", position)
    if end < 0:
        raise LuaSyntaxError(line, f"a {what} that does not end")
    return source[position:end], end + len(level) + 2


def _long_value(body: str) -> str:
    return _NEWLINE.sub("\n", body).removeprefix("\n")  # Lua skips a first line break


def _number(text: str, source: str, start: int, line: int) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise LuaSyntaxError(line, f"a syntax error at column {column_of(source, start)}")
    return number_value(text)


def number_value(text: str) -> int | float:
    """Return the value of a number literal, as an integer or a float like Lua 5.4."""
    if not text.lower().startswith("0x"):
        if not text.isdigit() or len(text) > 400:  # int() refuses thousands of digits
            return float(text)
        number = int(text)
        return number if number < _INTEGERS else float(number)
    if "." in text or "p" in text.lower():
        try:
            return float.fromhex(text)
        except OverflowError:
            return math.inf
    wrapped = int(text[-16:].lstrip("xX"), 16)  # a hexadecimal integer wraps around at 64 bits
    return wrapped if wrapped < _INTEGERS else wrapped - 2 * _INTEGERS


def string_value(raw: str, line: int = 1) -> str:
    """Return the value of a literal in quotes; bytes that are not UTF-8 become surrogate escapes.

    Args:
        raw: The literal without its quotes, in Latin-1.
        line: The literal's line, for the error.

    Raises:
        LuaSyntaxError: The literal has an escape sequence that Lua does not know.
    """
    return _decode(_ESCAPE.sub(lambda found: _unescape(found, line), raw) if "\\" in raw else raw)


def unescape(text: str) -> str:
    """Return what Lua reads if a text stands between quotes.

    Raises:
        LuaSyntaxError: The text has an escape sequence that Lua does not know.
    """
    return string_value(text.encode("utf-8", "surrogateescape").decode("latin-1"))


def _decode(text: str) -> str:
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "surrogateescape")


def _unescape(found: re.Match[str], line: int) -> str:
    hexadecimal, decimal, unicode = found["hexadecimal"], found["decimal"], found["unicode"]
    code = int(hexadecimal, 16) if hexadecimal else int(decimal or 0)
    if found["wrong"] is not None or code > 255 or (unicode and int(unicode, 16) > _LARGEST_UTF8):
        raise LuaSyntaxError(line, "an escape sequence that Lua does not know")
    if unicode:
        return _utf8(int(unicode, 16))
    if found["skipped"] or found["line_break"]:
        return "\n" if found["line_break"] else ""
    return _SIMPLE[found["simple"]] if found["simple"] else chr(code)


def _utf8(code: int) -> str:
    """Return the bytes of a code as Lua writes them: beyond Unicode, up to six (RFC 2279)."""
    if code <= 0x10FFFF:
        return chr(code).encode("utf-8", "surrogatepass").decode("latin-1")
    more = 3 + (code >= 1 << 21) + (code >= 1 << 26)
    first = (0xF0, 0xF8, 0xFC)[more - 3] | code >> 6 * more
    rest = (0x80 | code >> 6 * at & 0x3F for at in reversed(range(more)))
    return "".join(map(chr, (first, *rest)))
