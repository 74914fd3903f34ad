"""What processes have used, as Linux tells it in ``/proc``: CPU time and memory.

A program is counted with all its descendants, so that workers are not forgotten.
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
        rss: With all that is shared.
        pss: With its share of what is shared.
    """

    rss: float
    pss: float


class Clock:
    """Runs from its making on, and knows how busy the machine is with other things."""

    def __init__(self) -> None:
        self._start, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()

    @property
    def minutes(self) -> float:
        """Since the start."""
        return (time.monotonic() - self._start) / 60

    @property
    def others(self) -> float:
        """The share of all CPU time that neither this program nor its children have used."""
        others = _busy_seconds() - self._busy - (_own_seconds() - self._own)
        return max(0.0, others) / (self.minutes * 60 * (os.cpu_count() or 1))


def family(pid: int) -> list[int]:
    """Give a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for each in _PROC.iterdir():
        if each.name.isdecimal() and (fields := _stat(int(each.name))):
            children.setdefault(int(fields[1]), []).append(int(each.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Sum up user and system time of programs and their descendants."""
    ticks = 0
    for pid in pids:
        for each in family(pid):
            fields = _stat(each)
            # With that of children that have ended and were waited for.
            ticks += sum(int(field) for field in fields[11:15]) if fields else 0
    return ticks / _TICKS


def memory(pid: int) -> Memory:
    """Read what one process holds."""
    text = (_PROC / str(pid) / "smaps_rollup").read_text("ascii")
    rss, pss = (int(text.partition(f"\n{name}:")[2].split()[0]) for name in ("Rss", "Pss"))
    return Memory(rss / 1024, pss / 1024)


def _busy_seconds() -> float:
    """Sum up what the machine has done, all but idling and waiting for disks."""
    fields = [int(field) for field in (_PROC / "stat").read_text("ascii").split()[1:9]]
    return (sum(fields) - sum(fields[3:5])) / _TICKS


def _own_seconds() -> float:
    """Give the CPU time of this process and of all its children that have ended."""
    return sum(os.times()[:4])


def _stat(pid: int) -> list[str]:
    """Give the fields behind a process' name, its state first; none where it has ended."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
