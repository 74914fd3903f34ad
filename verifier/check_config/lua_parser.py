"""Lua tokens to a syntax tree: all of Lua 5.4's syntax, by recursive descent.

What is evaluated of the tree is another question: see ``lua_statements`` and ``lua_expressions``.
Nothing is ever executed.

No quotation. An error names a line and a column, and never the text there, because the text may be
a secret.

Bounded cost. Each token is read once, without going back, so the time is proportional to the
source. ``_MAX_DEPTH`` bounds the nesting, and so the stack.

Operators, from the loosest to the tightest binding, as in the manual's section 3.4.8::

    or   and   < > <= >= ~= ==   |   ~   &   << >>   .. (right)   + -   * / // %   unary   ^ (right)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, cast

from verifier.check_config import lua_nodes as nodes
from verifier.check_config.lua_lexer import (
    END,
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
_TEMPLATE: Final = re.compile(rb"\{\{-?\s*(\.Env|\$|if|else|end|range|join)\b")
_BLOCK_ENDS: Final = frozenset(("else", "elseif", "end", "until", END))
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


def parse(source: bytes) -> list[Statement]:
    """Return the statements of a file.

    Raises:
        LuaSyntaxError: Lua would refuse the source, or the source exceeds a limit.
    """
    template = _TEMPLATE.search(source)
    if template is not None:
        line = source.count(b"\n", 0, template.start()) + 1
        raise LuaSyntaxError(line, "a template that has not been rendered, expected its result")
    return _Parser(source.decode("latin-1")).chunk()


class _Parser:
    """Reads the tokens of one source; ``_at`` is the number of the current token."""

    def __init__(self, source: str) -> None:
        self._source = source
        tokens = read_tokens(source)
        self._types, self._values = tokens.types, tokens.values
        self._lines, self._starts = tokens.lines, tokens.starts
        self._at = 0
        self._depth = 0
        self._statements: dict[str, Callable[[int], Statement | None]] = {
            "local": self._local,
            "if": self._if,
            "do": self._do,
            "function": self._function_statement,
            "for": self._for,
            "while": self._while,
            "repeat": self._repeat,
            "goto": self._goto,
            "break": self._skip,
            ";": self._skip,
            "::": self._label,
        }

    def chunk(self) -> list[Statement]:
        """Return all statements."""
        body = self._block()
        if self._types[self._at] != END:
            raise self._error()
        return body

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

    def _block(self) -> list[Statement]:
        self._enter()
        body: list[Statement] = []
        while (kind := self._types[self._at]) not in _BLOCK_ENDS:
            line = self._lines[self._at]
            if kind == "return":
                body.append(self._return(line))
                break
            read = self._statements.get(kind)
            statement = self._expression_statement(line) if read is None else read(line)
            if statement is not None:
                body.append(statement)
        self._depth -= 1
        return body

    def _skip(self, _line: int) -> None:
        self._at += 1

    def _label(self, _line: int) -> None:
        self._at += 1
        self._name()
        self._expect("::")

    def _goto(self, line: int) -> Statement:
        self._at += 1
        self._name()
        return nodes.Goto(line)

    def _return(self, line: int) -> Statement:
        self._at += 1
        if self._types[self._at] not in _BLOCK_ENDS and self._types[self._at] != ";":
            self._expressions()
        self._accept(";")
        if self._types[self._at] not in _BLOCK_ENDS:
            raise self._error()
        return nodes.Return(line)

    def _do(self, line: int) -> Statement:
        self._at += 1
        body = self._block()
        self._expect("end")
        return nodes.Do(body, line)

    def _while(self, line: int) -> Statement:
        self._at += 1
        self._expression()
        self._expect("do")
        body = self._block()
        self._expect("end")
        return nodes.Loop([], body, line)

    def _repeat(self, line: int) -> Statement:
        self._at += 1
        body = self._block()
        self._expect("until")
        self._expression()
        return nodes.Loop([], body, line)

    def _for(self, line: int) -> Statement:
        self._at += 1
        names = [self._name()]
        if self._accept("="):
            if not 2 <= len(self._expressions()) <= 3:
                raise self._error()
        else:
            while self._accept(","):
                names.append(self._name())
            self._expect("in")
            self._expressions()
        self._expect("do")
        body = self._block()
        self._expect("end")
        return nodes.Loop(names, body, line)

    def _if(self, line: int) -> Statement:
        # A list of branches, not a recursion: a file may have hundreds of elseif.
        branches: list[tuple[int, Expression, list[Statement]]] = []
        rest: list[Statement] | None = None
        while True:
            self._at += 1  # if, or elseif
            test = self._expression()
            self._expect("then")
            branches.append((line, test, self._block()))
            line = self._lines[self._at]
            if self._types[self._at] != "elseif":
                break
        if self._accept("else"):
            rest = self._block()
        self._expect("end")
        for start, test, body in reversed(branches[1:]):
            rest = [nodes.If(test, body, rest, start)]
        start, test, body = branches[0]
        return nodes.If(test, body, rest, start)

    def _local(self, line: int) -> Statement:
        self._at += 1
        if self._accept("function"):
            name = self._name()
            self._function_body()
            return nodes.LocalFunction(name, line)
        names = [self._local_name()]
        while self._accept(","):
            names.append(self._local_name())
        return nodes.Local(names, self._expressions() if self._accept("=") else [], line)

    def _local_name(self) -> str:
        name = self._name()
        if self._accept("<"):
            if self._values[self._at] not in ("const", "close"):
                raise self._error()
            self._name()
            self._expect(">")
        return name

    def _function_statement(self, line: int) -> Statement:
        self._at += 1
        target: nodes.Name | nodes.Index = nodes.Name(self._name(), line)
        while self._types[self._at] in (".", ":"):
            is_method = self._types[self._at] == ":"
            self._at += 1
            target = nodes.Index(target, nodes.Constant(self._name(), line), line)
            if is_method:
                break
        self._function_body()
        return nodes.Assign([target], [nodes.Function(line)], line)

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

    def _expression_statement(self, line: int) -> Statement:
        first = self._suffixed()
        if isinstance(first, nodes.Call | nodes.MethodCall):
            return nodes.CallStatement(first, line)
        targets = [self._target(first)]
        while self._accept(","):
            targets.append(self._target(self._suffixed()))
        self._expect("=")
        return nodes.Assign(targets, self._expressions(), line)

    def _target(self, found: Expression) -> nodes.Name | nodes.Index:
        if not isinstance(found, nodes.Name | nodes.Index):
            raise self._error()
        return found

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
            self._name()
            self._arguments()
            return nodes.MethodCall(line)
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


_SUFFIXES: Final = frozenset((".", "[", ":", "(", "{"))
