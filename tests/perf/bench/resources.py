"""CPU time and memory of processes, from ``/proc``.

A program is counted with all its descendants, so that workers are included.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of one process, MB.

    Attributes:
        rss: Including all shared memory.
        pss: Including its share of shared memory.
    """

    rss: float
    pss: float


class Clock:
    """Measures time, and how much CPU time other programs use meanwhile."""

    def __init__(self) -> None:
        self._start, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()

    @property
    def minutes(self) -> float:
        """Minutes since the start."""
        return (time.monotonic() - self._start) / 60

    @property
    def others(self) -> float:
        """The share of the CPU time of all cores that other programs have used."""
        others = _busy_seconds() - self._busy - (_own_seconds() - self._own)
        return max(0.0, others) / (self.minutes * 60 * (os.cpu_count() or 1))


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    pids = [pid]
    for parent in pids:  # the list grows in the loop
        pids += children.get(parent, [])
    return pids


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the user and system time of programs and their descendants."""
    ticks = 0
    for pid in pids:
        for member in family(pid):
            fields = _stat(member)
            # The fields include the time of children that have ended and were waited for.
            ticks += sum(int(field) for field in fields[11:15]) if fields else 0
    return ticks / _TICKS


def memory(pid: int) -> Memory:
    """Return the memory of one process."""
    text = (_PROC / str(pid) / "smaps_rollup").read_text("ascii")
    rss, pss = (int(text.partition(f"\n{name}:")[2].split()[0]) for name in ("Rss", "Pss"))
    return Memory(rss / 1024, pss / 1024)


def _busy_seconds() -> float:
    """Return the CPU time of the machine, except idle time and waiting for disks."""
    fields = [int(field) for field in (_PROC / "stat").read_text("ascii").split()[1:9]]
    return (sum(fields) - sum(fields[3:5])) / _TICKS


def _own_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _stat(pid: int) -> list[str]:
    """Return the fields after the name of a process; no fields if it has ended."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
