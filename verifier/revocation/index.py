"""All that has been taken back, found by what a token says, as fast among many as among few.

Revocations with the same criteria share a table, keyed by what those criteria say. Knows no store
and no clock.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import product
from typing import Final, TypeAlias

from verifier.revocation.matching import EXTRACTORS, TokenAttributes, in_address
from verifier.revocation.model import Revocation
from verifier.rules.model import AccessRequest, DenialCode, Deny, Recorder
from verifier.tokens.jws import Token

_MOST_PURGED: Final = 1_000  # at one time, so that nobody waits for it

Key: TypeAlias = str | tuple[str, ...]
Table: TypeAlias = dict[Key, list[Revocation]]
Reader: TypeAlias = Callable[[TokenAttributes], Iterable[Key]]


class RevocationIndex:
    """An index of revocations."""

    def __init__(self, revocations: Iterable[Revocation] = ()) -> None:
        self._by_name: dict[str, Revocation] = {}
        self._tables: dict[tuple[str, ...], tuple[Reader, Table]] = {}
        self._ends: list[tuple[float, str]] = []
        for each in revocations:
            self.put(each)

    def __len__(self) -> int:
        """Count them; what has ended counts until it is purged."""
        return len(self._by_name)

    def __iter__(self) -> Iterator[Revocation]:
        return iter(self._by_name.values())

    def put(self, revocation: Revocation) -> None:
        """Take a revocation, in the place of one for the same."""
        name = revocation.name
        self.remove(name)
        self._by_name[name] = revocation
        names, key = _place(revocation)
        _, table = self._tables.setdefault(names, (_reader(names), {}))
        insort(table.setdefault(key, []), revocation, key=_latest_first)
        if len(self._ends) > 2 * len(self._by_name) + _MOST_PURGED:  # of what was put anew
            self._ends = sorted((each.expires, name) for name, each in self._by_name.items())
        else:
            heappush(self._ends, (revocation.expires, name))

    def remove(self, name: str) -> bool:
        """Forget a revocation; returns False where there is none of that name."""
        revocation = self._by_name.pop(name, None)
        if revocation is None:
            return False
        names, key = _place(revocation)
        _, table = self._tables[names]
        table[key].remove(revocation)
        if not table[key]:
            del table[key]
        if not table:
            del self._tables[names]
        return True

    def purge(self, now: float) -> None:
        """Forget some of those that have ended."""
        for _ in range(_MOST_PURGED):
            if not self._ends or self._ends[0][0] > now:
                return
            name = heappop(self._ends)[1]
            known = self._by_name.get(name)
            if known is not None and known.expires <= now:
                self.remove(name)

    def find(self, request: AccessRequest, token: Token | None, now: float) -> Revocation | None:
        """Give a revocation that takes this back at ``now``, Unix seconds."""
        if not self._tables:
            return None
        bearer = TokenAttributes(request, token)
        for read, table in self._tables.values():
            for key in read(bearer):
                if key in table and (found := _first(table[key], bearer, now)) is not None:
                    return found
        return None

    def refusal(
        self, request: AccessRequest, token: Token | None, now: float, note: Recorder
    ) -> Deny | None:
        """Refuse what has been taken back; the step of the rules that comes behind the token.

        Args:
            request: The question.
            token: The token taken apart, its signature checked; None for a guest.
            now: Unix time, seconds.
            note: Told of the step.
        """
        found = self.find(request, token, now)
        if found is None:
            note("revocation", "none that takes this back", "none")
            return None
        named = " and ".join(found.criteria)
        note("revocation", "none that takes this back", _in_words(found, named))
        key_id = None if token is None else token.header.get("kid")
        return Deny(
            DenialCode.REVOKED,
            f"taken back by {named}",
            reason="revoked",
            key_id=key_id if isinstance(key_id, str) else None,
            until=found.expires,
        )


def _place(revocation: Revocation) -> tuple[tuple[str, ...], Key]:
    """Say in which table a revocation is, and under which key."""
    names = tuple(name for name in EXTRACTORS if getattr(revocation, name) is not None)
    values = tuple(_value(revocation, name) for name in names)
    return names, values[0] if len(values) == 1 else values


def _value(revocation: Revocation, name: str) -> str:
    value: str = getattr(revocation, name)
    return in_address(value) if name == "tenant" else value


def _latest_first(revocation: Revocation) -> float:
    return -(revocation.issued_before or 0.0)


def _reader(names: tuple[str, ...]) -> Reader:
    """Give what makes a bearer's keys in the table of these criteria."""
    readers = [EXTRACTORS[name] for name in names]
    if len(readers) == 1:
        return readers[0]
    return lambda bearer: product(*[read(bearer) for read in readers])


def _first(entries: list[Revocation], bearer: TokenAttributes, now: float) -> Revocation | None:
    """Give the first that holds; of those that differ in ``issued_before`` it reaches furthest."""
    for each in entries:
        if now < each.expires:
            return each if _was_issued_before(each, bearer) else None
    return None


def _was_issued_before(revocation: Revocation, bearer: TokenAttributes) -> bool:
    if revocation.issued_before is None:
        return True
    issued_at = bearer.issued_at
    return issued_at is None or issued_at < revocation.issued_before


def _in_words(found: Revocation, named: str) -> str:
    return f"one by {named}" + (f": {found.reason}" if found.reason else "")
