"""One file of Prosody's configuration, statement by statement.

What stands under an ``if``, in a loop or in a function whose outcome only Prosody could tell is
``Unknown``, never guessed. Nothing is executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from luaparser import astnodes as lua

from verifier.check_config.lua_expressions import Expressions, LuaRuntimeError, is_plain, truth_of
from verifier.check_config.lua_source import LuaSyntaxError, Node, parse
from verifier.check_config.lua_values import Builtin, Library, LuaTable, Unknown, Value
from verifier.check_config.prosody_config import (
    GLOBAL,
    Environ,
    Finding,
    Given,
    Place,
    PlaceOf,
    ProsodyConfig,
)

_GLOBALS: Final = """
    _G _VERSION arg assert collectgarbage coroutine debug dofile error getmetatable io ipairs
    load loadfile math next os package pairs pcall print prosody rawequal rawget rawlen rawset
    require select setmetatable string table tonumber tostring type utf8 xpcall
"""
_LIBRARY: Final = frozenset(_GLOBALS.split())
_COMPOUND: Final = (lua.While, lua.Repeat, lua.Fornum, lua.Forin)


class _ReturnedError(Exception):
    """The file says ``return``: what follows is never run."""


class LuaFile:
    """Reads one file into a configuration.

    Attributes:
        host: The name of the host that options belong to at this point.
    """

    def __init__(self, place: PlaceOf, config: ProsodyConfig, environ: Environ) -> None:
        self.host = GLOBAL
        self._place = place
        self._config = config
        self._environ = environ
        self._functions: dict[str, Builtin] = {}
        self._locals: list[dict[str, Value]] = [{}]
        self._doubt: Unknown | None = None
        self._expressions = Expressions(self._lookup, self._not_followed)

    @property
    def place(self) -> Place:
        """Where reading is."""
        return self._place(self._expressions.line)

    def offer(self, functions: dict[str, Builtin]) -> None:
        """Give the file these functions."""
        self._functions |= functions

    def read(self, source: bytes) -> bool:
        """Read the file; tell whether Prosody would have got to its end."""
        try:
            self._run(parse(source))
        except _ReturnedError:
            return True
        except LuaSyntaxError as error:
            self._refuse(self._place(error.line), error.reason)
        except LuaRuntimeError as error:
            self._refuse(self.place, error.reason)
        except RecursionError:
            self._refuse(self.place, "nested too deep to be read")
        else:
            return True
        return False

    def doubtful(self, what: str) -> bool:
        """Tell whether this point may never be reached; if so, note that ``what`` is left out."""
        if self._doubt is None:
            return False
        self._note(f"{what} is {self._doubt.reason}")
        return True

    def _run(self, statements: list[Node]) -> None:
        for statement in statements:
            self._expressions.line = statement.line or self._expressions.line
            self._statement(statement)

    def _statement(self, node: Node) -> None:
        match node:
            case lua.LocalAssign():
                self._assign_locals(node)
            case lua.Assign():
                values = [self._expressions.evaluate(value) for value in node.values]
                for target, value in zip(node.targets, _padded(values, node), strict=True):
                    self._assign(target, value)
            case lua.Call():
                self._call(node)
            case lua.Do():
                with self._scope():
                    self._run(node.body.body)
            case lua.If():
                self._if(node)
            case _ if isinstance(node, _COMPOUND):
                with self._scope(), self._doubting("in a loop"):
                    self._locals[-1] |= dict.fromkeys(_loop_names(node), Unknown("in a loop"))
                    self._run(node.body.body)
            case lua.LocalFunction():
                self._locals[-1][node.name.id] = self._expressions.function()
            case lua.Function() | lua.Method():
                self._assign(node.name, self._expressions.function())
            case lua.Goto() | lua.Invoke():
                self._note("a statement that is not evaluated")
            case lua.Return():
                self._return()
            case _:
                pass  # labels, semicolons, breaks

    def _return(self) -> None:
        if not self.doubtful("the rest of the file"):
            raise _ReturnedError

    def _assign_locals(self, node: Node) -> None:
        values = [self._expressions.evaluate(value) for value in node.values]
        for target, value in zip(node.targets, _padded(values, node), strict=True):
            self._locals[-1][target.id] = value

    def _assign(self, target: Node, value: Value) -> None:
        value = value if self._doubt is None else self._doubt
        if isinstance(target, lua.Index):
            self._assign_part(target, value)
            return
        for scope in reversed(self._locals):
            if target.id in scope:
                scope[target.id] = value
                return
        options = self._config.hosts[self.host].options
        options[target.id] = Given(value, self.place)

    def _assign_part(self, target: Node, value: Value) -> None:
        table = self._expressions.evaluate(target.value)
        key = self._expressions.key(target)
        if isinstance(table, LuaTable) and is_plain(key):
            table.items[key] = value
        elif isinstance(table, LuaTable | Unknown):
            self._note("a part of a table that is set where it cannot be followed")
        else:
            raise LuaRuntimeError("a part is set of something that is no table")

    def _call(self, node: Node) -> None:
        if isinstance(self._expressions.call(node), Unknown):
            self._not_followed()

    def _not_followed(self) -> None:
        self._note("a function that is not followed")

    def _if(self, node: Node) -> None:
        truth = truth_of(self._expressions.evaluate(node.test))
        if isinstance(truth, Unknown):
            with self._doubting(f"under a condition that is {truth.reason}"):
                self._block(node.body)
                self._else(node.orelse)
        elif truth:
            self._block(node.body)
        else:
            self._else(node.orelse)

    def _else(self, node: Node) -> None:
        if isinstance(node, lua.ElseIf):
            self._if(node)
        elif node is not None:
            self._block(node)

    def _block(self, node: Node) -> None:
        with self._scope():
            self._run(node.body)

    def _lookup(self, name: str) -> Value:
        for scope in reversed(self._locals):
            if name in scope:
                return scope[name]
        if name in self._functions:
            return self._functions[name]
        if name.startswith("ENV_"):
            return self._environ(name.removeprefix("ENV_"))
        if name == "os":
            getenv = Builtin("os.getenv", self._getenv)
            return Library("a part of Lua's library", {"getenv": getenv})
        # Prosody lets a file set options, but not read them again: they are nil.
        return Unknown("a part of Lua's library") if name in _LIBRARY else None

    def _getenv(self, arguments: list[Value]) -> Value:
        name = arguments[0] if arguments else None
        return self._environ(name) if isinstance(name, str) else Unknown("an unknown variable")

    @contextmanager
    def _scope(self) -> Iterator[None]:
        self._locals.append({})
        try:
            yield
        finally:
            self._locals.pop()

    @contextmanager
    def _doubting(self, reason: str) -> Iterator[None]:
        before, self._doubt = self._doubt, self._doubt or Unknown(reason)
        try:
            yield
        finally:
            self._doubt = before

    def _refuse(self, place: Place, reason: str) -> None:
        self._config.problems.append(Finding(place, reason))

    def _note(self, text: str) -> None:
        self._config.unread.append(Finding(self.place, text))


def _loop_names(node: Node) -> list[str]:
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    return [target.id for target in targets if target is not None]


def _padded(values: list[Value], node: Node) -> list[Value]:
    """Give each target a value: nil, or what the last call may give, for those that lack one."""
    missing = len(node.targets) - len(values)
    last = node.values[-1] if node.values else None
    may_be_more = isinstance(last, lua.Call | lua.Invoke | lua.Varargs)
    rest: Value = Unknown("what a function gives") if may_be_more else None
    return [*values, *([rest] * missing)][: len(node.targets)]
