"""What the service tells systemd of itself: sd_notify(3), written to its datagram socket.

The protocol is one line of text, so that no library stands between. Knows neither what the service
does nor why it says so. A message that cannot be sent is lost: there is nobody else to tell.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import MutableMapping
from typing import Final

_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_MICROSECONDS: Final = re.compile("[1-9][0-9]{0,18}")
_MILLION: Final = 1_000_000
_PATIENCE: Final = 1.0  # seconds, for a manager that does not read


class Notifier:
    """Tells the service manager; without one, nobody.

    Args:
        address: A unix socket's path, or ``@`` and an abstract name; anything else is nobody.
        watchdog: Within how many seconds the manager wants a sign of life; None for never.
    """

    def __init__(self, address: str = "", watchdog: float | None = None) -> None:
        self._address = address if address[:1] in ("/", "@") and address[1:] else ""
        self._watchdog = watchdog if self._address else None

    @classmethod
    def from_environ(cls, environ: MutableMapping[str, str]) -> Notifier:
        """Take what a service manager says; nobody that is started from here inherits it.

        Args:
            environ: The environment; what belongs to the protocol is removed from it.
        """
        address, usec, pid = (environ.pop(name, "") for name in _VARIABLES)
        for_us = pid in ("", str(os.getpid())) and _MICROSECONDS.fullmatch(usec)
        return cls(address, int(usec) / _MILLION if for_us else None)

    @property
    def watchdog(self) -> float | None:
        """Within how many seconds a sign of life is wanted; None for never."""
        return self._watchdog

    def ready(self, status: str) -> None:
        """Tell that the start, or a reload, is over."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Tell that the configuration is read again; ``ready`` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reads its configuration again")

    def stopping(self, seconds: float) -> None:
        """Tell that the end has begun, and how many seconds it may take."""
        extend = f"EXTEND_TIMEOUT_USEC={int(seconds * _MILLION)}"
        self._send("STOPPING=1", extend, "STATUS=finishes what is in flight")

    def status(self, text: str) -> None:
        """Tell in one line how the service fares; no values of a configuration."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Give a sign of life, without waiting: the next one comes in time."""
        self._send("WATCHDOG=1", patience=0.0)

    def _send(self, *lines: str, patience: float = _PATIENCE) -> None:
        if not self._address:
            return
        abstract = self._address.startswith("@")
        address = "\0" + self._address[1:] if abstract else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(patience)
            out.sendto("\n".join(lines).encode(), address)
