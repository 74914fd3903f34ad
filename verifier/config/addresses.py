"""Addresses of listeners and of clients: how they are written and what they mean; no sockets."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_TCP: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")
_LONGEST_UNIX_PATH: Final = 107  # bytes in Linux' sun_path, without the closing NUL


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and a port.

    Attributes:
        host: A name or an address; IPv6 without its brackets.
        port: 0 to 65535; for 0, the system chooses a free port.
    """

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a unix stream socket."""

    path: str

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect: a unix socket is a file of this machine."""
        return True

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address: TypeAlias = TcpAddress | UnixAddress
IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: str) -> Address:
    """Read ``HOST:PORT``, ``[IPV6]:PORT`` or ``unix:/path``.

    Raises:
        ValueError: the text has another form.
    """
    if text.startswith("unix:"):
        return _parse_unix(text.removeprefix("unix:"))
    match = _TCP.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        raise ValueError("expected HOST:PORT, [IPV6]:PORT or unix:/path")
    if match[1] is not None:
        return TcpAddress(str(ipaddress.IPv6Address(match[1])), int(match[3]))
    if match[2].replace(".", "").isdigit():
        ipaddress.IPv4Address(match[2])
    return TcpAddress(match[2], int(match[3]))


def _parse_unix(path: str) -> UnixAddress:
    if not PurePosixPath(path).is_absolute() or len(path.encode()) > _LONGEST_UNIX_PATH:
        raise ValueError("expected an absolute path of at most 107 bytes")
    return UnixAddress(path)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host name or address."""
    if host.lower() in ("localhost", "localhost."):
        return True
    address = parse_ip_address(host)
    return address is not None and address.is_loopback


def parse_ip_address(text: str) -> IpAddress | None:
    """Return the IP address that a text is; None if the text is something else.

    An IPv4-mapped IPv6 address (``::ffff:192.0.2.1``) is returned as IPv4: a dual-stack socket
    shows IPv4 clients in this form, and the configured networks are IPv4.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
