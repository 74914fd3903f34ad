"""Lua source to a syntax tree; the only module that uses luaparser.

What is accepted: all of Lua 5.4's syntax, as far as luaparser 4 parses it. What is evaluated of the
tree is another question: see ``lua_statements`` and ``lua_expressions``. Nothing is ever executed.

Two properties are added to luaparser's:

No quotation. An error names a line and a column, and never the text there, because the text may be
a secret. This is why luaparser's own ``parse`` is not used: it prints the text in question.

Bounded cost. ANTLR's parser takes time and stack that grow with the nesting and with the square of
a chain of calls (``f()()()``), so that a small file could occupy the command for minutes. The
tokens are checked before the parser sees them: ``_MAX_DEPTH`` bounds brackets, ``_MAX_CALL_COST``
bounds chains. The caller bounds the size of a file.

To Lua, source is bytes. Each byte is one character of the parsed text (Latin-1), and
``string_value`` turns the characters of a string literal into bytes again.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any, Final

from antlr4 import CommonTokenStream, InputStream, Token
from antlr4.error.ErrorListener import ErrorListener
from luaparser import astnodes
from luaparser.builder import BuilderVisitor
from luaparser.parser.LuaLexer import LuaLexer
from luaparser.parser.LuaParser import LuaParser

Node = Any
"""A node of luaparser's syntax tree; the library has no types."""

_MAX_DEPTH: Final = 40
_MAX_CALL_COST: Final = 4000
_INTEGERS: Final = 2**63
_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")
_QUOTED: Final = (LuaLexer.NORMALSTRING, LuaLexer.CHARSTRING)
_STRINGS: Final = (*_QUOTED, LuaLexer.LONGSTRING)
_LONG_COMMENT: Final = re.compile(r"--\[(=*)\[")
_TEMPLATE: Final = re.compile(rb"\{\{-?\s*(\.Env|\$|if|else|end|range|join)\b")


class LuaSyntaxError(Exception):
    """The source is not Lua, or exceeds the limits of this module.

    Attributes:
        line: The line of the error, from 1.
        reason: What is wrong, without any text of the source.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line}: {reason}")


class _RaisingListener(ErrorListener):  # type: ignore[misc]  # antlr4 ships no types
    """Raises the parser's first error."""

    def syntaxError(  # noqa: N802  # the library's name
        self, _recognizer: Any, _symbol: Any, line: int, column: int, _message: str, _error: Any
    ) -> None:
        raise LuaSyntaxError(line, f"a syntax error at column {column + 1}") from None


class _FirstError(ErrorListener):  # type: ignore[misc]  # as above
    """Keeps the error of the lowest line.

    The lexer reads the whole file before the parser starts, so that an error of the lexer may be
    reported earlier and still stand on a later line than an error of the parser.
    """

    error: LuaSyntaxError | None = None

    def syntaxError(  # noqa: N802  # as above
        self, _recognizer: Any, _symbol: Any, line: int, column: int, _message: str, _error: Any
    ) -> None:
        self.add(LuaSyntaxError(line, f"a syntax error at column {column + 1}"))

    def add(self, error: LuaSyntaxError) -> None:
        """Keep an error if its line is lower than that of the known one."""
        if self.error is None or error.line < self.error.line:
            self.error = error


class _Builder(BuilderVisitor):  # type: ignore[misc]  # luaparser ships no types
    def visitNumber(self, context: Any) -> Node:  # noqa: N802  # the library's name
        # luaparser reads every number as a float, which loses large integers.
        return astnodes.Number(number_value(context.getText()))


def parse(source: bytes) -> list[Node]:
    """Return the statements of a file.

    Raises:
        LuaSyntaxError: Lua would refuse the source, or the source exceeds a limit.
    """
    template = _TEMPLATE.search(source)
    if template is not None:
        line = source.count(b"\n", 0, template.start()) + 1
        raise LuaSyntaxError(line, "a template that has not been rendered, expected its result")
    if source.startswith(b"#"):
        # lua(1) skips a first line for the shell; load(), which Prosody uses, does not.
        raise LuaSyntaxError(1, "a syntax error at column 1")
    first_error = _FirstError()
    lexer = _set_listener(LuaLexer(InputStream(source.decode("latin-1"))), first_error)
    tokens = CommonTokenStream(lexer)
    tokens.fill()
    statements: list[Node] = []
    try:
        _check_tokens(tokens.tokens)
        statements = _build(tokens)
    except LuaSyntaxError as error:
        first_error.add(error)
    if first_error.error is not None:
        raise first_error.error
    return statements


def _build(tokens: CommonTokenStream) -> list[Node]:
    try:
        tree = _set_listener(LuaParser(tokens), _RaisingListener()).start_()
        statements: list[Node] = _Builder(tokens).visit(tree).body.body
    except RecursionError:  # blocks in blocks, and operators, nest without brackets
        raise LuaSyntaxError(1, "nested too deep to be read") from None
    return statements


