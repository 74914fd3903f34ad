"""A service manager for tests: the receiving end of sd_notify(3)."""

from __future__ import annotations

import os
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import DEADLINE

_CREDENTIALS = struct.Struct("3i")


class Manager:
    """Receives notifications.

    Args:
        address: A path, or ``@`` and an abstract name.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.senders: set[int] = set()
        self._end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._end.bind("\0" + address[1:] if address.startswith("@") else address)
        self._messages: queue.Queue[dict[str, str]] = queue.Queue()
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def next(self) -> dict[str, str]:
        """Return the next message."""
        return self._messages.get(timeout=DEADLINE)

    def wait_for(self, name: str) -> dict[str, str]:
        """Return the next message that contains this name, and drop the messages before it."""
        while name not in (message := self.next()):
            pass
        return message

    def drop(self) -> None:
        """Drop all messages received so far."""
        while not self._messages.empty():
            self._messages.get()

    def is_silent_for(self, seconds: float) -> bool:
        """Return whether no message arrives for so many seconds."""
        try:
            self._messages.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def close(self) -> None:
        """Stop receiving."""
        self._end.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._end.close()

    def _receive(self) -> None:
        while True:
            text, ancillary, _, _ = self._end.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
            if not text:
                return
            for _, kind, value in ancillary:
                assert kind == socket.SCM_CREDENTIALS
                self.senders.add(_CREDENTIALS.unpack(value)[0])
            pairs = (line.partition("=") for line in text.decode().split("\n"))
            self._messages.put({name: value for name, _, value in pairs})


@contextmanager
def managed(tmp_path: Path, *, abstract: bool = False) -> Iterator[Manager]:
    """Receive notifications inside this context."""
    name = f"@jitsi-verifier-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    manager = Manager(name)
    try:
        yield manager
    finally:
        manager.close()
