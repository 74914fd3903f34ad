"""The files that describe a deployment: told apart by their names, and read into one value.

This module does the input of the package. To read another kind of file, add the kind to ``_kind``
and its reader to ``read_deployment``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

from verifier.check_config.docker import KNOWN_VARIABLES, DockerEnvironment, EnvFile, LuaLine
from verifier.check_config.jicofo import JicofoSwitches, read_jicofo
from verifier.check_config.lua_values import Unknown
from verifier.check_config.prosody_config import Finding, Location, ProsodyConfig
from verifier.check_config.prosody_reader import ProsodyReader
from verifier.check_config.token_hosts import OWN_MODULE, TokenHost, find_token_hosts

_MAX_BYTES: Final = 500_000

_Kind: TypeAlias = Literal["env", "jicofo", "lua"]


@dataclass(slots=True)
class Deployment:
    """The content of the files of a deployment.

    Attributes:
        config: Prosody's configuration.
        hosts: The hosts that accept tokens; the main host first.
        jicofo: Jicofo's switches; None if no file sets them.
    """

    config: ProsodyConfig
    hosts: list[TokenHost] = field(default_factory=list)
    jicofo: JicofoSwitches | None = None

    @property
    def compared(self) -> list[TokenHost]:
        """The hosts whose options Prosody reads itself, instead of asking this program."""
        return [host for host in self.hosts if host.authentication != OWN_MODULE]


def read_deployment(files: Iterable[Path], environ: Mapping[str, str]) -> Deployment:
    """Read Prosody's ``.lua`` files, docker's ``.env`` and ``jicofo.conf``.

    Without a ``.lua`` file, a ``.env`` becomes the configuration that docker-jitsi-meet would make
    of it. Beside a ``.lua`` file, it is only the environment of ``os.getenv``, and Jicofo's.

    Args:
        files: The files in the order in which Prosody would read them.
        environ: The environment of ``os.getenv``, for variables that no ``.env`` sets.
    """
    kinds = {file: _kind(file) for file in files}
    variables: dict[str, str] = {}
    reader = ProsodyReader(read_bytes, os.listdir, partial(_get_variable, variables, environ))
    deployment = Deployment(reader.config)
    for file, kind in kinds.items():
        if kind == "env":
            variables |= _read_env(file, reader, deployment, alone="lua" not in kinds.values())
        elif kind == "jicofo":
            _read_jicofo_file(file, deployment)
    _read_lua([file for file, kind in kinds.items() if kind == "lua"], reader)
    deployment.hosts = sorted(find_token_hosts(reader.config), key=_is_main, reverse=True)
    return deployment


def read_bytes(file: str) -> bytes:
    """Return the content of a regular file that is no larger than a configuration.

    Raises:
        OSError: The file is something else, is too large, or cannot be read.
    """
    # O_NONBLOCK: opening a named pipe must not wait for a writer.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        content = opened.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(errno.EFBIG, f"larger than {_MAX_BYTES} bytes, expected a configuration")
    return content


def _read_lua(files: list[Path], reader: ProsodyReader) -> None:
    seen: set[str] = set()
    for file in files:
        # A file that another file included before is not read a second time.
        if os.path.realpath(file) not in seen:
            reader.read(str(file))
            seen |= {os.path.realpath(name) for name in reader.config.files}


def _kind(file: Path) -> _Kind:
    if file.suffix == ".conf":
        return "jicofo"
    is_env = file.suffix == ".env" or file.name.startswith((".env", "env."))
    return "env" if is_env else "lua"


def _read_text(file: Path, config: ProsodyConfig) -> str | None:
    try:
        return read_bytes(str(file)).decode("utf-8-sig")
    except UnicodeDecodeError:
        problem = "bytes that are not UTF-8"
    except OSError as error:
        problem = error.strerror or "it cannot be read"
    config.problems.append(Finding(Location(str(file)), problem))
    return None


def _read_jicofo_file(file: Path, deployment: Deployment) -> None:
    text = _read_text(file, deployment.config)
    if text is not None:
        deployment.jicofo = read_jicofo(text, str(file))


def _read_env(
    file: Path, reader: ProsodyReader, deployment: Deployment, *, alone: bool
) -> dict[str, str]:
    env = EnvFile(file)
    text = _read_text(file, reader.config)
    if text is None:
        return {}
    env.read(text, reader.config)
    docker = DockerEnvironment(env.variables)
    deployment.jicofo = deployment.jicofo or docker.jicofo(str(file))
    if not env.variables.keys() & set(KNOWN_VARIABLES):
        found = f"none of docker-jitsi-meet's variables ({', '.join(KNOWN_VARIABLES)})"
        reader.config.problems.append(Finding(Location(str(file)), found))
    elif alone:
        # Two files in docker, too: each starts in the global part.
        for lines in (docker.global_lines(), docker.host_lines()):
            source = "\n".join(line.text for line in lines).encode()
            reader.read_source(str(file), source, partial(_locate_in_env, env, lines))
    return env.variables


def _locate_in_env(env: EnvFile, lines: list[LuaLine], line: int) -> Location:
    """Return where the variable of a written line is set."""
    return env.locate(lines[min(line, len(lines)) - 1].variable)


def _get_variable(
    variables: Mapping[str, str], environ: Mapping[str, str], name: str
) -> str | Unknown | None:
    """Return a variable of Prosody's environment; unknown if it is not set on this machine."""
    value = variables.get(name, environ.get(name))
    return Unknown(f"the environment variable {name}, not set here") if value is None else value


def _is_main(host: TokenHost) -> bool:
    return host.options["muc_mapper_domain_base"] == host.name
