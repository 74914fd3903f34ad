"""The revocations of one process, which every decision checks.

A store keeps the revocations and writes its changes into this cache. A decision reads only the
cache, and therefore never waits for a store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from verifier.revocation.index import RevocationIndex
from verifier.revocation.model import Revocation
from verifier.revocation.stores.base import RevocationStore
from verifier.rules.denials import REVOCATIONS_NOT_LOADED
from verifier.rules.model import AccessRequest, Deny, Recorder
from verifier.storage.confirmed_clock import ConfirmedClock
from verifier.tokens.jws import Token
from verifier.tokens.marks import TokenMarks


class RevocationCache:
    """A process' copy of the revocations in a store; the ``RevocationSink`` of that store.

    Args:
        store: The store, which updates this cache once ``store.start`` was called with the cache.
        changed: Called after each change, before the next decision.
        clock: Unix time, seconds.
    """

    def __init__(
        self,
        store: RevocationStore,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self._changed = changed
        self._clock = clock
        self._confirmed_time = ConfirmedClock(clock)
        self._revocations = RevocationIndex()
        # The store's own method, without one of ours around it: it runs before each decision.
        self.refresh = store.refresh

    def __len__(self) -> int:
        """Return the number of revocations, without those that had ended at the last purge."""
        return len(self._revocations)

    def put(self, revocations: Iterable[Revocation]) -> None:
        """Add revocations, or replace those with the same criteria."""
        for revocation in revocations:
            self._revocations.put(revocation)
        self._changed()

    def remove(self, ids: Iterable[str]) -> int:
        """Remove revocations by ID; returns how many there were. An unknown ID is no error."""
        removed = sum([self._revocations.remove(revocation_id) for revocation_id in ids])
        self._changed()
        return removed

    def purge(self) -> None:
        """Count those that have ended no more, and remove some whose end is certain."""
        # No decision changes by that, so ``changed`` is not called.
        self._revocations.purge(self._clock(), self._confirmed_time())

    def active(self, now: float) -> list[Revocation]:
        """Return the revocations that are active at ``now``, the first to end first."""
        self.refresh()
        active = [revocation for revocation in self._revocations if revocation.is_active(now)]
        return sorted(active, key=lambda revocation: revocation.expires)

    def check(
        self,
        request: AccessRequest,
        token: Token | TokenMarks | None,
        now: float,
        record: Recorder,
    ) -> Deny | None:
        """Return a denial if the request is revoked, or if that is not known yet."""
        self.refresh()
        if not self.store.loaded:
            record("revocation", "all revocations to be known", "none read so far")
            return REVOCATIONS_NOT_LOADED
        return self._revocations.check(request, token, now, record)
