"""Binds every listening socket of the service, or takes the sockets that systemd passed on.

All sockets are bound once, by the process that starts first. Workers are forked from that process
and share its sockets. The alternative, a socket with SO_REUSEPORT for each worker, would lose
connections: the kernel keeps one queue of waiting connections for each listening socket, and the
queue of a worker that dies is dropped. A shared queue outlives every worker.

Sharing has a disadvantage: the kernel wakes every worker for a connection, and the worker that
runs first could take all waiting connections. ``Listener.accept`` prevents this.

This module knows which address serves which purpose. It knows neither HTTP nor the servers.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeAlias

from verifier.background import EXHAUSTED
from verifier.config import ConfigError, Problem, Settings
from verifier.config.addresses import Address, TcpAddress, UnixAddress, is_loopback
from verifier.config.validate import STRONG_TOKEN
from verifier.process.systemd import PassedSocket, passed_sockets

DECISIONS: Final = "decisions"
ADMIN: Final = "admin"
_FILE_MODES: Final = {
    # nginx runs as another user, and connecting needs write permission. The permissions of the
    # directory say which users can reach the socket at all.
    DECISIONS: 0o666,
    ADMIN: 0o600,
}
_QUEUE_LENGTH: Final = 1024  # connections that wait to be accepted
_EXHAUSTED_PAUSE: Final = 0.5  # seconds; asyncio tries again after one second
_NO_SUCH_ADDRESS: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

_BoundAddress: TypeAlias = str | bytes | tuple[Any, ...]
"""Host and port; or the path of a unix socket, as bytes if the name is abstract."""


class Listener(socket.socket):
    """A listening stream socket, whose queue length does not depend on its user.

    asyncio uses one number, ``backlog``, for two things: the length of the queue, and the number
    of connections accepted at one wake-up. The queue must be long. But a worker must accept one
    connection at a time, or the first worker that wakes up takes all of them.

    Attributes:
        shared: Whether other workers accept from this socket too.
    """

    shared = False
    _exhausted_until = 0.0  # time.monotonic()

    def listen(self, _backlog: int = _QUEUE_LENGTH, /) -> None:
        """Listen, unless the socket listens already; ignores the given queue length."""
        if not self.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            super().listen(_QUEUE_LENGTH)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept one connection, after giving the CPU to other workers that wait for it.

        On busy cores, the running worker would otherwise accept many connections before another
        worker runs. A single worker does not yield, because no other worker waits for the
        connection, and each yield would give a time slice to other programs.

        Raises:
            BlockingIOError: the process had no file descriptor left a moment ago. Without this
                pause, asyncio calls again at once, many times a second, and logs a line and starts
                a timer for each failed call.
        """
        if monotonic() < self._exhausted_until:
            raise BlockingIOError
        if self.shared:
            os.sched_yield()
        try:
            return super().accept()
        except OSError as error:
            if error.errno in EXHAUSTED:
                self._exhausted_until = monotonic() + _EXHAUSTED_PAUSE
            raise

    def __str__(self) -> str:
        address = _bound_address(self)
        if isinstance(address, tuple):
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            return f"{host}:{address[1]}"
        path = address if isinstance(address, str) else "@" + os.fsdecode(address[1:])
        return f"unix:{path}"


