"""``memory:`` in one process: what is revoked is known until the process ends."""

from __future__ import annotations

from verifier.revocation.model import Revocation
from verifier.revocation.stores.base import RevocationSink


class MemoryStore:
    """A ``Store`` that keeps nothing: the process' own copy is all there is."""

    loaded = True
    problem: str | None = None

    async def start(self, copy: RevocationSink) -> None:
        """Begin with nothing."""
        self._copy = copy

    def refresh(self) -> None:
        """Do nothing: nobody else changes anything."""

    async def put(self, revocation: Revocation) -> None:
        """Know a revocation."""
        self._copy.put([revocation])

    async def remove(self, name: str) -> bool:
        """Forget a revocation; returns False where there is none of that name."""
        return self._copy.remove([name]) > 0

    async def close(self) -> None:
        """Do nothing."""
