"""A sink of the decision log for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.observability.sinks import LogContext, Outcome


@dataclass
class RecordingSink:
    """A sink that accepts every decision and keeps its record."""

    records: list[Mapping[str, Any]] = field(default_factory=list)

    def wants(self, outcome: Outcome) -> bool:
        return bool(outcome)

    def write(self, record: Mapping[str, Any], _context: LogContext) -> None:
        self.records.append(record)
