"""What stands in a Redis, or comes as its message, read with no more trust than any input.

Others may write there, too: what is no revocation, or no message of ours, is None.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.revocation.model import Revocation
from verifier.revocation.parsing import BadRevocationError, read_revocation


@dataclass(frozen=True, slots=True)
class Changed:
    """One change, as it was announced.

    Attributes:
        version: Its number.
        epoch: The data that it belongs to.
        name: Which revocation.
        value: What is stored under that name now; empty where it was removed.
    """

    version: int
    epoch: str
    name: str
    value: str


def read_message(data: bytes) -> Changed | None:
    """Read what ``redis_scripts.CHANGE`` has announced."""
    try:
        version, epoch, name, value = data.decode().split(" ", 3)
        return Changed(int(version), epoch, name, value)
    except ValueError:
        return None


def read_value(name: str, value: str | bytes) -> Revocation | None:
    """Read a stored revocation; one under another's name could never be taken back."""
    try:
        revocation = read_revocation(value)
    except BadRevocationError:
        return None
    return revocation if revocation.name == name else None
