"""The value of a Lua expression, as far as it is known without running any code.

Evaluated are: constants, tables, names, indexes (``a.b``, ``a[b]``), ``..``, ``and``, ``or``,
``not``, ``==``, ``~=``, ``#``, unary minus, ``+``, ``-`` and ``*``, and calls of the functions that
``LuaFileReader`` offers: Prosody's own, and ``os.getenv``.

Never executed are: functions that the file defines, all of Lua's library, methods (``a:b()``), and
the other operators. Their value is ``Unknown``, with a reason for the operator. A table that is
passed to such a function becomes unknown itself, because the function may change it.

The cost is bounded by the size of the source: nothing here loops or calls itself except along the
syntax tree. A text can still double in each statement, so ``_MAX_STRING`` bounds texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeGuard

from verifier.check_config import lua_nodes as lua
from verifier.check_config.lua_nodes import Expression
from verifier.check_config.lua_values import (
    LuaFunction,
    LuaLibrary,
    LuaTable,
    Unknown,
    Value,
    tostring,
)

_RESULT: Final = Unknown("the result of a function")
_MAX_STRING: Final = 1_000_000
_EXACT: Final = 2**53
"""From here on a float does not hold every integer, and Lua's integers differ from Python's."""
_METHODS: Final = """
    byte char dump find format gmatch gsub len lower match pack packsize rep reverse sub unpack
    upper
