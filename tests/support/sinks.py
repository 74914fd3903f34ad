from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.observability.sinks import LogContext, Outcome


@dataclass
class Everything:
    """A sink that takes all there is."""

    taken: list[Mapping[str, Any]] = field(default_factory=list)

    def wants(self, outcome: Outcome) -> bool:
        return bool(outcome)

    def write(self, record: Mapping[str, Any], _context: LogContext) -> None:
        self.taken.append(record)
