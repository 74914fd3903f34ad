"""``confined.py COMMAND…``: runs it as a systemd unit's lines would have it, where no systemd is.

Standard input is JSON: the ``calls`` that are allowed and the address ``families``. What systemd
answers with an error kills here, so that nothing of the kind goes unnoticed. Runs in a mount
namespace of its own and without capabilities; the caller sees to that.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from collections.abc import Iterable

KILL, ALLOW = 0x80000000, 0x7FFF0000
NOT_SUPPORTED = 0x00050000 | 97  # EAFNOSUPPORT, as systemd answers: libc asks for netlink and copes
EQ, GREATER, MASKED_EQ = 4, 6, 7
LAST_FAMILY = 64  # there are fewer
WRITE, EXECUTE = 2, 4  # protection of memory


class _Compare(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class Filter:
    """A seccomp filter; what it does not allow kills."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(KILL))

    def add(self, action: int, call: str, *compares: tuple[int, int, int, int]) -> None:
        """Add a rule; a call that this machine does not have needs none."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            given = (_Compare * len(compares))(*(_Compare(*each) for each in compares))
            rule = self._library.seccomp_rule_add_array
            done = rule(self._context, ctypes.c_uint32(action), number, len(compares), given)
            assert done == 0, (call, os.strerror(-done))

    def load(self) -> None:
        """Put it into force, for this process and what it becomes."""
        assert self._library.seccomp_load(self._context) == 0


def confine(calls: Iterable[str], families: Iterable[str]) -> None:
    """Allow these calls, sockets of these families, and no memory that is written and executed."""
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
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  # to become it is what this is for
