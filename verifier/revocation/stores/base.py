"""What every store of revocations offers, and whom it tells.

A store keeps; it never judges. What a process judges by is its own copy, which the store keeps
true through ``RevocationSink``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from verifier.revocation.model import Revocation


class StoreUnavailableError(Exception):
    """The store cannot be asked or written to now; its words are fit for logs and answers."""


class StoreConfigError(Exception):
    """The store can never be used as it is configured; names the option, and what was expected."""


class RevocationSink(Protocol):
    """A process' own copy of the revocations; what is told here holds at the next decision."""

    def put(self, revocations: Iterable[Revocation]) -> None:
        """Take revocations, in the place of those with the same names."""

    def remove(self, names: Iterable[str]) -> int:
        """Forget revocations; a name that is not known is no error. Returns how many were."""


class RevocationStore(Protocol):
    """Where revocations are kept."""

    @property
    def loaded(self) -> bool:
        """Whether everything has been read once; until then nothing is known to hold."""

    @property
    def problem(self) -> str | None:
        """Why the copy may not be up to date, in words; None while it is."""

    async def start(self, copy: RevocationSink) -> None:
        """Read everything, if it can be read now, and keep the copy true from then on.

        Returns when that has been tried once; goes on trying by itself where it failed.

        Raises:
            StoreConfigError: what is configured is no store, and trying again is of no use.
        """

    def refresh(self) -> None:
        """Read now what other processes of this service have changed, where anything has.

        Called before every decision: it must cost next to nothing where nothing has changed, and
        must neither wait nor raise. Does nothing where changes come by themselves.
        """

    async def put(self, revocation: Revocation) -> None:
        """Keep a revocation; returns once it is stored, and in this process' copy.

        Raises:
            StoreUnavailableError: it is not stored.
        """

    async def remove(self, name: str) -> bool:
        """Take a revocation back; returns False where there is none of that name.

        Raises:
            StoreUnavailableError: it may still be stored.
        """

    async def close(self) -> None:
        """Let go of everything."""