@dataclass(slots=True)
class Listeners:
    """All listening sockets of the service.

    Attributes:
        decisions: For the decision endpoints, which proxies and Prosody use.
        admin: For metrics, health, keys and explanations.
        created_files: Socket files that this service created, each with its inode.
    """

    decisions: list[Listener] = field(default_factory=list)
    admin: list[Listener] = field(default_factory=list)
    created_files: list[tuple[Path, int]] = field(default_factory=list)

    def check(self, settings: Settings) -> None:
        """Make sure that an admin address which other machines can reach needs a strong token.

        The settings alone do not show it: systemd may have bound another address than the
        configured one, and a reload does not move a listener.

        Raises:
            ConfigError: an admin address is not on loopback, and ``admin_token`` is missing or
                weak.
        """
        token = settings.admin_token
        for listener in self.admin:
            address = _bound_address(listener)
            if not isinstance(address, tuple) or is_loopback(address[0]):
                continue
            if token is None:
                found = f"{listener} without an admin_token"
                expected = "a loopback or unix address, or an admin_token (VERIFIER_ADMIN_TOKEN)"
                raise ConfigError([Problem("", "the admin socket", found, expected)])
            if (size := len(token.encode())) < STRONG_TOKEN:
                found = f"{listener} with an admin_token of {size} bytes"
                expected = (
                    f"a loopback or unix address, or an admin_token of {STRONG_TOKEN} or more"
                )
                raise ConfigError([Problem("", "the admin socket", found, expected)])

    def close_sockets(self) -> None:
        """Close the sockets in this process; forked processes keep theirs."""
        for listener in (*self.decisions, *self.admin):
            listener.close()

    def close(self) -> None:
        """Close the sockets, and remove the socket files that this service created."""
        self.close_sockets()
        for path, inode in self.created_files:
            with contextlib.suppress(OSError):
                # Another service may have replaced the file meanwhile.
                if path.stat().st_ino == inode:
                    path.unlink()


def open_listeners(settings: Settings, environ: MutableMapping[str, str]) -> Listeners:
    """Take the sockets that systemd passed on, and bind the other configured addresses.

    A passed socket that is named ``decisions`` or ``admin`` (``FileDescriptorName=``) replaces all
    configured addresses of that role. A socket with another name, or none, replaces the configured
    address that it is bound to.

    Raises:
        ConfigError: a passed socket has no role, or an admin address would be unprotected.
        OSError: an address cannot be bound; ``filename`` names the address.
    """
    passed = _by_role(passed_sockets(environ), settings)
    ipv4_ports = _ipv4_ports(settings, passed)
    listeners = Listeners()
    try:
        for role, addresses in _configured(settings):
            _open_role(listeners, role, addresses, passed[role], ipv4_ports)
        listeners.check(settings)
    except BaseException:
        listeners.close()
        raise
    for listener in (*listeners.decisions, *listeners.admin):
        listener.shared = settings.workers > 1
    return listeners


def _open_role(
    listeners: Listeners,
    role: str,
    addresses: Iterable[Address],
    passed: list[PassedSocket],
    ipv4_ports: Collection[int],
) -> None:
    opened = listeners.decisions if role == DECISIONS else listeners.admin
    opened += [Listener(fileno=each.listener.detach()) for each in passed]
    if any(each.name == role for each in passed):
        return
    taken = {_bound_address(listener) for listener in opened}
    for address in addresses:
        if taken.isdisjoint(_bound_addresses(address)):
            opened += _bind(address, _FILE_MODES[role], listeners.created_files, ipv4_ports)


def _ipv4_ports(settings: Settings, passed: Mapping[str, list[PassedSocket]]) -> set[int]:
    """Return the ports for which a socket of IPv4 is configured, or was passed on."""
    addresses = [address for _, configured in _configured(settings) for address in configured]
    ports = {
        address.port
        for address in addresses
        if isinstance(address, TcpAddress) and ":" not in address.host
    }
    sockets = [each.listener for role in passed.values() for each in role]
    return ports | {each.getsockname()[1] for each in sockets if each.family == socket.AF_INET}


def _configured(settings: Settings) -> tuple[tuple[str, tuple[Address, ...]], ...]:
    return (DECISIONS, settings.listen), (ADMIN, (settings.admin_listen,))


