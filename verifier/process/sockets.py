"""Binds every listening socket once, for one process or all workers, or takes them from systemd.

Knows which address is for what, and nothing of HTTP or of who accepts. Workers share a listener:
the kernel keeps one queue, from which any of them takes, so that a worker that dies loses none of
the connections that wait (each worker's own SO_REUSEPORT queue would be lost with it).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeAlias

from verifier.config import ConfigError, Problem, Settings
from verifier.config.addresses import Address, UnixAddress, is_loopback
from verifier.process.activation import PassedSocket, passed_sockets

DECISIONS: Final = "decisions"
ADMIN: Final = "admin"
_MODES: Final = {
    # Who may connect is for the directory to say; to nginx' user it has to be writable.
    DECISIONS: 0o666,
    ADMIN: 0o600,
}
_QUEUE: Final = 1024  # connections that wait to be accepted
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RESPITE: Final = 0.5  # seconds; asyncio tries again after one
_NOT_HERE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_Place: TypeAlias = str | bytes | tuple[Any, ...]


class Listener(socket.socket):
    """A stream socket to listen on; how long its queue is, is not for its users to say.

    asyncio has one number for the queue and for the most connections that it accepts at one
    wake-up. Workers that share a listener must take one at a time, or the first has them all.
    """

    shared = False  # with siblings, which accept from it too
    _respite_ends = 0.0  # monotonic; nothing is left to accept with until then

    def listen(self, _backlog: int = _QUEUE, /) -> None:
        """Listen, if nobody has yet."""
        if not self.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            super().listen(_QUEUE)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept one connection, but let siblings that were woken up for it go first.

        On busy cores, whoever runs would have the whole burst before anybody else does. Who has no
        siblings gives way to nobody: to other programs it would be a time slice for each client.

        Raises:
            BlockingIOError: no file descriptor was left a moment ago. asyncio would try on, write
                a line and start a timer each time, 128 times a second.
        """
        if monotonic() < self._respite_ends:
            raise BlockingIOError
        if self.shared:
            os.sched_yield()
        try:
            return super().accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._respite_ends = monotonic() + _RESPITE
            raise

    def __str__(self) -> str:
        place = _place(self)
        if isinstance(place, tuple):
            host = f"[{place[0]}]" if ":" in place[0] else place[0]
            return f"{host}:{place[1]}"
        path = place if isinstance(place, str) else "@" + os.fsdecode(place[1:])
        return f"unix:{path}"


@dataclass(slots=True)
class Listeners:
    """Every socket of the service.

    Attributes:
        decisions: Where proxies ask.
        admin: Where metrics, health, keys and explain are served.
        made: Socket files that were made for them, each with its inode.
    """

    decisions: list[Listener] = field(default_factory=list)
    admin: list[Listener] = field(default_factory=list)
    made: list[tuple[Path, int]] = field(default_factory=list)

    def check(self, settings: Settings) -> None:
        """Make sure that an admin address that others than this machine reach is guarded.

        Raises:
            ConfigError: it would not be. The settings alone cannot tell: systemd may have bound
                another address than theirs, and a reload does not move a listener.
        """
        for each in self.admin:
            place = _place(each)
            open_to_all = isinstance(place, tuple) and not is_loopback(place[0])
            if open_to_all and settings.admin_token is None:
                found = f"{each} without an admin_token"
                expected = "a loopback or unix address, or an admin_token (VERIFIER_ADMIN_TOKEN)"
                raise ConfigError([Problem("", "the admin socket", found, expected)])

    def release(self) -> None:
        """Close this process' copies; others may go on accepting from theirs."""
        for each in (*self.decisions, *self.admin):
            each.close()

    def close(self) -> None:
        """Close them, and remove the files that were made for them if they are still the same."""
        self.release()
        for path, inode in self.made:
            with contextlib.suppress(OSError):
                if path.stat().st_ino == inode:
                    path.unlink()


