"""The value of a Lua expression, where that can be known without running anything.

Constants, tables, concatenation, local variables, logic and comparison; no loops, no library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeGuard

from luaparser import astnodes as lua

from verifier.check_config.lua_source import Node, string_value
from verifier.check_config.lua_values import Builtin, Library, LuaTable, Unknown, Value, tostring

_GIVEN: Final = Unknown("what a function gives")
_LONGEST_STRING: Final = 1_000_000
_EXACT: Final = 2**53
_METHODS: Final = """
    byte char dump find format gmatch gsub len lower match pack packsize rep reverse sub unpack
    upper
"""
_OF_STRINGS: Final = frozenset(_METHODS.split())


class LuaRuntimeError(Exception):
    """Prosody would stop here.

    Attributes:
        reason: Why, without a value.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Expressions:
    """Evaluates expressions.

    Args:
        lookup: Gives the value of a name.
        not_followed: Told of each call of a function that the file itself defines.

    Attributes:
        line: The line that is being read, for whom it concerns.
    """

    def __init__(self, lookup: Callable[[str], Value], not_followed: Callable[[], None]) -> None:
        self._lookup = lookup
        self._not_followed = not_followed
        self.line = 1

    def evaluate(self, node: Node) -> Value:
        """Give the expression's value.

        Raises:
            LuaRuntimeError: Prosody would stop.
            LuaSyntaxError: a string literal is none.
        """
        self.line = node.line or self.line
        match node:
            case lua.Nil():
                return None
            case lua.TrueExpr() | lua.FalseExpr():
                return isinstance(node, lua.TrueExpr)
            case lua.Number():
                number: int | float = node.n
                return number
            case lua.String():
                return string_value(node, self.line)
            case lua.Name():
                return self._lookup(node.id)
            case lua.Table():
                return self._table(node)
            case lua.AnonymousFunction():
                return self.function()
            case lua.Call():
                return self.call(node)
            case lua.Index():
                return self._index(node)
            case _:
                return self._operation(node)

    def call(self, node: Node) -> Value:
        """Call a function of Prosody's; any other gives what is unknown."""
        function = self.evaluate(node.func)
        arguments = [self.evaluate(argument) for argument in node.args]
        self.line = node.line or self.line
        if isinstance(function, Builtin):
            return function.run(arguments)
        if isinstance(function, Unknown):
            return self._unknown_call(arguments)
        raise LuaRuntimeError("something is called that is no function")

    def function(self) -> Builtin:
        """Give a function that the file defines: what it does when it is called is not known."""
        return Builtin("function", self._own_call)

    def _own_call(self, arguments: list[Value]) -> Value:
        self._not_followed()
        return self._unknown_call(arguments)

    def _unknown_call(self, arguments: list[Value]) -> Value:
        for argument in arguments:
            if isinstance(argument, LuaTable):
                argument.doubt(Unknown("a table that a function may have changed"))
            elif isinstance(argument, Builtin):
                self._not_followed()
        return _GIVEN

    def key(self, node: Node) -> Value:
        """Give the key of ``table.name`` or ``table[key]``."""
        if node.notation is lua.IndexNotation.DOT:
            name: str = node.idx.id
            return name
        return self.evaluate(node.idx)

    def _index(self, node: Node) -> Value:
        table = self.evaluate(node.value)
        key = self.key(node)
        if isinstance(table, LuaTable):
            if not is_plain(key):
                return Unknown("found by a key that is not known")
            return table.items.get(key)
        if isinstance(table, Library) and isinstance(key, str) and key in table.parts:
            return table.parts[key]
        if isinstance(table, str):
            return Unknown("a part of Lua's library") if key in _OF_STRINGS else None
        if isinstance(table, Unknown):
            return Unknown("a part of what is not known")
        raise LuaRuntimeError("a part is taken of something that is no table")

    def _table(self, node: Node) -> Value:
        table = LuaTable()
        listed: list[Value] = []
        for item in node.fields:
            value = self.evaluate(item.value)
            if item.key is None:
                listed.append(value)
                continue
            named = isinstance(item.key, lua.Name) and not item.between_brackets
            key = item.key.id if named else self.evaluate(item.key)
            if not is_plain(key):
                return Unknown("a table with a key that is not known")
            table.items[key] = value
        table.items |= dict(enumerate(listed, 1))  # Lua stores them last, too
        return table

    def _operation(self, node: Node) -> Value:
        match node:
            case lua.Concat():
                return self._concat(self.evaluate(node.left), self.evaluate(node.right))
            case lua.AndLoOp() | lua.OrLoOp():
                return self._logic(node)
            case lua.ULNotOp():
                truth = truth_of(self.evaluate(node.operand))
                return truth if isinstance(truth, Unknown) else not truth
            case lua.EqToOp() | lua.NotEqToOp():
                return self._equal(node)
            case lua.UMinusOp():
                return _minus(self.evaluate(node.operand))
            case lua.ULengthOP():
                return _length(self.evaluate(node.operand))
            case lua.AddOp() | lua.SubOp() | lua.MultOp():
                return self._arithmetic(node)
            case _:
                return Unknown("an expression that is not evaluated")

    def _concat(self, left: Value, right: Value) -> Value:
        for side in (left, right):
            if isinstance(side, Unknown):
                return side
        if not is_plain(left) or not is_plain(right):
            raise LuaRuntimeError("something is joined with .. that is neither text nor number")
        joined = tostring(left) + tostring(right)
        return joined if len(joined) <= _LONGEST_STRING else Unknown("a text that is too long")

    def _logic(self, node: Node) -> Value:
        left = self.evaluate(node.left)
        truth = truth_of(left)
        if isinstance(truth, Unknown):
            return truth
        return self.evaluate(node.right) if truth is isinstance(node, lua.AndLoOp) else left

    def _equal(self, node: Node) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return Unknown("a comparison with what is not known")
        if isinstance(left, LuaTable | Builtin):
            same = left is right
        else:
            same = left == right and isinstance(left, bool) is isinstance(right, bool)
        return same is isinstance(node, lua.EqToOp)

    def _arithmetic(self, node: Node) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        for side in (left, right):
            _check_calculable(side)
        if not _is_number(left) or not _is_number(right):
            return Unknown("a calculation that is not evaluated")
        result: int | float = left * right
        if not isinstance(node, lua.MultOp):
            result = left + right if isinstance(node, lua.AddOp) else left - right
        return result if abs(result) < _EXACT else Unknown("a number that is too large")


def is_plain(value: Value) -> TypeGuard[str | int | float]:
    """Tell whether a value is text or a number: what joins, and what is a table's key here."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def truth_of(value: Value) -> bool | Unknown:
    """Tell whether Lua takes a value for true."""
    return value if isinstance(value, Unknown) else value is not None and value is not False


def _is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_calculable(value: Value) -> None:
    """Let numbers pass, and texts, which may hold one."""
    if value is None or isinstance(value, bool | LuaTable | Builtin):
        raise LuaRuntimeError("something is calculated with that is no number")


def _minus(value: Value) -> Value:
    _check_calculable(value)
    return -value if _is_number(value) else Unknown("a calculation that is not evaluated")


def _length(value: Value) -> Value:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, LuaTable | Unknown):
        return len(value.sequence()) if isinstance(value, LuaTable) else Unknown("a length")
    raise LuaRuntimeError("the length is taken of something that has none")
