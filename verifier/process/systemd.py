"""The two protocols of systemd: sockets that it passes on, and what the service reports to it.

- sd_listen_fds(3): systemd listens, starts the service and passes the sockets on as file
  descriptors from 3 upwards; environment variables say how many, for which process and with which
  names. ``passed_sockets`` reads and checks them.
- sd_notify(3): the service writes ``NAME=value`` lines to a datagram socket. ``Notifier`` sends
  them, and ``ServiceStatus`` decides which message a change of the workers leads to.

Both protocols are so small that no library is needed. This module does not know what a socket is
for (``sockets`` does). It counts workers, but does not start or stop them (``supervisor`` does).

The state of a service with several workers, as ``ServiceStatus`` reports it:

======== =========================================== ========= ==========================
state    event                                       new state message
======== =========================================== ========= ==========================
starting some workers listen                         starting  STATUS=1 of 2 workers …
starting all workers listen                          ready     READY=1
ready    a worker ended, or listens again            ready     STATUS=1 of 2 workers …
ready    SIGHUP: the workers were told to reload     reloading RELOADING=1
starting SIGHUP                                      starting  none: systemd expects READY=1
reloading every worker has answered, or has ended    ready     READY=1
any      SIGTERM or SIGINT                           stopping  STOPPING=1
======== =========================================== ========= ==========================
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from verifier.config import ConfigError, Problem
from verifier.log import log

_FIRST_DESCRIPTOR: Final = 3  # SD_LISTEN_FDS_START
_LISTEN_VARIABLES: Final = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")
_DESCRIPTOR_COUNT: Final = re.compile("[0-9]{1,3}")
_EXPECTED_SOCKET: Final = "a listening TCP or unix stream socket (ListenStream=, Accept=no)"

_NOTIFY_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_MICROSECONDS: Final = re.compile("[1-9][0-9]{0,18}")
_MILLION: Final = 1_000_000
_SEND_TIMEOUT: Final = 1.0  # seconds, for a service manager that does not read

_SERVING: Final = "serving"
_RELOAD_REFUSED: Final = "serving; the last reload was refused, see the log"


@dataclass(frozen=True, slots=True)
class PassedSocket:
    """One socket that systemd passed on.

    Attributes:
        number: The file descriptor.
        name: ``FileDescriptorName=`` of the socket unit; empty without one.
        listener: The socket; programs that this process starts do not inherit it.
    """

    number: int
    name: str
    listener: socket.socket

    @property
    def origin(self) -> str:
        """Where the socket comes from, for a problem report."""
        return _origin(self.number)


def passed_sockets(environ: MutableMapping[str, str]) -> list[PassedSocket]:
    """Return the sockets that systemd passed to this process.

    Args:
        environ: The environment; the variables of the protocol are removed from it.

    Raises:
        ConfigError: with a problem for each descriptor that is not a listening stream socket.
    """
    variables = {name: environ.pop(name, "") for name in _LISTEN_VARIABLES}
    # The variables of a parent process may have been inherited; its descriptors were not.
    if variables["LISTEN_PID"] != str(os.getpid()):
        return []
    if _DESCRIPTOR_COUNT.fullmatch(variables["LISTEN_FDS"]) is None:
        raise ConfigError([Problem("", "LISTEN_FDS", "no such number", "0 to 999 sockets")])
    count = int(variables["LISTEN_FDS"])
    names = variables["LISTEN_FDNAMES"].split(":") if variables["LISTEN_FDNAMES"] else []
    if names and len(names) != count:
        found = f"{len(names)} names for {count} sockets"
        raise ConfigError([Problem("", "LISTEN_FDNAMES", found, "one name for each socket")])
    numbers = range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count)
    return _open_passed(numbers, names or [""] * count)


def _open_passed(numbers: range, names: list[str]) -> list[PassedSocket]:
    passed: list[PassedSocket] = []
    problems: list[Problem] = []
    for number, name in zip(numbers, names, strict=True):
        try:
            os.set_inheritable(number, False)
            opened = PassedSocket(number, name, socket.socket(fileno=number))
        except OSError as error:
            found = error.strerror or "no socket"
            problems.append(Problem("", _origin(number), found, _EXPECTED_SOCKET))
            continue
        passed.append(opened)
        if not _is_listening(opened.listener):
            found = "another kind of socket"
            problems.append(Problem("", opened.origin, found, _EXPECTED_SOCKET))
    if problems:
        raise ConfigError(problems)
    return passed


def _origin(number: int) -> str:
    return f"LISTEN_FDS, file descriptor {number}"


def _is_listening(candidate: socket.socket) -> bool:
    return (
        candidate.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
        and candidate.type == socket.SOCK_STREAM
        and candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    )


class Notifier:
    """Sends messages to the service manager; without a service manager, sends nothing.

    A message that cannot be sent is lost. The service must not fail if its manager fails.

    Args:
        address: Path of a unix socket, or ``@`` and an abstract name. Any other text means that
            there is no service manager.
        watchdog: The service manager expects a heartbeat within so many seconds; None for never.
    """

    def __init__(self, address: str = "", watchdog: float | None = None) -> None:
        self._address = address if address[:1] in ("/", "@") and address[1:] else ""
        self._watchdog = watchdog if self._address else None

    @classmethod
    def from_environ(cls, environ: MutableMapping[str, str]) -> Notifier:
        """Return the notifier that the environment describes.

        Args:
            environ: The environment; the variables of the protocol are removed from it, so that
                no program started from here reports in place of the service.
        """
        address, microseconds, pid = (environ.pop(name, "") for name in _NOTIFY_VARIABLES)
        for_this_process = pid in ("", str(os.getpid()))
        if for_this_process and _MICROSECONDS.fullmatch(microseconds):
            return cls(address, int(microseconds) / _MILLION)
        return cls(address)

    @property
    def watchdog(self) -> float | None:
        """The seconds within which a heartbeat is expected; None for never."""
        return self._watchdog

    def ready(self, status: str) -> None:
        """Report the end of the start, or of a reload."""
        self._send("READY=1", f"STATUS={status}")

    def serving(self, *, reload_refused: bool = False) -> None:
        """Report the end of the start or of a reload, and whether the reload was refused."""
        self.ready(_RELOAD_REFUSED if reload_refused else _SERVING)

    def reloading(self) -> None:
        """Report that the configuration is being read again; ``ready`` ends this state."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading the configuration")

    def stopping(self, seconds: float) -> None:
        """Report that the shutdown has begun, and how many seconds it may take."""
        extend = f"EXTEND_TIMEOUT_USEC={int(seconds * _MILLION)}"
        self._send("STOPPING=1", extend, "STATUS=stopping: finishing requests in flight")

    def status(self, text: str) -> None:
        """Report one line about the service's state; no values of the configuration."""
        self._send(f"STATUS={text}")

    def heartbeat(self) -> None:
        """Send a heartbeat without waiting: if the socket is full, the next one is enough."""
        self._send("WATCHDOG=1", timeout=0.0)

    def _send(self, *lines: str, timeout: float = _SEND_TIMEOUT) -> None:
        if not self._address:
            return
        abstract = self._address.startswith("@")
        address = "\0" + self._address[1:] if abstract else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(timeout)
            out.sendto("\n".join(lines).encode(), address)