def _set_listener(recognizer: Any, listener: ErrorListener) -> Any:
    recognizer.removeErrorListeners()  # the default one prints to standard error
    recognizer.addErrorListener(listener)
    return recognizer


def _check_tokens(tokens: list[Any]) -> None:
    """Refuse nesting that costs too much, and text that luaparser accepts and Lua does not."""
    depth = 0
    for token in tokens:
        text = token.text
        depth += (text in _OPENING) - (text in _CLOSING)
        if depth > _MAX_DEPTH:
            raise LuaSyntaxError(token.line, f"brackets nested more than {_MAX_DEPTH} deep")
        comment = _LONG_COMMENT.match(text)
        if comment is not None and not text.endswith(f"]{comment[1]}]"):
            raise LuaSyntaxError(token.line, "a comment that does not end")
        if token.type in _QUOTED and any(found["newline"] for found in _ESCAPE.finditer(text)):
            raise LuaSyntaxError(token.line, "a text in quotes that does not end on its line")
    _check_calls([token for token in tokens if token.channel == Token.DEFAULT_CHANNEL])


def _check_calls(tokens: list[Any]) -> None:
    """Bound the sum of the lengths of all chains such as ``f()()()``, step by step.

    The parser's time grows with the square of a chain's length, and so does this sum.
    """
    chain = cost = 0
    for before, token in pairwise(tokens):
        ended = before.text in _CLOSING or before.type in _STRINGS
        if token.text in _OPENING or token.type in _STRINGS:
            chain += ended
            cost += chain * ended
        elif token.type == LuaLexer.NAME and (ended or before.type == LuaLexer.NAME):
            chain = 0  # a new statement begins
        if cost > _MAX_CALL_COST:
            raise LuaSyntaxError(token.line, "more calls of calls than can be read")


def number_value(text: str) -> int | float:
    """Return the value of a number literal, as an integer or a float like Lua 5.4."""
    if not text.lower().startswith("0x"):
        number = int(text) if text.isdigit() else float(text)
        return number if number < _INTEGERS else float(number)
    if "." in text or "p" in text.lower():
        try:
            return float.fromhex(text)
        except OverflowError:
            return math.inf
    wrapped = int(text, 16) % (2 * _INTEGERS)  # a hexadecimal integer wraps around at 64 bits
    return wrapped if wrapped < _INTEGERS else wrapped - 2 * _INTEGERS


_ESCAPE: Final = re.compile(
    r"""\\(?:
        x(?P<hexadecimal>[0-9a-fA-F]{2})
      | (?P<decimal>[0-9]{1,3})
      | u\{(?P<unicode>[0-9a-fA-F]{1,8})\}
      | (?P<skipped>z[ \f\n\r\t\v]*)
      | (?P<line_break>\r\n|\n\r|\n|\r)
      | (?P<simple>[abfnrtv\\"'])
      | (?P<wrong>.|$)
    )
    | (?P<newline>[\r\n])""",
    re.DOTALL | re.VERBOSE,
)
"""An escape sequence of a literal in quotes, or a line break that no backslash precedes."""
_SIMPLE: Final = dict(zip("abfnrtv\\\"'", "\a\b\f\n\r\t\v\\\"'", strict=True))
_NEWLINE: Final = re.compile(r"\r\n|\n\r|\r")


def string_value(node: Node, line: int) -> str:
    """Return the value of a string literal; bytes that are not UTF-8 become surrogate escapes.

    Raises:
        LuaSyntaxError: The literal has an escape sequence that Lua does not know.
    """
    if node.delimiter is astnodes.StringDelimiter.DOUBLE_SQUARE:
        body = _NEWLINE.sub("\n", node.raw).removeprefix("\n")  # Lua skips a first line break
    else:
        body = _ESCAPE.sub(lambda found: _unescape(found, line), node.raw)
    return body.encode("latin-1").decode("utf-8", "surrogateescape")


def _unescape(found: re.Match[str], line: int) -> str:
    hexadecimal, decimal, unicode = found["hexadecimal"], found["decimal"], found["unicode"]
    code = int(hexadecimal, 16) if hexadecimal else int(decimal or 0)
    if found["wrong"] is not None or code > 255 or (unicode and int(unicode, 16) > 0x10FFFF):
        raise LuaSyntaxError(line, "an escape sequence that Lua does not know")
    if unicode:
        return chr(int(unicode, 16)).encode("utf-8", "surrogatepass").decode("latin-1")
    if found["skipped"] or found["line_break"]:
        return "\n" if found["line_break"] else ""
    return _SIMPLE[found["simple"]] if found["simple"] else chr(code)
