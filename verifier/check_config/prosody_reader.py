"""The functions that Prosody gives to its configuration: hosts, includes, files.

Follows ``core.configmanager`` of Prosody 0.12, and the newer functions that read files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from verifier.check_config.lua_expressions import LuaRuntimeError
from verifier.check_config.lua_statements import LuaFile
from verifier.check_config.lua_values import Builtin, LuaTable, Unknown, Value
from verifier.check_config.prosody_config import (
    GLOBAL,
    Environ,
    Finding,
    Given,
    Host,
    Lister,
    Place,
    PlaceOf,
    ProsodyConfig,
    Reader,
    prepared,
)

_MOST_FILES: Final = 500
_FOLDER: Final = re.compile(r"[^/]+\Z")


@dataclass(slots=True)
class ProsodyReader:
    """Reads configuration files into one configuration, following what they include."""

    read_file: Reader
    list_folder: Lister
    environ: Environ
    config: ProsodyConfig = field(default_factory=ProsodyConfig)
    _open: list[str] = field(default_factory=list)

    def read(self, file: str) -> None:
        """Read a file and what it includes; what is wrong goes to ``config.problems``."""
        try:
            source = self.read_file(file)
        except OSError as error:
            self.config.problems.append(Finding(Place(file), _trouble(error)))
        else:
            self.read_source(file, source)

    def read_source(self, file: str, source: bytes, place: PlaceOf | None = None) -> bool:
        """Read a file that is at hand; tell whether Prosody would have got to its end.

        Args:
            file: Its name, from which includes are resolved.
            source: What is in it.
            place: What its lines stand for, if not for themselves.
        """
        self.config.files.append(file)
        lua = LuaFile(place or partial(Place, file), self.config, self.environ)
        lua.offer(self._functions(lua, file))
        self._open.append(file)
        try:
            return lua.read(source)
        finally:
            self._open.pop()

    def _functions(self, lua: LuaFile, file: str) -> dict[str, Builtin]:
        run: dict[str, Callable[[list[Value]], Value]] = {
            "VirtualHost": partial(self._virtual_host, lua),
            "Component": partial(self._component, lua),
            "Include": partial(self._include, lua, file),
            "RunScript": partial(self._run_script, lua),
            "FileContents": partial(self._file_contents, file),
            "FileLine": partial(self._file_line, file),
            "FileLines": partial(self._file_lines, file),
            "Credential": _credential,
        }
        others = {"Host": "VirtualHost", "host": "VirtualHost"}
        others |= {"component": "Component", "include": "Include"}
        run |= {name: run[same] for name, same in others.items()}
        return {name: Builtin(name, function) for name, function in run.items()}

    def _virtual_host(self, lua: LuaFile, arguments: list[Value]) -> Value:
        name = _host_name(arguments)
        if isinstance(name, Unknown) or lua.doubtful("a VirtualHost"):
            return self._unknown_host(lua, "VirtualHost")
        if name in self.config.hosts and self.config.hosts[name].module is not None:
            raise LuaRuntimeError("a VirtualHost has the name of a Component")
        self._enter(lua, name)
        return Builtin("VirtualHost", partial(self._options, lua, name))

    def _component(self, lua: LuaFile, arguments: list[Value]) -> Value:
        name = _host_name(arguments)
        if isinstance(name, Unknown) or lua.doubtful("a Component"):
            return self._unknown_host(lua, "Component")
        if name in self.config.hosts and self.config.hosts[name].module is None:
            raise LuaRuntimeError("a Component has the name of a VirtualHost")
        self._enter(lua, name).module = "component"
        return Builtin("Component", partial(self._component_module, lua, name))

    def _component_module(self, lua: LuaFile, name: str, arguments: list[Value]) -> Value:
        if isinstance(arguments[0] if arguments else None, LuaTable):
            return self._options(lua, name, arguments)
        self.config.hosts[name].module = arguments[0] if arguments else None
        return Builtin("Component", partial(self._options, lua, name))

    def _enter(self, lua: LuaFile, name: str) -> Host:
        lua.host = name
        return self.config.hosts.setdefault(name, Host(name, lua.place))

    def _unknown_host(self, lua: LuaFile, kind: str) -> Value:
        """Keep the options of a host that is not known apart from all others."""
        self.config.unread.append(Finding(lua.place, f"a {kind} whose name is not known"))
        lua.host = f"?{lua.place}"
        self.config.hosts[lua.host] = Host(lua.host, lua.place, Unknown("not known"))
        return Unknown("a host that is not known")

    def _options(self, lua: LuaFile, name: str, arguments: list[Value]) -> Value:
        lua.host = GLOBAL
        table = arguments[0] if arguments else None
        if not isinstance(table, LuaTable):
            raise LuaRuntimeError("a host is followed by something that is no table of options")
        for option, value in table.items.items():
            if isinstance(option, str):
                self.config.hosts[name].options[option] = Given(value, lua.place)
        return None

    def _include(self, lua: LuaFile, file: str, arguments: list[Value]) -> Value:
        name = arguments[0] if arguments else None
        if isinstance(name, Unknown) or lua.doubtful("an Include"):
            self.config.unread.append(Finding(lua.place, "an Include that is not followed"))
        elif not isinstance(name, str):
            raise LuaRuntimeError("an Include without the name of a file")
        else:
            for included in self._matching(name, file):
                self._include_one(included)
        return None

    def _matching(self, name: str, file: str) -> list[str]:
        """Give the files that an Include names; in order of name, where Prosody has any order."""
        if not re.search(r"[*?]", name):
            return [_resolved(name, file)]
        folder, _, glob = name.rpartition("/")
        folder = _resolved(folder, file) if folder else _FOLDER.sub("", file)
        pattern = re.compile(_pattern(glob), re.DOTALL)
        try:
            names = sorted(self.list_folder(folder))
        except OSError as error:
            raise LuaRuntimeError(f"a folder cannot be included: {_trouble(error)}") from None
        return [f"{folder}/{name}" for name in names if name[0] != "." and pattern.fullmatch(name)]

    def _include_one(self, file: str) -> None:
        if file in self._open:
            raise LuaRuntimeError("a file includes itself")
        if len(self.config.files) >= _MOST_FILES:
            raise LuaRuntimeError(f"more than {_MOST_FILES} files are included")
        try:
            source = self.read_file(file)
        except OSError as error:
            raise LuaRuntimeError(f"cannot include {file}: {_trouble(error)}") from None
        if not self.read_source(file, source):
            raise LuaRuntimeError(f"what is wrong in {file} stops this file too")

    def _run_script(self, lua: LuaFile, _arguments: list[Value]) -> Value:
        self.config.unread.append(Finding(lua.place, "a RunScript that is not run"))
        return None

    def _file_contents(self, file: str, arguments: list[Value]) -> Value:
        name = arguments[0] if arguments else None
        if not isinstance(name, str):
            return Unknown("a file whose name is not known")
        try:
            return self.read_file(_resolved(name, file)).decode("utf-8", "surrogateescape")
        except OSError as error:
            return Unknown(f"in a file that cannot be read here ({_trouble(error)})")

    def _file_line(self, file: str, arguments: list[Value]) -> Value:
        text = self._file_contents(file, arguments)
        return text.partition("\n")[0] if isinstance(text, str) else text

    def _file_lines(self, file: str, arguments: list[Value]) -> Value:
        text = self._file_contents(file, arguments)
        lines = text.removesuffix("\n").split("\n") if isinstance(text, str) else None
        return text if lines is None else LuaTable(dict(enumerate(lines, 1)))


def _host_name(arguments: list[Value]) -> str | Unknown:
    name = arguments[0] if arguments else None
    if isinstance(name, Unknown):
        return name
    form = prepared(name) if isinstance(name, str) else None
    if form is None:
        raise LuaRuntimeError("a host without a name, or with one that no host can have")
    return form


def _credential(_arguments: list[Value]) -> Value:
    return Unknown("a systemd credential, which only Prosody's own service can read")


def _resolved(name: str, file: str) -> str:
    """Resolve as ``util.paths.resolve_relative_path`` does, from the file that names it."""
    name = re.sub(r"\A\./+", "", name)
    return name if name.startswith("/") else f"{_FOLDER.sub('', file).rstrip('/') or '.'}/{name}"


def _pattern(glob: str) -> str:
    special = {"*": ".*", "?": "."}
    return "".join(special.get(character, re.escape(character)) for character in glob)


def _trouble(error: OSError) -> str:
    return error.strerror or "it cannot be read"
