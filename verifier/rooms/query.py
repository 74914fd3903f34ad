"""Query parameters, as Prosody's ``formdecode`` reads them, in bounded time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from verifier.rooms.percent import percent_decoded

MAX_PARAMETERS: Final = 128
"""The most parameters of a query that is read."""

_LONGEST_NAME: Final = 3 * 32  # characters of a parameter's name, each of them percent-encoded


def read_parameters(query: str, names: Iterable[str]) -> Mapping[str, list[str]]:
    """Return all values of some parameters, decoded, in order.

    Args:
        query: The query without ``?``, with at most ``MAX_PARAMETERS`` parameters.
        names: The names of the parameters, ASCII, at most 32 characters each.
    """
    found: dict[str, list[str]] = {name: [] for name in names}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if "%" in name and len(name) <= _LONGEST_NAME:
            name = percent_decoded(name)
        values = found.get(name)
        if values is not None:
            values.append(percent_decoded(value.replace("+", " ")))
    return found


def has_too_many_parameters(query: str) -> bool:
    """Return whether a query has more parameters than are read."""
    return query.count("&") >= MAX_PARAMETERS