def open_listeners(settings: Settings, environ: MutableMapping[str, str]) -> Listeners:
    """Bind what is configured, less what systemd has passed on.

    A passed socket is for what its name (``FileDescriptorName=``) says, ``decisions`` or
    ``admin``, and then stands for all configured addresses of that kind; or else for the
    configured address that it is bound to.

    Raises:
        ConfigError: a passed socket is for nothing, or an unguarded admin address.
        OSError: an address cannot be bound; ``filename`` names it.
    """
    passed = _sorted(passed_sockets(environ), settings)
    listeners = Listeners()
    try:
        for role, addresses in _configured(settings):
            _open(listeners, role, addresses, passed[role])
        listeners.check(settings)
    except BaseException:
        listeners.close()
        raise
    for each in (*listeners.decisions, *listeners.admin):
        each.shared = settings.workers > 1
    return listeners


def _open(
    listeners: Listeners, role: str, addresses: Iterable[Address], passed: list[PassedSocket]
) -> None:
    opened = listeners.decisions if role == DECISIONS else listeners.admin
    opened += [Listener(fileno=each.listener.detach()) for each in passed]
    if any(each.name == role for each in passed):
        return
    places = {_place(each) for each in opened}
    for address in addresses:
        if places.isdisjoint(_places(address)):
            opened += _bind(address, _MODES[role], listeners.made)


def _configured(settings: Settings) -> tuple[tuple[str, tuple[Address, ...]], ...]:
    return (DECISIONS, settings.listen), (ADMIN, (settings.admin_listen,))


def _sorted(passed: Iterable[PassedSocket], settings: Settings) -> dict[str, list[PassedSocket]]:
    """Sort passed sockets by what they are for."""
    roles: dict[str, list[PassedSocket]] = {DECISIONS: [], ADMIN: []}
    problems: list[Problem] = []
    for each in passed:
        role = _role(each, settings)
        if role is None:
            expected = (
                f"FileDescriptorName={DECISIONS} or {ADMIN}, or an address of listen or"
                " admin_listen"
            )
            problems.append(Problem("", each.origin, str(_place(each.listener)), expected))
        else:
            roles[role].append(each)
    if problems:
        raise ConfigError(problems)
    return roles


def _role(each: PassedSocket, settings: Settings) -> str | None:
    if each.name in _MODES:
        return each.name
    place = _place(each.listener)
    for role, addresses in _configured(settings):
        if any(place in _places(address) for address in addresses):
            return role
    return None


def _place(bound: socket.socket) -> _Place:
    name: _Place = bound.getsockname()
    return name[:2] if isinstance(name, tuple) else name


def _places(address: Address) -> set[_Place]:
    if isinstance(address, UnixAddress):
        return {address.path}
    return {place[:2] for _, place in _resolved(address.host, address.port)}


def _resolved(host: str, port: int) -> Iterator[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    yield from dict.fromkeys((family, place) for family, _, _, _, place in found)


def _bind(address: Address, mode: int, made: list[tuple[Path, int]]) -> list[Listener]:
    try:
        if isinstance(address, UnixAddress):
            path = Path(address.path)
            listener = _bind_unix(path, mode)
            made.append((path, path.stat().st_ino))
            return [listener]
        return _bind_tcp(address.host, address.port)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(address)) from None


def _bind_tcp(host: str, port: int) -> list[Listener]:
    """Bind every address of a host, less those of families that this machine does not have."""
    bound: list[Listener] = []
    missing: OSError | None = None
    for family, place in _resolved(host, port):
        try:
            bound.append(_bound(family, place))
        except OSError as error:
            missing = error
            if error.errno not in _NOT_HERE:
                break
    if missing is not None and (not bound or missing.errno not in _NOT_HERE):
        for each in bound:
            each.close()
        raise missing
    return bound


def _bound(family: socket.AddressFamily, place: Any) -> Listener:
    listener = Listener(family, socket.SOCK_STREAM)
    try:
        if family != socket.AF_UNIX:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_unix(path: Path, mode: int) -> Listener:
    """Bind a path; a socket that an earlier run left there gives way, any other file does not."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode) and _is_deserted(path):
            path.unlink()
    listener = _bound(socket.AF_UNIX, str(path))
    path.chmod(mode)  # before anybody listens, so before anybody can connect
    return listener


def _is_deserted(path: Path) -> bool:
    """Tell whether nobody listens there: another run that still does must not lose its clients."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        return client.connect_ex(str(path)) == errno.ECONNREFUSED
