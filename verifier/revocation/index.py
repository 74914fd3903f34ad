"""All revocations, found by a request's values as fast among 100,000 as among ten.

Revocations with the same set of criteria share a table (a dict). Its key is the value of the
criterion or, for several criteria, the tuple of their values. To check a request, the index
computes for each table the keys that the request has in it, and looks them up. The cost depends on
the number of tables, at most one for each set of criteria in use, and not on the number of
revocations.

``issued_before`` is a comparison and no value, so that no key contains it. Revocations that differ
only in ``issued_before`` have the same key, and are a list in descending order: the first active
one covers all tokens that any later one covers.

A revocation that has ended stays in the index until its end is certain, because the clock may be
set back (``purge``).
"""

from __future__ import annotations

import math
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import product
from typing import Final, TypeAlias

from verifier.revocation.marks import MarkedValues
from verifier.revocation.matching import EXTRACTORS, TokenAttributes, normalize_tenant
from verifier.revocation.model import Revocation
from verifier.rules.model import AccessRequest, DenialCode, Deny, Recorder
from verifier.tokens.jws import Token
from verifier.tokens.marks import TokenMarks

_MAX_PURGED: Final = 1_000  # per call, because requests wait meanwhile

Key: TypeAlias = str | tuple[str, ...]
Table: TypeAlias = dict[Key, list[Revocation]]
KeysOf: TypeAlias = Callable[[TokenAttributes], Iterable[Key]]


class RevocationIndex:
    """An index of revocations."""

    def __init__(self, revocations: Iterable[Revocation] = ()) -> None:
        self._by_id: dict[str, Revocation] = {}
        # By the names of the criteria: the function that returns a request's keys, and the table.
        self._tables: dict[tuple[str, ...], tuple[KeysOf, Table]] = {}
        self._marked = MarkedValues()
        # A heap of ends and IDs. An entry stays when its revocation is removed or replaced.
        self._ends: list[tuple[float, str]] = []
        # IDs and ends of those that had ended at the last purge, oldest first.
        self._ended: OrderedDict[str, float] = OrderedDict()
        self._purged_at = -math.inf
        for revocation in revocations:
            self.put(revocation)

    def __len__(self) -> int:
        """Return the number of revocations, without those that had ended at the last purge."""
        return len(self._by_id) - len(self._ended)

    def __iter__(self) -> Iterator[Revocation]:
        return iter(self._by_id.values())

    def put(self, revocation: Revocation) -> None:
        """Add a revocation, or replace the one with the same criteria."""
        revocation_id = revocation.id
        self.remove(revocation_id)
        self._by_id[revocation_id] = revocation
        names, key = _names_and_key(revocation)
        self._marked.add(names, (key,) if isinstance(key, str) else key)
        _, table = self._tables.setdefault(names, (_keys_of(names), {}))
        insort(table.setdefault(key, []), revocation, key=_descending)
        if len(self._ends) > 2 * len(self._by_id) + _MAX_PURGED:
            # Most entries are left over from replaced revocations: build the heap anew. A sorted
            # list is a heap.
            self._ends = sorted(
                (entry.expires, entry_id) for entry_id, entry in self._by_id.items()
            )
        else:
            heappush(self._ends, (revocation.expires, revocation_id))

    def remove(self, revocation_id: str) -> bool:
        """Remove a revocation; returns False where no revocation has this ID."""
        revocation = self._by_id.pop(revocation_id, None)
        if revocation is None:
            return False
        self._ended.pop(revocation_id, None)
        names, key = _names_and_key(revocation)
        self._marked.remove(names, (key,) if isinstance(key, str) else key)
        _, table = self._tables[names]
        table[key].remove(revocation)
        # An empty table would still cost each request its keys.
        if not table[key]:
            del table[key]
        if not table:
            del self._tables[names]
        return True

    def purge(self, now: float, certain: float) -> None:
        """Remove revocations whose end is certain; at most 1,000 of them.

        Args:
            now: Unix time, seconds. Revocations that have ended are not counted any more.
            certain: A time in the past, Unix seconds. Revocations that ended before it are removed.
        """
        if now < self._purged_at:  # the clock was set back
            for revocation_id, end in self._ended.items():
                heappush(self._ends, (end, revocation_id))
            self._ended.clear()
        self._purged_at = now
        for _ in range(_MAX_PURGED):
            if not self._ends or self._ends[0][0] > now:
                break
            end, revocation_id = heappop(self._ends)
            revocation = self._by_id.get(revocation_id)
            # The entry may be that of an earlier revocation with the same ID, which was replaced.
            if revocation is not None and not revocation.is_active(now):
                self._ended[revocation_id] = end
        for _ in range(_MAX_PURGED):
            revocation_id = next(iter(self._ended), "")
            if not revocation_id or self._ended[revocation_id] > certain:
                break
            self.remove(revocation_id)

    def find(self, request: AccessRequest, token: Token | None, now: float) -> Revocation | None:
        """Return a revocation that is active at ``now``, Unix seconds, and matches the request."""
        if not self._tables:
            return None
        attributes = TokenAttributes(request, token)
        for keys_of, table in self._tables.values():
            for key in keys_of(attributes):
                if key in table:
                    found = _matching(table[key], attributes.issued_at, now)
                    if found is not None:
                        return found
        return None

    def find_marked(
        self, request: AccessRequest, token: TokenMarks, now: float
    ) -> Revocation | None:
        """Return a revocation that is active at ``now``, and matches the request and its token."""
        if not self._tables:
            return None
        values = self._marked.of(request, token)
        for names, (_, table) in self._tables.items():
            keys = (
                values[names[0]] if len(names) == 1 else product(*[values[name] for name in names])
            )
            for key in keys:
                if key in table:
                    found = _matching(table[key], token.issued_at, now)
                    if found is not None:
                        return found
        return None

    def check(
        self,
        request: AccessRequest,
        token: Token | TokenMarks | None,
        now: float,
        record: Recorder,
    ) -> Deny | None:
        """Return a denial if the request is revoked; this is the rules' step after the token.

        Args:
            request: The request.
            token: The decoded token, its signature checked; its marks, if it was accepted earlier;
                None for a guest.
            now: Unix time, seconds.
            record: Is called for this step.
        """
        if isinstance(token, TokenMarks):
            found = self.find_marked(request, token, now)
        else:
            found = self.find(request, token, now)
        if found is None:
            record("revocation", "no revocation that matches", "none")
            return None
        names = " and ".join(found.criteria)
        record("revocation", "no revocation that matches", _describe(found, names))
        key_id = token.header.key_id if isinstance(token, Token) else None
        return Deny(
            DenialCode.REVOKED,
            f"revoked by {names}",
            reason="revoked",
            key_id=key_id if isinstance(key_id, str) else None,
            until=found.expires,
        )


