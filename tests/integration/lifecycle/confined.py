"""``confined.py COMMAND…``: runs a command in the sandbox that a systemd unit describes.

Standard input is JSON: the allowed ``calls`` and the allowed address ``families``. A forbidden
call kills the command; systemd would let it fail with an error, which a test could miss. The caller
provides the mount namespace, and drops the capabilities.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from collections.abc import Iterable

KILL, ALLOW = 0x80000000, 0x7FFF0000
NOT_SUPPORTED = (
    0x00050000 | 97
)  # EAFNOSUPPORT, like systemd: libc tries netlink first and copes without it
EQ, GREATER, MASKED_EQ = 4, 6, 7
LAST_FAMILY = 64  # Linux has fewer address families
WRITE, EXECUTE = 2, 4  # PROT_WRITE, PROT_EXEC


class _Compare(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class Filter:
    """A seccomp filter that kills the process at every call that has no rule."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(KILL))

    def add(self, action: int, call: str, *compares: tuple[int, int, int, int]) -> None:
        """Add a rule, unless this machine does not have the call."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            array = (_Compare * len(compares))(*(_Compare(*compare) for compare in compares))
            rule = self._library.seccomp_rule_add_array
            done = rule(self._context, ctypes.c_uint32(action), number, len(compares), array)
            assert done == 0, (call, os.strerror(-done))

    def load(self) -> None:
        """Apply the filter to this process, and to the program that it executes."""
        assert self._library.seccomp_load(self._context) == 0


def confine(calls: Iterable[str], families: Iterable[str]) -> None:
    """Allow these calls, sockets of these families, and no writable and executable memory."""
    rules = Filter()
    numbers = [int(getattr(socket, name)) for name in families]
    for call in set(calls) - {"socket", "mmap", "mprotect", "pkey_mprotect"}:
        rules.add(ALLOW, call)
    for number in range(LAST_FAMILY + 1):
        rules.add(ALLOW if number in numbers else NOT_SUPPORTED, "socket", (0, EQ, number, 0))
    rules.add(NOT_SUPPORTED, "socket", (0, GREATER, LAST_FAMILY, 0))
    for protection in (WRITE, EXECUTE):
        rules.add(ALLOW, "mmap", (2, MASKED_EQ, protection, 0))
    for call in ("mprotect", "pkey_mprotect"):
        rules.add(ALLOW, call, (2, MASKED_EQ, EXECUTE, 0))
    rules.load()


if __name__ == "__main__":
    confine(**json.load(sys.stdin))
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  # runs the command in this process
