"""``memory:`` in a single process: revocations last until the process ends."""

from __future__ import annotations

from verifier.revocation.model import Revocation
from verifier.revocation.stores.base import RevocationSink


class MemoryStore:
    """A ``RevocationStore`` without storage of its own: the sink holds all revocations."""

    loaded = True
    problem: str | None = None

    async def start(self, sink: RevocationSink) -> None:
        """Begin without revocations."""
        self._sink = sink

    def refresh(self) -> None:
        """Do nothing: no other process changes this sink."""

    async def put(self, revocation: Revocation) -> None:
        """Put a revocation into the sink."""
        self._sink.put([revocation])

    async def remove(self, revocation_id: str) -> bool:
        """Remove a revocation from the sink; returns False where none has this ID."""
        return self._sink.remove([revocation_id]) > 0

    async def close(self) -> None:
        """Do nothing."""
