"""Listening sockets that systemd opened and passed on: sd_listen_fds(3), read and checked.

Knows neither configuration nor what a socket is for; sockets that nobody can listen on are
refused here, by their number.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from verifier.config import ConfigError, Problem

_FIRST: Final = 3  # SD_LISTEN_FDS_START
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")
_COUNT: Final = re.compile("[0-9]{1,3}")
_EXPECTED: Final = "a listening TCP or unix stream socket (ListenStream=, Accept=no)"


@dataclass(frozen=True, slots=True)
class PassedSocket:
    """One socket that was passed on.

    Attributes:
        number: Its file descriptor.
        name: Its FileDescriptorName=; empty where none was given.
        listener: The socket itself, no longer inherited by programs that are started.
    """

    number: int
    name: str
    listener: socket.socket

    @property
    def origin(self) -> str:
        """Where it came from, in words for a problem."""
        return f"LISTEN_FDS, file descriptor {self.number}"


def passed_sockets(environ: MutableMapping[str, str]) -> list[PassedSocket]:
    """Take the sockets that were passed to this very process.

    Args:
        environ: The environment; what belongs to the protocol is removed from it.

    Raises:
        ConfigError: with every descriptor that is no listening stream socket.
    """
    given = {name: environ.pop(name, "") for name in _VARIABLES}
    if given["LISTEN_PID"] != str(os.getpid()):
        return []
    if _COUNT.fullmatch(given["LISTEN_FDS"]) is None:
        raise ConfigError([Problem("", "LISTEN_FDS", "no such number", "0 to 999 sockets")])
    count = int(given["LISTEN_FDS"])
    names = given["LISTEN_FDNAMES"].split(":") if given["LISTEN_FDNAMES"] else []
    if names and len(names) != count:
        found = f"{len(names)} names for {count} sockets"
        raise ConfigError([Problem("", "LISTEN_FDNAMES", found, "one name for each socket")])
    return _take(range(_FIRST, _FIRST + count), names or [""] * count)


def _take(numbers: range, names: list[str]) -> list[PassedSocket]:
    passed: list[PassedSocket] = []
    problems: list[Problem] = []
    for number, name in zip(numbers, names, strict=True):
        try:
            os.set_inheritable(number, False)
            each = PassedSocket(number, name, socket.socket(fileno=number))
        except OSError as error:
            origin = f"LISTEN_FDS, file descriptor {number}"
            problems.append(Problem("", origin, error.strerror or "no socket", _EXPECTED))
            continue
        passed.append(each)
        if not _is_listening(each.listener):
            problems.append(Problem("", each.origin, "another kind of socket", _EXPECTED))
    if problems:
        raise ConfigError(problems)
    return passed


def _is_listening(candidate: socket.socket) -> bool:
    return (
        candidate.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
        and candidate.type == socket.SOCK_STREAM
        and candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    )
