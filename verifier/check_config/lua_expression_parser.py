"""Lua's expressions: the part of the parser that reads values.

Operators, from the loosest to the tightest binding, as in the manual's section 3.4.8::

    or   and   < > <= >= ~= ==   |   ~   &   << >>   .. (right)   + -   * / // %   unary   ^ (right)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, cast

from verifier.check_config import lua_nodes as nodes
from verifier.check_config.lua_lexer import (
    ERROR,
    NAME,
    VALUE,
    LuaSyntaxError,
    column_of,
    read_tokens,
)
from verifier.check_config.lua_nodes import Expression, Statement
from verifier.check_config.lua_values import Scalar

_MAX_DEPTH: Final = 100
_SUFFIXES: Final = frozenset((".", "[", ":", "(", "{"))
_UNARY: Final = frozenset(("not", "-", "#", "~"))
_UNARY_PRIORITY: Final = 12
_LEVELS: Final = (
    (("or",), 1, 1),
    (("and",), 2, 2),
    (("<", ">", "<=", ">=", "~=", "=="), 3, 3),
    (("|",), 4, 4),
    (("~",), 5, 5),
    (("&",), 6, 6),
    (("<<", ">>"), 7, 7),
    (("..",), 9, 8),
    (("+", "-"), 10, 10),
    (("*", "/", "//", "%"), 11, 11),
    (("^",), 14, 13),
)
_BINARY: Final = {
    operator: (left, right) for operators, left, right in _LEVELS for operator in operators
}
"""An operator's priorities to the left and to the right; the lower right one binds to the right."""
_CONSTANTS: Final[dict[str, Scalar | None]] = {"nil": None, "true": True, "false": False}


class ExpressionParser(ABC):
    """Reads the tokens of one source; ``_at`` is the number of the current token."""

    def __init__(self, source: str) -> None:
        self._source = source
        tokens = read_tokens(source)
        self._types, self._values = tokens.types, tokens.values
        self._lines, self._starts = tokens.lines, tokens.starts
        self._at = 0
        self._depth = 0

    @abstractmethod
    def _block(self) -> list[Statement]:
        """Return the statements up to the end of a block."""

    def _error(self, reason: str = "") -> LuaSyntaxError:
        if self._types[self._at] == ERROR:
            return cast("LuaSyntaxError", self._values[self._at])
        column = column_of(self._source, self._starts[self._at])
        return LuaSyntaxError(self._lines[self._at], reason or f"a syntax error at column {column}")

    def _accept(self, kind: str) -> bool:
        if self._types[self._at] != kind:
            return False
        self._at += 1
        return True

    def _expect(self, kind: str) -> None:
        if self._types[self._at] != kind:
            raise self._error()
        self._at += 1

    def _name(self) -> str:
        self._expect(NAME)
        return cast("str", self._values[self._at - 1])

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error("nested too deep to be read")

    def _function_body(self) -> None:
        self._expect("(")
        while not self._accept(")"):
            if not self._accept("..."):
                self._name()
                if self._accept(","):
                    if self._types[self._at] not in (NAME, "..."):
                        raise self._error()
                    continue
            self._expect(")")
            break
        self._block()
        self._expect("end")

    def _expressions(self) -> list[Expression]:
        found = [self._expression()]
        while self._accept(","):
            found.append(self._expression())
        return found

    def _expression(self, limit: int = 0) -> Expression:
        self._enter()
        kind, line = self._types[self._at], self._lines[self._at]
        left: Expression
        if kind in _UNARY:
            self._at += 1
            left = nodes.Unary(kind, self._expression(_UNARY_PRIORITY), line)
        else:
            left = self._simple(kind, line)
        length = 0
        while (found := _BINARY.get(self._types[self._at])) is not None and found[0] > limit:
            length += 1
            if length > _MAX_DEPTH:
                raise self._error("nested too deep to be read")
            operator = self._types[self._at]
            self._at += 1
            left = nodes.Binary(operator, left, self._expression(found[1]), line)
        self._depth -= 1
        return left

    def _simple(self, kind: str, line: int) -> Expression:
        if kind == VALUE:
            self._at += 1
            return nodes.Constant(cast("Scalar", self._values[self._at - 1]), line)
        if kind in _CONSTANTS:
            self._at += 1
            return nodes.Constant(_CONSTANTS[kind], line)
        if kind == "{":
            return self._table(line)
        if kind == "function":
            self._at += 1
            self._function_body()
            return nodes.Function(line)
        if kind == "...":
            self._at += 1
            return nodes.Varargs(line)
        return self._suffixed()

    def _suffixed(self) -> Expression:
        """Read a name or parentheses, and the indexes and calls behind it."""
        line = self._lines[self._at]
        found: Expression
        if self._accept("("):
            found = nodes.Parentheses(self._expression(), line)
            self._expect(")")
        else:
            found = nodes.Name(self._name(), line)
        length = 0
        while (kind := self._types[self._at]) in _SUFFIXES or kind == VALUE:
            if kind == VALUE and not isinstance(self._values[self._at], str):
                break
            length += 1
            if length > _MAX_DEPTH:
                raise self._error("nested too deep to be read")
            found = self._suffix(found, kind, self._lines[self._at])
        return found

    def _suffix(self, before: Expression, kind: str, line: int) -> Expression:
        if kind == ".":
            self._at += 1
            return nodes.Index(before, nodes.Constant(self._name(), line), line)
        if kind == "[":
            self._at += 1
            key = self._expression()
            self._expect("]")
            return nodes.Index(before, key, line)
        if kind == ":":
            self._at += 1
            return nodes.MethodCall(before, self._name(), self._arguments(), line)
        return nodes.Call(before, self._arguments(), line)

    def _arguments(self) -> list[Expression]:
        kind, line = self._types[self._at], self._lines[self._at]
        if kind == "{":
            self._enter()
            table = self._table(line)
            self._depth -= 1
            return [table]
        if kind == VALUE and isinstance(self._values[self._at], str):
            self._at += 1
            return [nodes.Constant(cast("str", self._values[self._at - 1]), line)]
        self._expect("(")
        if self._accept(")"):
            return []
        arguments = self._expressions()
        self._expect(")")
        return arguments

    def _table(self, line: int) -> Expression:
        self._at += 1
        fields: list[nodes.Field] = []
        while not self._accept("}"):
            fields.append(self._field())
            if not self._accept(",") and not self._accept(";"):
                self._expect("}")
                break
        return nodes.Table(fields, line)

    def _field(self) -> nodes.Field:
        line = self._lines[self._at]
        key: Expression | None = None
        if self._types[self._at] == NAME and self._types[self._at + 1] == "=":
            key = nodes.Constant(self._name(), line)
            self._at += 1
        elif self._accept("["):
            key = self._expression()
            self._expect("]")
            self._expect("=")
        return nodes.Field(key, self._expression())
