"""What this process knows to be taken back: its own copy of the store, asked at each decision.

Knows no store but by its protocol, and no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from verifier.revocation.index import RevocationIndex
from verifier.revocation.model import Revocation
from verifier.revocation.stores.base import RevocationStore
from verifier.rules.denials import REVOCATIONS_NOT_LOADED
from verifier.rules.model import AccessRequest, Deny, Recorder
from verifier.tokens.jws import Token


class RevocationCache:
    """A process' copy of a store.

    Args:
        store: Keeps it true once it is started with this.
        changed: Called after each change, before the next decision.
    """

    def __init__(self, store: RevocationStore, changed: Callable[[], None]) -> None:
        self.store = store
        self._changed = changed
        self._revocations = RevocationIndex()
        self.refresh = store.refresh

    def __len__(self) -> int:
        """Count the revocations."""
        return len(self._revocations)

    def put(self, revocations: Iterable[Revocation]) -> None:
        """Take revocations, in the place of those with the same names."""
        for each in revocations:
            self._revocations.put(each)
        self._changed()

    def remove(self, names: Iterable[str]) -> int:
        """Forget revocations; a name that is not known is no error. Returns how many were."""
        found = sum([self._revocations.remove(name) for name in names])
        self._changed()
        return found

    def purge(self, now: float) -> None:
        """Forget some of those that had ended by then, Unix seconds."""
        self._revocations.purge(now)

    def standing(self, now: float) -> list[Revocation]:
        """Give those that have not ended, the first to end first."""
        self.refresh()
        left = [each for each in self._revocations if now < each.expires]
        return sorted(left, key=lambda each: each.expires)

    def refusal(
        self, request: AccessRequest, token: Token | None, now: float, note: Recorder
    ) -> Deny | None:
        """Refuse what has been taken back (``rules.Revoked``)."""
        self.refresh()
        if not self.store.loaded:
            note("revocation", "all revocations to be known", "none read so far")
            return REVOCATIONS_NOT_LOADED
        return self._revocations.refusal(request, token, now, note)
