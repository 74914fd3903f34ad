"""What one danger is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Risk:
    """A danger.

    Attributes:
        name: A stable word for programs.
        text: The danger and its effect.
        where: Where it is set.
    """

    name: str
    text: str
    where: str
