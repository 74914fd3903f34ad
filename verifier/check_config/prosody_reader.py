"""Reads Prosody's configuration files: hosts, components, and the files that they include.

Follows ``core.configmanager`` of Prosody 0.12, and what is new in 13: the functions that read
files, ``Lua``, and ``option:append { … }``. Other files are read only where an Include or one of
these functions names them. ``RunScript`` is never run.

A host is entered by its name, and may be followed by a table of options::

    VirtualHost "meet.example.org"              the next assignments belong to the host
    Component "conference.meet.example.org" "muc" { … }

To Lua these are calls of calls: ``VirtualHost(name)(table)``, ``Component(name)(module)(table)``.
Each function here returns the function for the next part.

The cost is bounded: at most ``_MAX_FILES`` files are read, each of them as large as ``read_file``
allows, and no file includes itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from verifier.check_config.lua_expressions import LuaRuntimeError
from verifier.check_config.lua_statements import LuaFileReader
from verifier.check_config.lua_values import LuaFunction, LuaTable, Unknown, Value
from verifier.check_config.prosody_config import (
    GLOBAL,
    Finding,
    GetVariable,
    Host,
    ListFolder,
    Locate,
    Location,
    ProsodyConfig,
    ProsodyOption,
    ReadFile,
    prepare_host_name,
)

_MAX_FILES: Final = 500
_FILE_NAME: Final = re.compile(r"[^/]+\Z")


@dataclass(slots=True)
class ProsodyReader:
    """Reads configuration files into one configuration, and follows their includes.

    Attributes:
        read_file: Reads a file.
        list_folder: Lists a folder.
        get_variable: Returns a variable of Prosody's environment.
        config: Everything that was read so far.
    """

    read_file: ReadFile
    list_folder: ListFolder
    get_variable: GetVariable
    config: ProsodyConfig = field(default_factory=ProsodyConfig)
    _open: list[str] = field(default_factory=list)

    def read(self, file: str) -> None:
        """Read a file and its includes; errors are added to ``config.problems``."""
        try:
            source = self.read_file(file)
        except OSError as error:
            self.config.problems.append(Finding(Location(file), _reason(error)))
        else:
            self.read_source(file, source)

    def read_source(self, file: str, source: bytes, locate: Locate | None = None) -> bool:
        """Read the content of a file, and return whether Prosody would run it without an error.

        Args:
            file: The file's name; includes are relative to it.
            source: The file's content.
            locate: The location that a line stands for; by default the line itself.
        """
        self.config.files.append(file)  # also a file that fails: it counts for the limit
        lua = LuaFileReader(locate or partial(Location, file), self.config, self.get_variable)
        lua.define_functions(self._functions(lua, file))
        self._open.append(file)
        try:
            return lua.read(source)
        finally:
            self._open.pop()

    def _functions(self, lua: LuaFileReader, file: str) -> dict[str, LuaFunction]:
        run: dict[str, Callable[[list[Value]], Value]] = {
            "VirtualHost": partial(self._virtual_host, lua),
            "Component": partial(self._component, lua),
            "Include": partial(self._include, lua, file),
            "RunScript": partial(self._run_script, lua),
            "FileContents": partial(self._file_contents, lua, file),
            "FileLine": partial(self._file_line, file),
            "FileLines": partial(self._file_lines, file),
            "Credential": _credential,
        }
        aliases = {"Host": "VirtualHost", "host": "VirtualHost"}
        aliases |= {"component": "Component", "include": "Include"}
        run |= {alias: run[name] for alias, name in aliases.items()}
        return {name: LuaFunction(name, function) for name, function in run.items()}

    def _virtual_host(self, lua: LuaFileReader, arguments: list[Value]) -> Value:
        name = _host_name(arguments)
        if isinstance(name, Unknown) or lua.is_uncertain("a VirtualHost"):
            return self._enter_unknown_host(lua, "VirtualHost")
        if name in self.config.hosts and self.config.hosts[name].module is not None:
            # Prosody refuses to start in this case, and in the opposite one.
            raise LuaRuntimeError("a VirtualHost has the name of a Component")
        self._enter_host(lua, name)
        return LuaFunction("VirtualHost", partial(self._options, lua, name))

    def _component(self, lua: LuaFileReader, arguments: list[Value]) -> Value:
        name = _host_name(arguments)
        if isinstance(name, Unknown) or lua.is_uncertain("a Component"):
            return self._enter_unknown_host(lua, "Component")
        if name in self.config.hosts and self.config.hosts[name].module is None:
            raise LuaRuntimeError("a Component has the name of a VirtualHost")
        # Prosody's default, until the next call names a module.
        self._enter_host(lua, name).module = "component"
        return LuaFunction("Component", partial(self._component_module, lua, name))

    def _component_module(self, lua: LuaFileReader, name: str, arguments: list[Value]) -> Value:
        if isinstance(arguments[0] if arguments else None, LuaTable):  # Component "name" { … }
            return self._options(lua, name, arguments)
        self.config.hosts[name].module = arguments[0] if arguments else None
        return LuaFunction("Component", partial(self._options, lua, name))

    def _enter_host(self, lua: LuaFileReader, name: str) -> Host:
        lua.host = name
        # A host that is entered again goes on with its options.
        return self.config.hosts.setdefault(name, Host(name, lua.location))

    def _enter_unknown_host(self, lua: LuaFileReader, kind: str) -> Value:
        """Collect the options of an unknown host apart from all other hosts."""
        self.config.not_evaluated.append(Finding(lua.location, f"a {kind} with an unknown name"))
        lua.host = f"?{lua.location}"
        # Its module is unknown, too, so that the host is not taken for a VirtualHost.
        self.config.hosts[lua.host] = Host(lua.host, lua.location, Unknown("not known"))
        return Unknown("an unknown host")

    def _options(self, lua: LuaFileReader, name: str, arguments: list[Value]) -> Value:
        lua.host = GLOBAL  # what follows a host's table is global again
        table = arguments[0] if arguments else None
        if not isinstance(table, LuaTable):
            raise LuaRuntimeError("a host followed by something that is not a table of options")
        for option, value in table.items.items():
            if isinstance(option, str):
                self.config.hosts[name].options[option] = ProsodyOption(value, lua.location)
        return None

    def _include(self, lua: LuaFileReader, file: str, arguments: list[Value]) -> Value:
        name = arguments[0] if arguments else None
        if isinstance(name, Unknown) or lua.is_uncertain("an Include"):
            finding = Finding(lua.location, "an Include that is not read")
            self.config.not_evaluated.append(finding)
        elif not isinstance(name, str):
            raise LuaRuntimeError("an Include without the name of a file")
        else:
            for included in self._expand(name, file):
                self._include_file(included)
        return None

    def _expand(self, name: str, file: str) -> list[str]:
        """Return the files that an Include names, sorted; Prosody itself has no fixed order."""
        if not re.search(r"[*?]", name):
            return [_resolve(name, file)]
        folder, _, glob = name.rpartition("/")
        folder = _resolve(folder, file) if folder else _FILE_NAME.sub("", file)
        pattern = re.compile(_glob_pattern(glob), re.DOTALL)
        try:
            names = sorted(self.list_folder(folder))
        except OSError as error:
            hint = "if this is a copy, name the files of that folder, too"
            text = f"a folder cannot be included: {_reason(error)} ({hint})"
            raise LuaRuntimeError(text) from None
        # Prosody's Include also leaves out hidden files.
        return [f"{folder}/{name}" for name in names if name[0] != "." and pattern.fullmatch(name)]

    def _include_file(self, file: str) -> None:
        if file in self._open:
            raise LuaRuntimeError("a file includes itself")
        if len(self.config.files) >= _MAX_FILES:
            raise LuaRuntimeError(f"more than {_MAX_FILES} files are included")
        try:
            source = self.read_file(file)
        except OSError as error:
            raise LuaRuntimeError(f"cannot include {file}: {_reason(error)}") from None
        if not self.read_source(file, source):
            raise LuaRuntimeError(f"an error in {file} stops this file, too")

    def _run_script(self, lua: LuaFileReader, _arguments: list[Value]) -> Value:
        # The script is a program with access to everything, not a configuration.
        self.config.not_evaluated.append(Finding(lua.location, "a RunScript that is not run"))
        return None

    def _file_contents(self, lua: LuaFileReader, file: str, arguments: list[Value]) -> Value:
        text = self._file_text(file, arguments)
        if isinstance(text, str) and text.endswith("\n"):
            note = "FileContents keeps the line break at the end of the file; FileLine does not"
            self.config.notes.append(Finding(lua.location, note))
        return text

    def _file_text(self, file: str, arguments: list[Value]) -> Value:
        name = arguments[0] if arguments else None
        if not isinstance(name, str):
            return Unknown("a file with an unknown name")
        try:
            return self.read_file(_resolve(name, file)).decode("utf-8", "surrogateescape")
        except OSError as error:
            return Unknown(f"in a file that cannot be read here ({_reason(error)})")

    def _file_line(self, file: str, arguments: list[Value]) -> Value:
        text = self._file_text(file, arguments)
        return text.partition("\n")[0] if isinstance(text, str) else text

    def _file_lines(self, file: str, arguments: list[Value]) -> Value:
        text = self._file_text(file, arguments)
        lines = text.removesuffix("\n").split("\n") if isinstance(text, str) else None
        return text if lines is None else LuaTable(dict(enumerate(lines, 1)))


def _host_name(arguments: list[Value]) -> str | Unknown:
    name = arguments[0] if arguments else None
    if isinstance(name, Unknown):
        return name
    form = prepare_host_name(name) if isinstance(name, str) else None
    if form is None:
        raise LuaRuntimeError("a host without a name, or with an impossible name")
    return form


def _credential(_arguments: list[Value]) -> Value:
    return Unknown("a systemd credential, which only Prosody's own service can read")


def _resolve(name: str, file: str) -> str:
    """Resolve a file's name as ``util.paths.resolve_relative_path`` does."""
    name = re.sub(r"\A\./+", "", name)
    return name if name.startswith("/") else f"{_FILE_NAME.sub('', file).rstrip('/') or '.'}/{name}"


def _glob_pattern(glob: str) -> str:
    special = {"*": ".*", "?": "."}
    return "".join(special.get(character, re.escape(character)) for character in glob)


def _reason(error: OSError) -> str:
    return error.strerror or "it cannot be read"