class ServiceStatus:
    """Reports the state of all workers together; see the table at the top of this module.

    Args:
        notifier: Sends to the service manager.
        workers: The number of workers that are to listen.
    """

    def __init__(self, notifier: Notifier, workers: int) -> None:
        self._notifier = notifier
        self._workers = workers
        self._was_ready = False
        self._is_reloading = False
        self._refusing: set[int] = set()  # workers that keep an older configuration

    def workers_listen(self, count: int) -> None:
        """Report how many workers listen now."""
        text = f"{count} of {self._workers} workers listen"
        if count == self._workers:
            log("all workers listen", workers=count)
            if not self._was_ready:
                self._was_ready = True
                self._notifier.ready(text)
                return
        self._notifier.status(text)

    def reload_began(self) -> None:
        """Report that the workers were told to reload."""
        if self._was_ready:
            self._is_reloading = True
            self._notifier.reloading()

    def worker_reloaded(self, worker: int, *, successful: bool) -> None:
        """Report whether a worker uses the new configuration."""
        refused_before = bool(self._refusing)
        if successful:
            self._refusing.discard(worker)
        else:
            self._refusing.add(worker)
        # A worker also reloads by itself, if the file of a secret changes.
        if self._was_ready and not self._is_reloading and refused_before != bool(self._refusing):
            self._notifier.serving(reload_refused=bool(self._refusing))

    def worker_ended(self, worker: int) -> None:
        """Report that a worker has ended; its successor gets the newest configuration."""
        self._refusing.discard(worker)

    def reload_ended(self) -> None:
        """Report that all workers have answered to a reload; do nothing outside a reload."""
        if self._is_reloading:
            self._is_reloading = False
            self._notifier.serving(reload_refused=bool(self._refusing))
