"""Lua source to a syntax tree, by luaparser; the only module that knows that library.

Source is bytes to Lua, so each character of the text that is parsed stands for one byte. Complaints
name a place and never quote what stands there: it may be a secret. For that reason luaparser's own
``parse``, which prints the offending text, is not used.
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
"""A node of luaparser's, which has no types."""

_DEEPEST: Final = 40
_MOST_CALLS: Final = 4000
_INTEGERS: Final = 2**63
_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")
_QUOTED: Final = (LuaLexer.NORMALSTRING, LuaLexer.CHARSTRING)
_STRINGS: Final = (*_QUOTED, LuaLexer.LONGSTRING)
_LONG_COMMENT: Final = re.compile(r"--\[(=*)\[")
_TEMPLATE: Final = re.compile(rb"\{\{-?\s*(\.Env|\$|if|else|end|range|join)\b")


class LuaSyntaxError(Exception):
    """The source is no Lua, or no Lua that can be read here.

    Attributes:
        line: Where, counted from 1.
        reason: What is wrong, without a word of the source.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line}: {reason}")


class _Raiser(ErrorListener):  # type: ignore[misc]  # antlr4 ships no types
    """Ends reading at the first error."""

    def syntaxError(  # noqa: N802  # the library's name
        self, _recognizer: Any, _symbol: Any, line: int, column: int, _message: str, _error: Any
    ) -> None:
        raise LuaSyntaxError(line, f"a syntax error at column {column + 1}") from None


class _Recorder(ErrorListener):  # type: ignore[misc]  # as above
    """Keeps the error that stands first: all tokens are made before any is understood."""

    first: LuaSyntaxError | None = None

    def syntaxError(  # noqa: N802  # as above
        self, _recognizer: Any, _symbol: Any, line: int, column: int, _message: str, _error: Any
    ) -> None:
        self.note(LuaSyntaxError(line, f"a syntax error at column {column + 1}"))

    def note(self, error: LuaSyntaxError) -> None:
        """Keep an error, if it stands before the one that is known."""
        if self.first is None or error.line < self.first.line:
            self.first = error


class _Builder(BuilderVisitor):  # type: ignore[misc]  # luaparser ships no types
    def visitNumber(self, context: Any) -> Node:  # noqa: N802  # the library's name
        return astnodes.Number(number_value(context.getText()))


def parse(source: bytes) -> list[Node]:
    """Give the statements of a file.

    Raises:
        LuaSyntaxError: Lua would refuse it, or it is nested deeper than any configuration is.
    """
    template = _TEMPLATE.search(source)
    if template is not None:
        line = source.count(b"\n", 0, template.start()) + 1
        raise LuaSyntaxError(line, "a template that has not been rendered, expected its result")
    if source.startswith(b"#"):
        raise LuaSyntaxError(1, "a syntax error at column 1")  # as to load(), unlike lua(1)
    recorder = _Recorder()
    lexer = _listened(LuaLexer(InputStream(source.decode("latin-1"))), recorder)
    tokens = CommonTokenStream(lexer)
    tokens.fill()
    statements: list[Node] = []
    try:
        _check_tokens(tokens.tokens)
        statements = _build(tokens)
    except LuaSyntaxError as error:
        recorder.note(error)
    if recorder.first is not None:
        raise recorder.first
    return statements


def _build(tokens: CommonTokenStream) -> list[Node]:
    try:
        tree = _listened(LuaParser(tokens), _Raiser()).start_()
        statements: list[Node] = _Builder(tokens).visit(tree).body.body
    except RecursionError:
        raise LuaSyntaxError(1, "nested too deep to be read") from None
    return statements


def _listened(recognizer: Any, listener: ErrorListener) -> Any:
    recognizer.removeErrorListeners()
    recognizer.addErrorListener(listener)
    return recognizer


def _check_tokens(tokens: list[Any]) -> None:
    """Refuse what would take the parser very long, and what it wrongly lets pass."""
    depth = 0
    for token in tokens:
        text = token.text
        depth += (text in _OPENING) - (text in _CLOSING)
        if depth > _DEEPEST:
            raise LuaSyntaxError(token.line, f"brackets nested more than {_DEEPEST} deep")
        comment = _LONG_COMMENT.match(text)
        if comment is not None and not text.endswith(f"]{comment[1]}]"):
            raise LuaSyntaxError(token.line, "a comment that does not end")
        if token.type in _QUOTED and any(found[8] for found in _ESCAPE.finditer(text)):
            raise LuaSyntaxError(token.line, "a text in quotes that does not end on its line")
    _check_calls([token for token in tokens if token.channel == Token.DEFAULT_CHANNEL])


def _check_calls(tokens: list[Any]) -> None:
    """Bound ``f()()()``: the parser's time grows with the square of such a chain."""
    chain = spent = 0
    for before, token in pairwise(tokens):
        ended = before.text in _CLOSING or before.type in _STRINGS
        if token.text in _OPENING or token.type in _STRINGS:
            chain += ended
            spent += chain * ended
        elif token.type == LuaLexer.NAME and (ended or before.type == LuaLexer.NAME):
            chain = 0
        if spent > _MOST_CALLS:
            raise LuaSyntaxError(token.line, "more calls of calls than can be read")


def number_value(text: str) -> int | float:
    """Give a number literal's value, in Lua's two kinds of numbers."""
    if not text.lower().startswith("0x"):
        number = int(text) if text.isdigit() else float(text)
        return number if number < _INTEGERS else float(number)
    if "." in text or "p" in text.lower():
        try:
            return float.fromhex(text)
        except OverflowError:
            return math.inf
    wrapped = int(text, 16) % (2 * _INTEGERS)
    return wrapped if wrapped < _INTEGERS else wrapped - 2 * _INTEGERS


_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|([0-9]{1,3})|u\{([0-9a-fA-F]{1,8})\}|(z[ \f\n\r\t\v]*)"
    r"|(\r\n|\n\r|\n|\r)|([abfnrtv\\\"'])|(.|$))|([\r\n])",
    re.DOTALL,
)
_SIMPLE: Final = dict(zip("abfnrtv\\\"'", "\a\b\f\n\r\t\v\\\"'", strict=True))
_NEWLINE: Final = re.compile(r"\r\n|\n\r|\r")


def string_value(node: Node, line: int) -> str:
    """Give a string literal's value; bytes that are no UTF-8 become surrogate escapes.

    Raises:
        LuaSyntaxError: it has an escape that Lua does not know.
    """
    if node.delimiter is astnodes.StringDelimiter.DOUBLE_SQUARE:
        body = _NEWLINE.sub("\n", node.raw).removeprefix("\n")
    else:
        body = _ESCAPE.sub(lambda found: _unescaped(found, line), node.raw)
    return body.encode("latin-1").decode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[str], line: int) -> str:
    hexadecimal, decimal, unicode, skipped, newline, simple, wrong, _ = found.groups()
    code = int(hexadecimal, 16) if hexadecimal else int(decimal or 0)
    if wrong is not None or code > 255 or (unicode and int(unicode, 16) > 0x10FFFF):
        raise LuaSyntaxError(line, "an escape sequence that Lua does not know")
    if unicode:
        return chr(int(unicode, 16)).encode("utf-8", "surrogatepass").decode("latin-1")
    if skipped or newline:
        return "\n" if newline else ""
    return _SIMPLE[simple] if simple else chr(code)
