"""The interface of a store of revocations, and of the cache that a store updates.

A store keeps revocations and decides nothing. Each process decides by its own cache, which the
store updates through ``RevocationSink``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from verifier.revocation.model import Revocation


class RevocationSink(Protocol):
    """Receives changes of the revocations; each change takes effect at the next decision."""

    def put(self, revocations: Iterable[Revocation]) -> None:
        """Add revocations, or replace those with the same criteria."""

    def remove(self, ids: Iterable[str]) -> int:
        """Remove revocations by ID; returns how many there were. An unknown ID is no error."""


class RevocationStore(Protocol):
    """Keeps revocations."""

    @property
    def loaded(self) -> bool:
        """Whether all revocations were read once; until then every request must be denied."""

    @property
    def problem(self) -> str | None:
        """Why the sink may not be up to date, for people; None while it is."""

    async def start(self, sink: RevocationSink) -> None:
        """Read all revocations, and update the sink from then on.

        Returns after the first attempt. If the store is unavailable, further attempts follow in
        the background.

        Raises:
            StoreConfigError: the configured store can never be used.
        """

    def refresh(self) -> None:
        """Apply changes of this service's other workers to the sink now.

        Called before each decision: while nothing has changed, a call must cost less than 1 µs. It
        must neither block nor raise. It does nothing where changes arrive without being read.
        """

    async def put(self, revocation: Revocation) -> None:
        """Store a revocation; returns once it is stored and in this process' sink.

        Raises:
            StoreUnavailableError: the revocation is not stored.
        """

    async def remove(self, revocation_id: str) -> bool:
        """Remove a revocation; returns False where no revocation has this ID.

        Raises:
            StoreUnavailableError: the revocation may still be stored.
        """

    async def close(self) -> None:
        """Close files and connections."""
