"""The keys that one remote source has sent, each with the times that bound its use.

A cached key goes through these states (times are the defaults):

=========  ===================================  ============  ===================================
state      how the key got there                ``get``       what comes next
=========  ===================================  ============  ===================================
fresh      the source confirmed the key         key (hit)     confirmed again: fresh;
                                                              ``fresh_until`` is over: stale
stale      the source did not confirm it in     key (stale)   confirmed: fresh;
           time, because the source fails                     1 day (``key_stale_grace``): expired
contested  the source still names it, but with  key (hit, or  named alone: fresh;
           an entry that cannot be read or      stale)        the times of its last confirmation
           with two different keys                            are over: expired
withdrawn  a good response came without it      key (hit)     named again: fresh;
                                                              90 min (``key_grace``): expired
refused    the source now names it with         None          removed at once
           something that must not be trusted
expired    ``usable_until`` is over             None          removed by the next ``purge``
=========  ===================================  ============  ===================================

Why a stale key is used: users must be able to join meetings while a key server is down. The token
is still checked with a key that the server confirmed within the last two days.

Why a withdrawn key is used: issuers withdraw a key when they stop signing with it, and tokens that
it signed before are valid for some time. The period starts at the first response without the key.
Further responses do not start it again, and a failing server does not extend it.

Why a refused key is not used: a private or symmetric key under the ``kid`` means that the key was
published, or that the ``kid`` has another purpose now. "Malformed" does not count as such: broken
servers and proxies send error pages under every address.

Why a contested key is used: a mistake in the form of a document must not deny the tokens that were
good a minute before. A service that starts later does not take a key from such an entry.

``get`` runs once for every request. ``CachedKeys`` decides how long a key is used;
``document.refuses_key`` decides which bad entry refuses a key.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from verifier.keys.model import Source, VerificationKey, key_id_digest
from verifier.keys.sources.base import KeyStatus, SourceContext, key_statuses
from verifier.log import log


@dataclass(slots=True)
class CachedKey:
    """One key and its times; all are monotonic seconds except ``confirmed_at``, which is Unix time.

    Attributes:
        key: The key.
        confirmed_at: When the source last confirmed the key.
        fresh_until: When the source must have confirmed the key again.
        usable_until: When the key expires if the source does not confirm it again.
        used_at: When a token last needed the key.
        digest: The SHA-256 of its ``kid``, hex.
        withdrawn: Whether the source no longer has the key.
        contested: Whether the source names the key in a way that does not confirm it.
        refresh_at: When to request the key again, if the source is requested key by key.
        answered_at: When the source last answered about the key, Unix seconds.
        past_caches: Whether the next request for the key must reach the server past all caches.
        asked_again_at: When the source was last asked again because of a signature.
        etag: The source's ``ETag`` for this version of the key.
        lifetime: The freshness that the last response gave the key, seconds.
    """

    key: VerificationKey
    confirmed_at: float
    fresh_until: float
    usable_until: float
    used_at: float
    digest: str
    withdrawn: bool = False
    contested: bool = False
    refresh_at: float = float("inf")
    answered_at: float = 0.0
    past_caches: bool = False
    asked_again_at: float = float("-inf")
    etag: str = ""
    lifetime: float = 0.0


class StoredTimes(Protocol):
    """What is stored of a key besides the key; see ``stored_keys.StoredKey``."""

    @property
    def answered(self) -> float:
        """When the source last answered about the key id, Unix seconds."""

    @property
    def confirmed(self) -> float:
        """When the source last confirmed the key, Unix seconds."""

    @property
    def until(self) -> float:
        """When the key expires if nothing is heard of its source, Unix seconds."""

    @property
    def withdrawn(self) -> bool:
        """Whether the source no longer has the key."""


class CachedKeys:
    """The keys of one source by ``kid``.

    Args:
        name: The kind of source.
        context: Grace periods, clocks and observers.

    Attributes:
        revision: Counts new, replaced, withdrawn and refused keys.
        confirmations: Counts confirmed keys.
        refused: When keys were refused, Unix seconds.
    """

    def __init__(self, name: Source, context: SourceContext) -> None:
        self._name: Source = name
        self._settings = context.settings
        self._observer = context.observer
        self._count_lookup = context.observer.count_lookup
        self._on_change = context.on_change
        self._monotonic = context.timing.monotonic
        self._clock = context.timing.clock
        self._entries: dict[str, CachedKey] = {}
        self.revision = self.confirmations = 0
        # As many as there can be keys; the oldest goes first.
        self.refused: dict[str, float] = {}

    def __iter__(self) -> Iterator[tuple[str, CachedKey]]:
        """Iterate over a copy: the caller may remove entries meanwhile."""
        return iter(list(self._entries.items()))

    def get(self, key_id: str) -> VerificationKey | None:
        """Return a key that can be used now, and count the lookup."""
        entry = self._entries.get(key_id)
        if entry is None:
            return None
        now = self._monotonic()
        if now < entry.fresh_until:
            self._count_lookup(self._name, "hit")
        elif now < entry.usable_until:
            self._count_lookup(self._name, "stale")
        else:
            # Expired. ``purge`` removes it and reports the change.
            return None
        entry.used_at = now
        return entry.key

    def peek(self, key_id: str) -> VerificationKey | None:
        """Return a key that can be used now, without counting the lookup."""
        # A token that waits for a lookup was counted as a miss already.
        entry = self._entries.get(key_id)
        usable = entry is not None and self._monotonic() < entry.usable_until
        return entry.key if entry is not None and usable else None

    def entry(self, key_id: str) -> CachedKey | None:
        """Return a key with its times, even if it has expired."""
        return self._entries.get(key_id)

    def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Return the key whose ``kid`` has this SHA-256 (hex), and its freshness in seconds."""
        now = self._monotonic()
        # The digests are stored: hashing 2,000 key ids for every request would take 2 ms.
        for entry in self._entries.values():
            if entry.digest == digest and now < entry.usable_until:
                return entry.key, max(0.0, entry.fresh_until - now)
        return None

    def put(self, key_id: str, key: VerificationKey, lifetime: float) -> CachedKey:
        """Confirm or replace one key, fresh for ``lifetime`` seconds; return its entry."""
        changed = self._put(key_id, key, lifetime)
        entry = self._entries[key_id]
        self._evict_excess()
        self._report({key_id} if changed else set())
        return entry

    def replace_all(
        self,
        keys: Mapping[str, VerificationKey],
        lifetime: float,
        refused: Collection[str],
        contested: Collection[str] = (),
    ) -> None:
        """Replace the content by a document's keys; a key that is not in it becomes withdrawn.

        Args:
            keys: The document's keys.
            lifetime: How long they are fresh, seconds.
            refused: Key ids that the document names with something that must not be trusted.
            contested: Key ids whose cached keys the document neither confirms nor withdraws.
        """
        held = {key_id for key_id in contested if self.peek(key_id) is not None}
        for key_id in held:
            self._entries[key_id].contested = True
        named = {key_id: key for key_id, key in keys.items() if key_id not in held}
        changed = {key_id for key_id, key in named.items() if self._put(key_id, key, lifetime)}
        # Before the eviction, which removes withdrawn keys first, so that they displace no others.
        for key_id in self._entries.keys() - named.keys() - held:
            self._withdraw(key_id)
        self._evict_excess()
        self._report(changed)
        self.refuse(refused)
        self.purge()

    def confirm_all(self, lifetime: float) -> None:
        """Confirm the keys of the document, which has not been modified."""
        for key_id, entry in self._entries.items():
            if not entry.withdrawn and not entry.contested:
                self._put(key_id, entry.key, lifetime)

    def withdraw(self, key_id: str) -> None:
        """Start the grace period of a key that its source no longer has."""
        self._withdraw(key_id)
        self.purge()

    def remove(self, key_ids: Collection[str]) -> None:
        """Remove keys that no token may use any more."""
        self._report(self._remove(key_ids))

    def purge(self) -> None:
        """Remove expired keys."""
        now = self._monotonic()
        expired = [key_id for key_id, entry in self._entries.items() if now >= entry.usable_until]
        self.remove(expired)

    def refuse(self, key_ids: Collection[str]) -> None:
        """Remove keys that their source names with something that must not be trusted."""
        for key_id in key_ids:
            self.refused[key_id] = self._clock()
        while len(self.refused) > self._settings.key_cache_size:
            self.refused.pop(next(iter(self.refused)))
        self.revision += bool(key_ids)
        self.remove(key_ids)

    def restore(self, key_id: str, key: VerificationKey, stored: StoredTimes) -> None:
        """Add a key of an earlier process as a stale one, unless the cache has a key already."""
        clock, now = self._clock(), self._monotonic()
        # A clock that was set back since must not make the key valid for longer.
        confirmed = min(stored.confirmed, clock)
        ends = min(stored.until, confirmed + self._settings.key_stale_grace)
        refused = self.refused.get(key_id, 0.0) >= stored.answered > 0.0
        if key_id in self._entries or ends <= clock or refused:
            return
        usable_until, digest = now + ends - clock, key_id_digest(key_id)
        entry = CachedKey(key, confirmed, now, usable_until, now, digest, stored.withdrawn)
        entry.answered_at, entry.refresh_at = min(stored.answered, clock), now
        if stored.withdrawn:
            entry.fresh_until = usable_until
        self._entries[key_id] = entry
        self._evict_excess()
        self._report(set())

    def forget(self, key_id: str) -> None:
        """Remove a key that no token needs, without a report: its source still has it."""
        self._entries.pop(key_id, None)

    def copy_from(self, other: CachedKeys) -> None:
        """Replace the content by that of another cache of the same source."""
        self._entries = {key_id: replace(entry) for key_id, entry in other}
        self.refused = dict(other.refused)
        self._report(set())

    def has_stale(self) -> bool:
        """Return whether a key is stale."""
        now = self._monotonic()
        return any(entry.fresh_until <= now < entry.usable_until for _, entry in self)

    def status(self) -> tuple[KeyStatus, ...]:
        """Return the keys that can be used now, sorted by ``kid``."""
        now, clock = self._monotonic(), self._clock()
        return tuple(
            status
            for _, entry in sorted(self._entries.items())
            if now < entry.usable_until
            for status in key_statuses(
                entry.key, entry.confirmed_at, clock + entry.fresh_until - now
            )
        )

    def _put(self, key_id: str, key: VerificationKey, lifetime: float) -> bool:
        """Store a key; return whether it replaces another key."""
        now = self._monotonic()
        fresh_until = now + lifetime
        usable_until = fresh_until + self._settings.key_stale_grace
        entry = self._entries.get(key_id)
        if entry is None:
            digest = key_id_digest(key_id)
            entry = CachedKey(key, self._clock(), fresh_until, usable_until, now, digest)
            self._entries[key_id] = entry
            self.revision += 1
        # Issuers reuse a kid for a new key; decisions with the old key must be made anew.
        replaced = entry.key != key
        self.revision += replaced or entry.withdrawn
        self.confirmations += 1
        self.refused.pop(key_id, None)
        if entry.key.fingerprint != key.fingerprint:
            old, new = entry.key.fingerprint, key.fingerprint
            fields = {"source": self._name, "key_id": key_id, "fingerprint": new, "before": old}
            log("key id has another key", logging.WARNING, **fields)
        entry.key, entry.confirmed_at, entry.answered_at = key, self._clock(), self._clock()
        entry.withdrawn = entry.contested = entry.past_caches = False
        entry.fresh_until, entry.usable_until, entry.lifetime = fresh_until, usable_until, lifetime
        return replaced

    def _withdraw(self, key_id: str) -> None:
        entry = self._entries.get(key_id)
        # The first response without the key starts the period; later ones must not extend it.
        if entry is None or entry.withdrawn:
            return
        entry.withdrawn, entry.answered_at = True, self._clock()
        self.revision += 1
        entry.fresh_until = entry.usable_until = self._monotonic() + self._settings.key_grace

    def _remove(self, key_ids: Collection[str]) -> set[str]:
        return {key_id for key_id in key_ids if self._entries.pop(key_id, None) is not None}

    def _evict_excess(self) -> None:
        """Bound the memory: withdrawn keys go first, then those that no token used for longest."""
        # Only what the server has sent is in the cache, so invented key ids evict nothing.
        excess = len(self._entries) - self._settings.key_cache_size
        if excess > 0:
            for key_id in sorted(self._entries, key=self._eviction_order)[:excess]:
                del self._entries[key_id]

    def _eviction_order(self, key_id: str) -> tuple[bool, float]:
        entry = self._entries[key_id]
        return not entry.withdrawn, entry.used_at

    def _report(self, changed: set[str]) -> None:
        self._observer.set_key_count(self._name, len(self._entries))
        # Decisions made with a removed or replaced key must not be answered from a cache.
        if changed:
            self._on_change(frozenset(changed))
