"""Marks: short digests of a token's values, which show later whether the token was revoked.

A hand-off cookie contains the marks of its token in place of the values, so that it stays short and
contains no claim. Two values have the same mark with a probability of 2**-48; a revocation of one
of them would then deny a cookie of the other one.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

MARK_BYTES: Final = 6
"""The length of a mark."""


@dataclass(frozen=True, slots=True)
class TokenMarks:
    """What is known of a token that was presented and accepted earlier.

    Attributes:
        issued_at: The token's ``iat`` in whole Unix seconds; None for none.
        marks: One mark for each value that a revocation can match.
    """

    issued_at: int | None
    marks: frozenset[int]


def mark(criterion: str, value: str) -> int:
    """Return the mark of a value.

    Args:
        criterion: The criterion of revocations that matches the value.
        value: The value.
    """
    digest = sha256(f"{criterion}={value}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:MARK_BYTES])
