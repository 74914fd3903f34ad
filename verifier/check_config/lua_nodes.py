"""The syntax tree of Lua, as far as a configuration needs it.

A function is a node without its body, because no body is ever evaluated. Every node knows its line.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from verifier.check_config.lua_values import Scalar


class Constant(NamedTuple):
    """``nil``, a boolean, a number or a text."""

    value: Scalar | None
    line: int


class Name(NamedTuple):
    """A name."""

    id: str
    line: int


class Field(NamedTuple):
    """An item of a table; the key is None in a list."""

    key: Expression | None
    value: Expression


class Table(NamedTuple):
    """``{ … }``."""

    fields: list[Field]
    line: int


class Function(NamedTuple):
    """``function … end`` as a value."""

    line: int


class Varargs(NamedTuple):
    """``...``."""

    line: int


class Call(NamedTuple):
    """``function(arguments)``."""

    function: Expression
    arguments: list[Expression]
    line: int


class MethodCall(NamedTuple):
    """``object:method(arguments)``."""

    object: Expression
    method: str
    arguments: list[Expression]
    line: int


class Index(NamedTuple):
    """``value[key]`` or ``value.key``."""

    value: Expression
    key: Expression
    line: int


class Unary(NamedTuple):
    """An operator with one operand."""

    operator: str
    operand: Expression
    line: int


class Binary(NamedTuple):
    """An operator with two operands."""

    operator: str
    left: Expression
    right: Expression
    line: int


class Parentheses(NamedTuple):
    """``(expression)``: one value, also of a call."""

    expression: Expression
    line: int


class Local(NamedTuple):
    """``local names = values``."""

    names: list[str]
    values: list[Expression]
    line: int


class Assign(NamedTuple):
    """``targets = values``."""

    targets: list[Name | Index]
    values: list[Expression]
    line: int


class CallStatement(NamedTuple):
    """A call whose result is not used."""

    call: Call | MethodCall
    line: int


class Do(NamedTuple):
    """``do … end``."""

    body: list[Statement]
    line: int


class If(NamedTuple):
    """``if``, or ``elseif``; the rest is None without ``else``."""

    test: Expression
    body: list[Statement]
    rest: list[Statement] | None
    line: int


class Loop(NamedTuple):
    """``while``, ``repeat`` or ``for``, with the names that ``for`` sets."""

    names: list[str]
    body: list[Statement]
    line: int


class LocalFunction(NamedTuple):
    """``local function name() … end``."""

    name: str
    line: int


class Goto(NamedTuple):
    """``goto label``."""

    line: int


class Return(NamedTuple):
    """``return``."""

    line: int


Expression: TypeAlias = (
    Constant
    | Name
    | Table
    | Function
    | Varargs
    | Call
    | MethodCall
    | Index
    | Unary
    | Binary
    | Parentheses
)
Statement: TypeAlias = (
    Local | Assign | CallStatement | Do | If | Loop | LocalFunction | Goto | Return
)
