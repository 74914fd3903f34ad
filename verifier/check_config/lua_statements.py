"""Reads one Lua file of Prosody's configuration, statement by statement.

Evaluated are: assignments of options, locals and table items; ``do``, and ``if`` with a known
condition; ``return``; calls of the functions that ``define_functions`` was given; and
``option:append { … }``.

Read but not executed are: the bodies of loops, and both branches of an ``if`` whose condition is
unknown. Everything that they assign becomes ``Unknown``, with the loop or the condition as reason
(``_uncertainty``). Not read at all are: the bodies of functions, ``goto``, and other method calls.
Each of them might set any option, so ``ProsodyConfig.not_evaluated`` lists the place, and the
command then never reports agreement.

Each statement is read once, so the cost is bounded by the size of the file. Python's recursion
limit bounds the nesting of blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from verifier.check_config import lua_nodes as lua
from verifier.check_config.lua_expressions import (
    ExpressionEvaluator,
    LuaRuntimeError,
    is_text_or_number,
    truth_of,
)
from verifier.check_config.lua_lexer import LuaSyntaxError
from verifier.check_config.lua_nodes import Statement
from verifier.check_config.lua_parser import parse
from verifier.check_config.lua_values import LuaFunction, LuaLibrary, LuaTable, Unknown, Value
from verifier.check_config.prosody_config import (
    GLOBAL,
    Finding,
    GetVariable,
    Locate,
    Location,
    ProsodyConfig,
    ProsodyOption,
)

_NAMES: Final = """
    _G _VERSION arg assert collectgarbage coroutine debug dofile error getmetatable io ipairs
    load loadfile math next os package pairs pcall print prosody rawequal rawget rawlen rawset
    require select setmetatable string table tonumber tostring type utf8 xpcall
