"""Revocations found by the marks of a token that is not there any more (``tokens.marks``)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from verifier.revocation.matching import EXTRACTORS, TokenAttributes
from verifier.revocation.model import LATEST
from verifier.rules.model import AccessRequest
from verifier.tokens.jws import Token
from verifier.tokens.marks import TokenMarks, mark


def marks_of(compact: str, token: Token) -> TokenMarks:
    """Return the marks of a token.

    Args:
        compact: The token.
        token: The same token, decoded; its signature was checked.
    """
    attributes = TokenAttributes(AccessRequest(compact), token)
    marks = {
        mark(criterion, value)
        for criterion, extract in EXTRACTORS.items()
        for value in extract(attributes)
        if value
    }
    issued_at: float | None = attributes.issued_at
    if issued_at is not None:
        # Rounded down, so that a revocation of tokens issued before a time misses none.
        issued_at = math.floor(min(max(issued_at, 0), LATEST))
    return TokenMarks(issued_at, frozenset(marks))


class MarkedValues:
    """The values of all criteria in use, by their marks."""

    def __init__(self) -> None:
        self._values: dict[str, dict[int, str]] = {name: {} for name in EXTRACTORS}
        # How many revocations more than one have the same value of the same criterion.
        self._more: Counter[int] = Counter()

    def add(self, names: Iterable[str], values: Iterable[str]) -> None:
        """Add the values of one revocation."""
        for name, value in zip(names, values, strict=True):
            key, known = mark(name, value), self._values[name]
            if key in known:
                self._more[key] += 1
            known[key] = value

    def remove(self, names: Iterable[str], values: Iterable[str]) -> None:
        """Remove the values of one revocation that was added."""
        for name, value in zip(names, values, strict=True):
            key = mark(name, value)
            if key not in self._more:
                del self._values[name][key]
            elif self._more[key] == 1:
                del self._more[key]
            else:
                self._more[key] -= 1

    def of(self, request: AccessRequest, token: TokenMarks) -> Mapping[str, set[str]]:
        """Return by criterion the values of a request and its token, as far as they are in use."""
        attributes = TokenAttributes(request, None)
        found = {name: set(extract(attributes)) for name, extract in EXTRACTORS.items()}
        for name, known in self._values.items():
            found[name].update(known[key] for key in token.marks if key in known)
        return found