def _by_role(passed: Iterable[PassedSocket], settings: Settings) -> dict[str, list[PassedSocket]]:
    """Return the passed sockets by role; raises ``ConfigError`` for sockets without one."""
    by_role: dict[str, list[PassedSocket]] = {DECISIONS: [], ADMIN: []}
    problems: list[Problem] = []
    for candidate in passed:
        role = _role(candidate, settings)
        if role is None:
            expected = (
                f"FileDescriptorName={DECISIONS} or {ADMIN}, or an address of listen or"
                " admin_listen"
            )
            found = str(_bound_address(candidate.listener))
            problems.append(Problem("", candidate.origin, found, expected))
        else:
            by_role[role].append(candidate)
    if problems:
        raise ConfigError(problems)
    return by_role


def _role(passed: PassedSocket, settings: Settings) -> str | None:
    if passed.name in _FILE_MODES:
        return passed.name
    bound = _bound_address(passed.listener)
    for role, addresses in _configured(settings):
        if any(bound in _bound_addresses(address) for address in addresses):
            return role
    return None


def _bound_address(bound: socket.socket) -> _BoundAddress:
    name: _BoundAddress = bound.getsockname()
    # IPv6 names have four parts; the flow label and scope do not matter here.
    return name[:2] if isinstance(name, tuple) else name


def _bound_addresses(address: Address) -> set[_BoundAddress]:
    """Return every address that a socket for this configured address may be bound to."""
    if isinstance(address, UnixAddress):
        return {address.path}
    return {bound[:2] for _, bound in _resolve(address.host, address.port)}


def _resolve(host: str, port: int) -> Iterator[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name can be listed twice in /etc/hosts; the second bind would fail.
    yield from dict.fromkeys((family, address) for family, _, _, _, address in found)


def _bind(
    address: Address,
    mode: int,
    created_files: list[tuple[Path, int]],
    ipv4_ports: Collection[int],
) -> list[Listener]:
    try:
        if isinstance(address, UnixAddress):
            path = Path(address.path)
            listener = _bind_unix(path, mode)
            created_files.append((path, path.stat().st_ino))
            return [listener]
        # Port 0 is another port for each socket.
        ipv6_only = address.port in ipv4_ports and address.port != 0
        return _bind_tcp(address.host, address.port, ipv6_only=ipv6_only)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(address)) from None


def _bind_tcp(host: str, port: int, *, ipv6_only: bool) -> list[Listener]:
    """Bind every address of a host, except those of families that this machine does not have.

    Args:
        host: The host.
        port: The port.
        ipv6_only: Whether ``::`` must leave the port to a socket of IPv4.
    """
    bound: list[Listener] = []
    failure: OSError | None = None
    for family, address in _resolve(host, port):
        try:
            bound.append(_bind_address(family, address, ipv6_only=ipv6_only))
        except OSError as error:
            failure = error
            if error.errno not in _NO_SUCH_ADDRESS:
                break
    # "localhost" resolves to ::1 on machines without IPv6; one bound address is enough then.
    if failure is not None and (not bound or failure.errno not in _NO_SUCH_ADDRESS):
        for listener in bound:
            listener.close()
        raise failure
    return bound


def _bind_address(
    family: socket.AddressFamily, address: Any, *, ipv6_only: bool = True
) -> Listener:
    listener = Listener(family, socket.SOCK_STREAM)
    try:
        if family != socket.AF_UNIX:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "[::]" means every address of the machine. The option's default is the system's.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ipv6_only)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_unix(path: Path, mode: int) -> Listener:
    """Bind a path; a socket file without a listener is replaced, any other file is kept."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode) and _is_abandoned(path):
            path.unlink()
    listener = _bind_address(socket.AF_UNIX, str(path))
    path.chmod(mode)  # before the socket listens, so before any client can connect
    return listener


def _is_abandoned(path: Path) -> bool:
    """Return whether no process listens on a socket file.

    A service that still runs must keep its clients. It answers with EAGAIN when its queue is full,
    so that only ECONNREFUSED counts.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        return client.connect_ex(str(path)) == errno.ECONNREFUSED
