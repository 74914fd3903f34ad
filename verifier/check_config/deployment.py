"""The files that describe a deployment, told apart and read into one value."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from verifier.check_config.docker import VARIABLES, DockerEnvironment, EnvFile, Line
from verifier.check_config.jicofo import Jicofo, read_jicofo
from verifier.check_config.lua_values import Unknown
from verifier.check_config.prosody_config import Finding, Place, ProsodyConfig
from verifier.check_config.prosody_reader import ProsodyReader
from verifier.check_config.token_hosts import OWN_MODULE, TokenHost, token_hosts

_LARGEST: Final = 500_000


@dataclass(slots=True)
class Deployment:
    """What the given files say.

    Attributes:
        config: Prosody's configuration.
        hosts: Its hosts that take tokens; the main one first.
        jicofo: What Jicofo is told; None if no file says anything.
    """

    config: ProsodyConfig
    hosts: list[TokenHost] = field(default_factory=list)
    jicofo: Jicofo | None = None

    @property
    def compared(self) -> list[TokenHost]:
        """The hosts whose options Prosody itself reads."""
        return [host for host in self.hosts if host.authentication != OWN_MODULE]


def read_deployment(files: Iterable[Path], environ: Mapping[str, str]) -> Deployment:
    """Read Prosody's ``.lua`` files, docker's ``.env`` and ``jicofo.conf``, told apart by name.

    With a ``.lua`` file, a ``.env`` is only what ``os.getenv`` gives, and Jicofo's switches.

    Args:
        files: In the order in which Prosody would read them.
        environ: What ``os.getenv`` gives for what no ``.env`` has.
    """
    kinds = {file: _kind(file) for file in files}
    variables: dict[str, str] = {}
    reader = ProsodyReader(read_bytes, os.listdir, partial(_variable, variables, environ))
    deployment = Deployment(reader.config)
    for file, kind in kinds.items():
        if kind == "env":
            variables |= _read_env(file, reader, deployment, alone="lua" not in kinds.values())
        elif kind == "jicofo":
            _read_jicofo(file, deployment)
    _read_lua([file for file, kind in kinds.items() if kind == "lua"], reader)
    deployment.hosts = sorted(token_hosts(reader.config), key=_is_main, reverse=True)
    return deployment


def read_bytes(file: str) -> bytes:
    """Read a regular file of a configuration's size.

    Raises:
        OSError: it is none, or cannot be read.
    """
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as opened:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        body = opened.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise OSError(errno.EFBIG, f"larger than {_LARGEST} bytes, expected a configuration")
    return body


def _read_lua(files: list[Path], reader: ProsodyReader) -> None:
    seen: set[str] = set()
    for file in files:
        # What another file has included already is not read again.
        if os.path.realpath(file) not in seen:
            reader.read(str(file))
            seen |= {os.path.realpath(name) for name in reader.config.files}


def _kind(file: Path) -> str:
    if file.suffix == ".conf":
        return "jicofo"
    is_env = file.suffix == ".env" or file.name.startswith((".env", "env."))
    return "env" if is_env else "lua"


def _read_text(file: Path, config: ProsodyConfig) -> str | None:
    try:
        return read_bytes(str(file)).decode("utf-8-sig")
    except UnicodeDecodeError:
        trouble = "bytes that are not UTF-8"
    except OSError as error:
        trouble = error.strerror or "it cannot be read"
    config.problems.append(Finding(Place(str(file)), trouble))
    return None


def _read_jicofo(file: Path, deployment: Deployment) -> None:
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
    if not env.variables.keys() & set(VARIABLES):
        found = f"none of docker-jitsi-meet's variables ({', '.join(VARIABLES)})"
        reader.config.problems.append(Finding(Place(str(file)), found))
    elif alone:
        for lines in (docker.global_lines(), docker.host_lines()):
            source = "\n".join(line.text for line in lines).encode()
            reader.read_source(str(file), source, partial(_place, env, lines))
    return env.variables


def _place(env: EnvFile, lines: list[Line], line: int) -> Place:
    return env.place(lines[min(line, len(lines)) - 1].variable)


def _variable(
    variables: Mapping[str, str], environ: Mapping[str, str], name: str
) -> str | Unknown | None:
    """Give a variable of Prosody's environment, as far as it is known here."""
    value = variables.get(name, environ.get(name))
    return Unknown(f"the environment variable {name}, not set here") if value is None else value


def _is_main(host: TokenHost) -> bool:
    return host.options["muc_mapper_domain_base"] == host.name