def _names_and_key(revocation: Revocation) -> tuple[tuple[str, ...], Key]:
    """Return the names of the criteria, which identify the table, and the key in that table."""
    names = tuple(name for name in EXTRACTORS if getattr(revocation, name) is not None)
    values = tuple(_value(revocation, name) for name in names)
    return names, values[0] if len(values) == 1 else values


def _value(revocation: Revocation, name: str) -> str:
    value: str = getattr(revocation, name)
    return normalize_tenant(value) if name == "tenant" else value


def _descending(revocation: Revocation) -> float:
    return -(revocation.issued_before or 0.0)


def _keys_of(names: tuple[str, ...]) -> KeysOf:
    """Return the function that computes a request's keys in the table of these criteria."""
    extractors = [EXTRACTORS[name] for name in names]
    if len(extractors) == 1:
        return extractors[0]
    # A request has several rooms and tenants: each combination is a key.
    return lambda attributes: product(*[extract(attributes) for extract in extractors])


def _matching(
    revocations: list[Revocation], issued_at: float | None, now: float
) -> Revocation | None:
    """Return the first active revocation if it matches; if it does not, no later one does."""
    for revocation in revocations:
        if revocation.is_active(now):
            return revocation if _was_issued_before(revocation, issued_at) else None
    return None


def _was_issued_before(revocation: Revocation, issued_at: float | None) -> bool:
    if revocation.issued_before is None:
        return True
    # A token that does not say when it was issued could be older, so it is denied.
    return issued_at is None or issued_at < revocation.issued_before


def _describe(found: Revocation, names: str) -> str:
    return f"a revocation by {names}" + (f": {found.reason}" if found.reason else "")
