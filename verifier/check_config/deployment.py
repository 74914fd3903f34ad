"""The files that describe a deployment, read into one value.

``sources`` finds the files and tells them apart; this module gives each to its reader, in the order
in which they need each other: ``.env``, the Compose file, Jicofo's, then Prosody's. To read another
kind of file, add the kind to ``sources`` and its reader here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Final

from verifier.check_config.compose import ComposeReader
from verifier.check_config.docker import DockerEnvironment
from verifier.check_config.docker_reader import find_jicofo, read_docker
from verifier.check_config.jicofo import JicofoSwitches, read_jicofo, read_jicofo_properties
from verifier.check_config.lua_values import Unknown
from verifier.check_config.prosody_config import Finding, Host, Location, ProsodyConfig
from verifier.check_config.prosody_reader import ProsodyReader
from verifier.check_config.sources import (
    COMPOSE_NAMES,
    KIND_NAMES,
    Source,
    find_copy,
    find_disabled,
    find_files,
    read_bytes,
    read_source,
)
from verifier.check_config.token_hosts import (
    OWN_MODULE,
    TokenHost,
    belongs_to_another,
    find_token_hosts,
    shares_rooms,
)
from verifier.check_config.variables import Variables, note_unread, read_env_file
from verifier.check_config.web_config import WebConfig, read_web_config

_MAIN_FILE: Final = "prosody.cfg.lua"


@dataclass(slots=True)
class Deployment:
    """The content of the files of a deployment.

    Attributes:
        config: Prosody's configuration.
        hosts: The hosts that accept tokens and have rooms of their own; the main host first.
        sharing: The VirtualHosts whose users enter the rooms of another host.
        jicofo: Jicofo's switches; None if no file sets them.
        web: The web client's hosts; None without its file.
        taken_for: What each file was taken for, by its name.
    """

    config: ProsodyConfig
    hosts: list[TokenHost] = field(default_factory=list)
    sharing: list[Host] = field(default_factory=list)
    jicofo: JicofoSwitches | None = None
    web: WebConfig | None = None
    taken_for: dict[str, str] = field(default_factory=dict)

    @property
    def compared(self) -> list[TokenHost]:
        """The hosts whose options Prosody reads itself, instead of asking this program."""
        return [host for host in self.hosts if host.authentication != OWN_MODULE]


def read_deployment(files: Iterable[Path], environ: Mapping[str, str]) -> Deployment:
    """Read Prosody's, docker's, Jicofo's and the web client's files.

    Without a file of Prosody's, the variables of docker-jitsi-meet become the configuration that
    its templates would make of them. Beside such a file, they are only the environment of
    ``os.getenv``, and Jicofo's.

    Args:
        files: The files and folders in the order in which Prosody would read them.
        environ: The environment of ``os.getenv`` and of Docker Compose, for variables that no
            ``.env`` sets.
    """
    return _Reader(environ).read(list(dict.fromkeys(files)))


class _Reader:
    """Reads one deployment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._variables: dict[str, str] = {}
        self._given: dict[str, Source] = {}
        self._used: set[str] = set()
        self._begun: set[str] = set()
        get_variable = partial(_get_variable, self._variables, environ)
        self._prosody = ProsodyReader(self._read_file, self._list_folder, get_variable)
        self._deployment = Deployment(self._prosody.config)

    def read(self, paths: list[Path]) -> Deployment:
        """Read all files."""
        sources = [source for path in paths for source in self._sources(path)]
        own = [source for source in sources if source.kind == "prosody"]
        self._given = {source.path.name: source for source in own}
        self._read_docker(sources, alone=not own)
        # What Jicofo's older file sets counts more than its newer one.
        for source in sorted(sources, key=lambda source: source.kind == "properties"):
            self._read_jicofo(source)
            if source.kind == "unknown":
                expected = "Prosody's, docker's, Jicofo's or the web client's configuration"
                self._add_problem(
                    Location(str(source.path)), f"not recognised, expected {expected}"
                )
            elif source.kind == "web":
                text = self._text(source)
                self._deployment.web = read_web_config(text, str(source.path))
        self._read_prosody(own)
        self._find_hosts()
        return self._deployment

    def _sources(self, path: Path) -> list[Source]:
        sources: list[Source] = []
        try:
            files = find_files(path)
        except OSError as error:
            self._add_problem(Location(str(path)), error.strerror or "it cannot be read")
            return []
        for file in files:
            try:
                sources.append(read_source(file))
            except OSError as error:
                self._add_problem(Location(str(file)), error.strerror or "it cannot be read")
        for source in sources:
            self._deployment.taken_for[str(source.path)] = KIND_NAMES[source.kind]
        for file in find_disabled(path):
            self._deployment.taken_for[str(file)] = "not read: no link to it in conf.d"
        return sources

    def _text(self, source: Source) -> str:
        """Return a file's text; bytes that are not UTF-8 are a problem, and are left out."""
        text = source.text.removeprefix("\ufeff")
        readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "ignore")
        if readable != text:
            self._add_problem(Location(str(source.path)), "bytes that are not UTF-8")
        return readable

    def _read_docker(self, sources: list[Source], *, alone: bool) -> None:
        compose = [source for source in sources if source.kind == "compose"]
        dotenv = Variables("")
        for source in sources:
            if source.kind == "env":
                self._read_env(source, dotenv)
        if compose and not dotenv.file:
            self._read_env_beside(compose[0].path, dotenv)
        services = self._read_compose(compose, dotenv, alone=alone) if compose else None
        prosody = dotenv if services is None else services.services.get("prosody")
        self._variables |= dotenv.values
        if prosody is None or not (dotenv.file or compose):
            return
        self._variables |= prosody.values
        note_unread(dotenv, self._prosody.config)
        jicofo = dotenv if services is None else services.services.get("jicofo", prosody)
        self._deployment.jicofo = find_jicofo(jicofo)
        if services is not None:
            self._note_withheld(dotenv, prosody, services.names["prosody"])
        if alone:
            read_docker(prosody, self._prosody)

    def _read_env(self, source: Source, dotenv: Variables) -> None:
        name = str(source.path)
        # Like Docker Compose, this reads any bytes: other programs write comments in Latin-1.
        text, config = source.text.removeprefix("\ufeff"), self._prosody.config
        variables = read_env_file(text, name, self._environ, config)
        dotenv.file = name
        dotenv.add(variables)

    def _read_env_beside(self, compose: Path, dotenv: Variables) -> None:
        file = compose.parent / ".env"
        if compose.name in COMPOSE_NAMES and file.is_file():
            for source in self._sources(file):
                self._read_env(source, dotenv)

    def _read_compose(
        self, sources: list[Source], dotenv: Variables, *, alone: bool
    ) -> ComposeReader:
        config = self._prosody.config
        reader = ComposeReader(_read_text, dotenv, self._environ, config)
        found = [reader.read(self._text(source), source.path) for source in sources]
        if "prosody" in reader.services:
            for source in sources:
                names = ", ".join(reader.names.values())
                self._deployment.taken_for[str(source.path)] += f", services {names}"
        elif (alone or not any(found)) and not config.problems:
            text = "no service of docker-jitsi-meet, expected one of the image prosody"
            self._add_problem(Location(str(sources[0].path)), text)
        return reader

    def _note_withheld(self, dotenv: Variables, service: Variables, name: str) -> None:
        """Note the variables for Prosody that its service does not get."""
        read = DockerEnvironment(dotenv.values).names_in_use()
        for variable in dotenv.locations:
            if variable in read and variable not in service.values:
                text = (
                    f"{variable} has no effect: the Compose file does not pass it on to the service"
                    f" {name}"
                )
                self._prosody.config.notes.append(Finding(dotenv.locations[variable], text))

    def _read_jicofo(self, source: Source) -> None:
        if source.kind not in ("jicofo", "properties"):
            return
        text, name = self._text(source), str(source.path)
        if source.kind == "properties":
            switches = read_jicofo_properties(text, name).over(self._deployment.jicofo)
        else:
            switches = read_jicofo(text, name, self._jicofo_variable)
        self._deployment.jicofo = switches

    def _jicofo_variable(self, name: str) -> str | Unknown | None:
        if name in self._variables:
            return self._variables[name]
        # The variables of a container that is known are all that it has.
        if self._variables:
            return None
        return Unknown(f"set by the variable {name}, which is not known here")

    def _read_prosody(self, sources: list[Source]) -> None:
        # The main file includes the others, wherever it stands in the command line.
        for source in sorted(sources, key=lambda source: source.path.name != _MAIN_FILE):
            files = {os.path.realpath(file) for file in self._prosody.config.files}
            name = str(source.path)
            if os.path.realpath(name) not in files and source.path.name not in self._used:
                content = source.text.encode("utf-8", "surrogateescape")
                self._begun.add(source.path.name)
                self._prosody.read_source(name, content)
        for file in self._prosody.config.files:
            if Path(file).name in self._used:
                continue  # a file that was named under another path
            included = f"{KIND_NAMES['prosody']}, included"
            self._deployment.taken_for.setdefault(file, included)

    def _read_file(self, file: str) -> bytes:
        try:
            return read_bytes(file)
        except FileNotFoundError:
            # A copy: the file that is included was named by itself, or stands in the same folder.
            # Each file stands for one other at most: it might include itself again and again.
            name = Path(file).name
            source = None if name in self._begun else self._given.get(name)
            copy = None if source else find_copy(Path(file), self._given_paths)
            if copy is not None:
                return read_bytes(str(copy))
            if source is None:
                raise
            self._used.add(source.path.name)
            self._begun.add(source.path.name)
            return source.text.encode("utf-8", "surrogateescape")

    def _list_folder(self, folder: str) -> list[str]:
        try:
            return [path.name for path in Path(folder).iterdir()]
        except FileNotFoundError:
            names = [name for name in self._given if fnmatch(name, "*.cfg.lua")]
            names = [name for name in names if name not in (_MAIN_FILE, *self._begun)]
            copy = None if names else find_copy(Path(folder), self._given_paths)
            if copy is not None and copy.is_dir():
                return [path.name for path in copy.iterdir()]
            if not names:
                raise
            return names

    @property
    def _given_paths(self) -> list[Path]:
        return [source.path for source in self._given.values()]

    def _find_hosts(self) -> None:
        config = self._prosody.config
        hosts = sorted(find_token_hosts(config), key=_is_main, reverse=True)
        sharing = {host.name for host in config.virtual_hosts() if shares_rooms(host, config)}
        own = [host for host in hosts if host.name not in sharing]
        # If no file has the rooms, one of these hosts may be the main host.
        unclear = [
            host for host in hosts if not belongs_to_another(config.hosts[host.name], config)
        ]
        self._deployment.hosts = own or unclear[:1]
        taken = {host.name for host in self._deployment.hosts}
        self._deployment.sharing = [
            host for host in config.virtual_hosts() if host.name in sharing - taken
        ]

    def _add_problem(self, location: Location, text: str) -> None:
        self._prosody.config.problems.append(Finding(location, text))


def _read_text(path: Path) -> str:
    return read_bytes(str(path)).decode("utf-8", "replace")


def _get_variable(
    variables: Mapping[str, str], environ: Mapping[str, str], name: str
) -> str | Unknown | None:
    """Return a variable of Prosody's environment; unknown if it is not set on this machine."""
    value = variables.get(name, environ.get(name))
    return Unknown(f"the environment variable {name}, not set here") if value is None else value


def _is_main(host: TokenHost) -> bool:
    return host.options["muc_mapper_domain_base"] == host.name
