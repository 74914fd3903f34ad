"""Lua tokens to a syntax tree: all of Lua 5.4's syntax, by recursive descent.

What is evaluated of the tree is another question: see ``lua_statements`` and ``lua_expressions``.
Nothing is ever executed. This module has the statements, ``lua_expression_parser`` the values.

No quotation. An error names a line and a column, and never the text there, because the text may be
a secret.

Bounded cost. Each token is read once, without going back, so the time is proportional to the
source. ``_MAX_DEPTH`` in ``lua_expression_parser`` bounds the nesting, and so the stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from verifier.check_config import lua_nodes as nodes
from verifier.check_config.lua_expression_parser import ExpressionParser
from verifier.check_config.lua_lexer import END, LuaSyntaxError
from verifier.check_config.lua_nodes import Expression, Statement

_TEMPLATE: Final = re.compile(rb"\{\{-?\s*(\.Env|\$|if|else|end|range|join)\b")
_BLOCK_ENDS: Final = frozenset(("else", "elseif", "end", "until", END))


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


class _Parser(ExpressionParser):
    """Reads the statements of one source."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
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