"""
_STRING_METHODS: Final = frozenset(_METHODS.split())


class LuaRuntimeError(Exception):
    """Prosody would stop at this point.

    Attributes:
        reason: Why, without any value.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class ExpressionEvaluator:
    """Evaluates expressions.

    Args:
        lookup: Returns the value of a name.
        note_unevaluated_call: Is called for each call of a function that the file itself defines.

    Attributes:
        line: The line of the expression that was evaluated last.
    """

    def __init__(
        self, lookup: Callable[[str], Value], note_unevaluated_call: Callable[[], None]
    ) -> None:
        self._lookup = lookup
        self._note_unevaluated_call = note_unevaluated_call
        self.line = 1

    def evaluate(self, node: Expression) -> Value:
        """Return the expression's value.

        Raises:
            LuaRuntimeError: Prosody would stop.
        """
        self.line = node.line
        match node:
            case lua.Constant():
                return node.value
            case lua.Name():
                return self._lookup(node.id)
            case lua.Table():
                return self._table(node)
            case lua.Function():
                return self.define_function()
            case lua.Call():
                return self.call(node)
            case lua.Index():
                return self._index(node)
            case lua.Parentheses():
                return self.evaluate(node.expression)
            case lua.Unary():
                return self._unary(node)
            case lua.Binary():
                return self._binary(node)
            case _:
                return Unknown("an expression that is not evaluated")

    def call(self, node: lua.Call) -> Value:
        """Return the result of a call; unknown unless Prosody offers the function."""
        function = self.evaluate(node.function)
        arguments = [self.evaluate(argument) for argument in node.arguments]
        self.line = node.line  # the arguments may stand on later lines
        if isinstance(function, LuaFunction):
            return function.run(arguments)
        if isinstance(function, Unknown):
            return self._call_unknown(arguments)
        raise LuaRuntimeError("a call of something that is not a function")

    def define_function(self) -> LuaFunction:
        """Return a function of the file; a call of it is noted, and its result is unknown."""
        return LuaFunction("function", self._call_defined)

    def _call_defined(self, arguments: list[Value]) -> Value:
        self._note_unevaluated_call()
        return self._call_unknown(arguments)

    def _call_unknown(self, arguments: list[Value]) -> Value:
        for argument in arguments:
            if isinstance(argument, LuaTable):
                argument.make_unknown(Unknown("a table that a function may have changed"))
            elif isinstance(argument, LuaFunction):
                # A callback: the unknown function may call it, as pcall does.
                self._note_unevaluated_call()
        return _RESULT

    def _index(self, node: lua.Index) -> Value:
        table = self.evaluate(node.value)
        key = self.evaluate(node.key)
        if isinstance(table, LuaTable):
            if not is_text_or_number(key):
                return Unknown("found by an unknown key")
            return table.items.get(key)  # to Lua a missing item is nil, not an error
        if isinstance(table, LuaLibrary) and isinstance(key, str) and key in table.members:
            return table.members[key]
        if isinstance(table, str):  # ("x").upper is a function of Lua's library
            return Unknown("a part of Lua's library") if key in _STRING_METHODS else None
        if isinstance(table, Unknown):
            return Unknown("a part of an unknown value")
        raise LuaRuntimeError("an index of something that is not a table")

    def _table(self, node: lua.Table) -> Value:
        table = LuaTable()
        listed: list[Value] = []
        for item in node.fields:
            value = self.evaluate(item.value)
            if item.key is None:
                listed.append(value)
                continue
            key = self.evaluate(item.key)
            if not is_text_or_number(key):
                # The item may replace any other item, so nothing in the table is certain.
                return Unknown("a table with an unknown key")
            table.items[key] = value
        # Lua also stores list items after all others, so { "a", [1] = "b" } has "a" at 1.
        table.items |= dict(enumerate(listed, 1))
        return table

    def _unary(self, node: lua.Unary) -> Value:
        operand = self.evaluate(node.operand)
        match node.operator:
            case "not":
                truth = truth_of(operand)
                return truth if isinstance(truth, Unknown) else not truth
            case "-":
                return _minus(operand)
            case "#":
                return _length(operand)
            case _:
                return Unknown("an expression that is not evaluated")

    def _binary(self, node: lua.Binary) -> Value:
        match node.operator:
            case "..":
                return self._concat(self.evaluate(node.left), self.evaluate(node.right))
            case "and" | "or":
                return self._logic(node)
            case "==" | "~=":
                return self._equality(node)
            case "+" | "-" | "*":
                return self._arithmetic(node)
            case _:
                return Unknown("an expression that is not evaluated")

    def _concat(self, left: Value, right: Value) -> Value:
        for operand in (left, right):
            if isinstance(operand, Unknown):
                return operand
        if not is_text_or_number(left) or not is_text_or_number(right):
            raise LuaRuntimeError("a .. with an operand that is neither text nor number")
        joined = tostring(left) + tostring(right)
        return joined if len(joined) <= _MAX_STRING else Unknown("a text that is too long")

    def _logic(self, node: lua.Binary) -> Value:
        left = self.evaluate(node.left)
        truth = truth_of(left)
        if isinstance(truth, Unknown):
            return truth
        # Only the side that Lua evaluates: in ``t and t.x`` the other one may be an error.
        return self.evaluate(node.right) if truth is (node.operator == "and") else left

    def _equality(self, node: lua.Binary) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return Unknown("a comparison with an unknown value")
        if isinstance(left, LuaTable | LuaFunction):
            same = left is right  # by identity, as Lua does
        else:
            # In Python True == 1, in Lua true ~= 1.
            same = left == right and isinstance(left, bool) is isinstance(right, bool)
        return same is (node.operator == "==")

    def _arithmetic(self, node: lua.Binary) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        for operand in (left, right):
            _check_operand(operand)
        if not _is_number(left) or not _is_number(right):
            # Lua converts a text that contains a number, by rules that are not followed here.
            return Unknown("a calculation that is not evaluated")
        result: int | float = left * right
        if node.operator != "*":
            result = left + right if node.operator == "+" else left - right
        return result if abs(result) < _EXACT else Unknown("a number that is too large")


def is_text_or_number(value: Value) -> TypeGuard[str | int | float]:
    """Return whether a value can be joined by ``..``, and be the key of a table here."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def truth_of(value: Value) -> bool | Unknown:
    """Return whether Lua takes a value for true."""
    return value if isinstance(value, Unknown) else value is not None and value is not False


def _is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_operand(value: Value) -> None:
    """Raise an error for an operand that Lua refuses; a text passes, it may contain a number."""
    if value is None or isinstance(value, bool | LuaTable | LuaFunction):
        raise LuaRuntimeError("a calculation with an operand that is not a number")


def _minus(value: Value) -> Value:
    _check_operand(value)
    return -value if _is_number(value) else Unknown("a calculation that is not evaluated")


def _length(value: Value) -> Value:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, LuaTable | Unknown):
        return len(value.sequence()) if isinstance(value, LuaTable) else Unknown("a length")
    raise LuaRuntimeError("the length of something that has no length")
