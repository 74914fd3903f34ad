"""The keys that one source has given, each with the time until which it is fresh and usable.

Knows neither fetching nor formats. ``get`` is on the path of every request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from verifier.keys.model import Source, VerificationKey
from verifier.keys.sources.base import KeyStatus
from verifier.keys.sources.entry import Entry, key_digest
from verifier.keys.sources.settings import SourceContext


class KeyTable:
    """Keys by ``kid``.

    Args:
        name: Whose keys they are.
        surroundings: Grace periods, clocks, and whom to tell.
    """

    def __init__(self, name: Source, surroundings: SourceContext) -> None:
        self._name: Source = name
        self._settings = surroundings.settings
        self._observer = surroundings.observer
        self._looked_up = surroundings.observer.lookup
        self._on_change = surroundings.on_change
        self._monotonic = surroundings.timing.monotonic
        self._clock = surroundings.timing.clock
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        return iter(list(self._entries.items()))

    def get(self, key_id: str) -> VerificationKey | None:
        """Give a key that works now, and count it."""
        entry = self._entries.get(key_id)
        if entry is None:
            return None
        now = self._monotonic()
        if now < entry.fresh_until:
            self._looked_up(self._name, "hit")
        elif now < entry.usable_until:
            self._looked_up(self._name, "stale")
        else:
            return None
        entry.used_at = now
        return entry.key

    def peek(self, key_id: str) -> VerificationKey | None:
        """Give a key that works now, without counting it."""
        entry = self._entries.get(key_id)
        usable = entry is not None and self._monotonic() < entry.usable_until
        return entry.key if entry is not None and usable else None

    def entry(self, key_id: str) -> Entry | None:
        """Give all that is known of a key."""
        return self._entries.get(key_id)

    def replace_all(
        self,
        keys: Mapping[str, VerificationKey],
        lifetime: float,
        refused: Collection[str],
    ) -> None:
        """Take a document's keys; those that it no longer has go after a grace period.

        Args:
            keys: What it has.
            lifetime: For how long it is fresh, seconds.
            refused: Key ids that it names with something that must not be trusted: those go now.
        """
        changed = {key_id for key_id, key in keys.items() if self._put(key_id, key, lifetime)}
        for key_id in [key_id for key_id in self._entries if key_id not in keys]:
            self._vanish(key_id)
        self._shrink()
        self._tell(changed | self._remove(refused))
        self.purge()

    def put(self, key_id: str, key: VerificationKey, lifetime: float) -> Entry:
        """Take one key, fresh for ``lifetime`` seconds."""
        changed = self._put(key_id, key, lifetime)
        entry = self._entries[key_id]
        self._shrink()
        self._tell({key_id} if changed else set())
        return entry

    def renew(self, lifetime: float) -> None:
        """Confirm every key that its source still has."""
        for key_id, entry in self._entries.items():
            if not entry.vanished:
                self._put(key_id, entry.key, lifetime)

    def vanish(self, key_id: str) -> None:
        """Let a key that its source no longer has work on for the grace period."""
        self._vanish(key_id)
        self.purge()

    def drop(self, key_ids: Collection[str]) -> None:
        """Let no token use these keys any more."""
        self._tell(self._remove(key_ids))

    def purge(self) -> None:
        """Drop what has outlived its time."""
        now = self._monotonic()
        ended = [key_id for key_id, entry in self._entries.items() if now >= entry.usable_until]
        self.drop(ended)

    def forget(self, key_id: str) -> None:
        """Make room; a token that names this key has it fetched again."""
        self._entries.pop(key_id, None)

    def inherit(self, other: KeyTable) -> None:
        """Go on with the keys that another table of the same source held."""
        self._entries = {key_id: replace(entry) for key_id, entry in other}
        self._tell(set())

    def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Give the key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""
        now = self._monotonic()
        for entry in self._entries.values():
            if entry.digest == digest and now < entry.usable_until:
                return entry.key, max(0.0, entry.fresh_until - now)
        return None

    def has_stale(self) -> bool:
        """Tell whether some key works on only because its source fails."""
        now = self._monotonic()
        return any(entry.fresh_until <= now < entry.usable_until for _, entry in self)

    def status(self) -> tuple[KeyStatus, ...]:
        """Describe the keys that work now."""
        now, clock = self._monotonic(), self._clock()
        return tuple(
            KeyStatus(
                key_id,
                self._name,
                tuple(sorted(entry.key.algorithms)),
                entry.fetched,
                clock + entry.fresh_until - now,
                entry.key.fingerprint,
            )
            for key_id, entry in sorted(self._entries.items())
            if now < entry.usable_until
        )

    def _put(self, key_id: str, key: VerificationKey, lifetime: float) -> bool:
        now = self._monotonic()
        fresh_until = now + lifetime
        usable_until = fresh_until + self._settings.key_stale_grace
        old = self._entries.get(key_id)
        if old is None:
            old = Entry(key, self._clock(), fresh_until, usable_until, now, key_digest(key_id))
            self._entries[key_id] = old
        replaced = old.key != key
        old.key, old.fetched, old.vanished = key, self._clock(), False
        old.fresh_until, old.usable_until, old.lifetime = fresh_until, usable_until, lifetime
        return replaced

    def _vanish(self, key_id: str) -> None:
        entry = self._entries.get(key_id)
        if entry is None or entry.vanished:
            return
        entry.vanished = True
        entry.fresh_until = entry.usable_until = self._monotonic() + self._settings.key_grace

    def _remove(self, key_ids: Collection[str]) -> set[str]:
        return {key_id for key_id in key_ids if self._entries.pop(key_id, None) is not None}

    def _shrink(self) -> None:
        excess = len(self._entries) - self._settings.key_cache_size
        if excess > 0:
            by_worth = sorted(self._entries, key=self._worth)
            for key_id in by_worth[:excess]:
                del self._entries[key_id]

    def _worth(self, key_id: str) -> tuple[bool, float]:
        entry = self._entries[key_id]
        return not entry.vanished, entry.used_at

    def _tell(self, changed: set[str]) -> None:
        self._observer.keys(self._name, len(self._entries))
        if changed:
            self._on_change(frozenset(changed))