"""
_LIBRARY_NAMES: Final = frozenset(_NAMES.split())
_LIBRARY: Final = "a part of Lua's library"


class _ReturnedError(Exception):
    """The file returns: Prosody does not run the rest."""


class LuaFileReader:
    """Reads one file into a configuration.

    Args:
        locate: Returns the location that a line stands for.
        config: Receives the options and the findings.
        get_variable: Returns a variable of Prosody's environment.

    Attributes:
        host: The name of the host that receives the options at the current line.
    """

    def __init__(self, locate: Locate, config: ProsodyConfig, get_variable: GetVariable) -> None:
        self.host = GLOBAL
        self._locate = locate
        self._config = config
        self._get_variable = get_variable
        self._functions: dict[str, LuaFunction] = {}
        self._scopes: list[dict[str, Value]] = [{}]
        self._uncertainty: Unknown | None = None
        self._expressions = ExpressionEvaluator(self._lookup, self._note_unevaluated_call)

    @property
    def location(self) -> Location:
        """The location of the current line."""
        return self._locate(self._expressions.line)

    def define_functions(self, functions: dict[str, LuaFunction]) -> None:
        """Let the file call these functions."""
        self._functions |= functions

    def read(self, source: bytes) -> bool:
        """Read the file, and return whether Prosody would run it without an error."""
        try:
            self._run(parse(source))
        except _ReturnedError:
            return True
        except LuaSyntaxError as error:
            self._add_problem(self._locate(error.line), error.reason)
        except LuaRuntimeError as error:
            self._add_problem(self.location, error.reason)
        except RecursionError:
            # Blocks and operators nest without brackets, which ``parse`` counts.
            self._add_problem(self.location, "nested too deep to be read")
        else:
            return True
        return False

    def is_uncertain(self, what: str) -> bool:
        """Return whether Prosody may not reach this line, and note then that it is skipped."""
        if self._uncertainty is None:
            return False
        self._note(f"{what} is {self._uncertainty.reason}")
        return True

    def _run(self, statements: list[Statement]) -> None:
        for statement in statements:
            self._expressions.line = statement.line
            self._run_statement(statement)

    def _run_statement(self, node: Statement) -> None:
        match node:
            case lua.Local():
                self._assign_locals(node)
            case lua.Assign():
                # As in Lua, all values are evaluated before the first one is assigned.
                values = [self._expressions.evaluate(value) for value in node.values]
                padded = _pad(values, node.values, len(node.targets))
                for target, value in zip(node.targets, padded, strict=True):
                    self._assign(target, value)
            case lua.CallStatement():
                self._call(node.call)
            case lua.Do():
                self._run_block(node.body)
            case lua.If():
                self._if(node)
            case lua.Loop():
                with self._scope(), self._uncertain("in a loop"):
                    self._scopes[-1] |= dict.fromkeys(node.names, Unknown("in a loop"))
                    self._run(node.body)
            case lua.LocalFunction():
                self._scopes[-1][node.name] = self._expressions.define_function()
            case lua.Goto():
                self._note_skipped()
            case lua.Return():
                self._return()

    def _return(self) -> None:
        if not self.is_uncertain("the rest of the file"):
            raise _ReturnedError

    def _assign_locals(self, node: lua.Local) -> None:
        values = [self._expressions.evaluate(value) for value in node.values]
        padded = _pad(values, node.values, len(node.names))
        self._scopes[-1] |= zip(node.names, padded, strict=True)

    def _assign(self, target: lua.Name | lua.Index, value: Value) -> None:
        # If Prosody may skip the assignment, neither the old nor the new value is certain.
        value = value if self._uncertainty is None else self._uncertainty
        if isinstance(target, lua.Index):
            self._assign_item(target, value)
            return
        for scope in reversed(self._scopes):
            if target.id in scope:
                scope[target.id] = value
                return
        # In Prosody's configuration a name that is not local is an option.
        options = self._config.hosts[self.host].options
        options[target.id] = ProsodyOption(value, self.location)

    def _assign_item(self, target: lua.Index, value: Value) -> None:
        table = self._expressions.evaluate(target.value)
        key = self._expressions.evaluate(target.key)
        if isinstance(table, LuaTable) and is_text_or_number(key):
            table.items[key] = value
        elif isinstance(table, LuaTable | Unknown):
            self._note("an assignment to an unknown item of a table")
        else:
            raise LuaRuntimeError("an assignment to an item of something that is not a table")

    def _call(self, node: lua.Call | lua.MethodCall) -> None:
        if isinstance(node, lua.MethodCall):
            if not self._append(node):
                self._note_skipped()
        # A function that is not executed may set any option, whatever it returns.
        elif isinstance(self._expressions.call(node), Unknown):
            self._note_unevaluated_call()

    def _append(self, node: lua.MethodCall) -> bool:
        """Run Prosody 13's ``option:append { … }``, and return whether the statement is that."""
        option = self._option(node.object.id) if isinstance(node.object, lua.Name) else None
        if node.method != "append" or not isinstance(option, LuaTable) or not node.arguments:
            return False
        added = self._expressions.evaluate(node.arguments[0])
        if not isinstance(added, LuaTable | Unknown):
            raise LuaRuntimeError("an append of something that is not a table")
        if self._uncertainty is not None or isinstance(added, Unknown):
            option.make_unknown(self._uncertainty or Unknown("a table to which a part is added"))
        elif added.items.get(1) is None:
            option.items |= added.items
        else:
            option.append(added.sequence())
        return True

    def _option(self, name: str) -> Value:
        """Return the value of an option that the file has set for the current host."""
        found = self._config.hosts[self.host].options.get(name)
        is_local = any(name in scope for scope in self._scopes)
        return None if is_local or found is None else found.value

    def _note_skipped(self) -> None:
        self._note("a statement that is not evaluated")

    def _note_unevaluated_call(self) -> None:
        self._note("a function call that is not executed")

    def _if(self, node: lua.If) -> None:
        truth = truth_of(self._expressions.evaluate(node.test))
        if isinstance(truth, Unknown):
            with self._uncertain(f"under a condition that is {truth.reason}"):
                self._run_block(node.body)
                self._run_block(node.rest or [])
        else:
            self._run_block(node.body if truth else node.rest or [])

    def _run_block(self, body: list[Statement]) -> None:
        with self._scope():
            self._run(body)

    def _lookup(self, name: str) -> Value:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        if name in self._functions:
            return self._functions[name]
        if name.startswith("ENV_"):  # Prosody's short form of os.getenv
            return self._get_variable(name.removeprefix("ENV_"))
        if name in ("os", "Lua"):
            os = LuaLibrary(_LIBRARY, {"getenv": LuaFunction("os.getenv", self._getenv)})
            # Prosody 13's name of all that Lua itself has.
            return os if name == "os" else LuaLibrary(_LIBRARY, {"os": os})
        if name in _LIBRARY_NAMES:
            return Unknown(_LIBRARY)
        # To Prosody 0.12 an option that is read again is nil.
        return None if self._option(name) is None else Unknown("an option that is read again")

    def _getenv(self, arguments: list[Value]) -> Value:
        name = arguments[0] if arguments else None
        return self._get_variable(name) if isinstance(name, str) else Unknown("an unknown variable")

    @contextmanager
    def _scope(self) -> Iterator[None]:
        self._scopes.append({})
        try:
            yield
        finally:
            self._scopes.pop()

    @contextmanager
    def _uncertain(self, reason: str) -> Iterator[None]:
        # The outermost reason stays: whatever is inside depends on it first.
        before, self._uncertainty = self._uncertainty, self._uncertainty or Unknown(reason)
        try:
            yield
        finally:
            self._uncertainty = before

    def _add_problem(self, location: Location, reason: str) -> None:
        self._config.problems.append(Finding(location, reason))

    def _note(self, text: str) -> None:
        self._config.not_evaluated.append(Finding(self.location, text))


def _pad(values: list[Value], nodes: list[lua.Expression], wanted: int) -> list[Value]:
    """Return a value for each target: nil, or a further result of the last call, if too few."""
    missing = max(wanted - len(values), 0)
    may_be_more = bool(nodes) and isinstance(nodes[-1], lua.Call | lua.MethodCall | lua.Varargs)
    rest: Value = Unknown("the result of a function") if may_be_more else None
    return [*values, *([rest] * missing)][:wanted]
