"""Rounds: all variants are measured in turn, several times, so that all meet the same conditions.

This module knows no section and no goal.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.perf.bench.load import CONNECTIONS, Generator, Tokens
from tests.perf.bench.resources import cpu_seconds

WARM_UP_SECONDS: Final = 1
TOKEN_PLACEHOLDER: Final = b"@TOKEN@"


@dataclass(frozen=True, slots=True)
class Variant:
    """A measured program, and the request that it gets.

    Attributes:
        name: Its row in the table.
        port: Its port.
        head: The request, with ``TOKEN_PLACEHOLDER`` in the place of a token.
        pids: The programs whose CPU time counts, with their descendants.
        tokens: The tokens. If each is sent only once, every round gets its share.
    """

    name: str
    port: int
    head: bytes = field(repr=False)
    pids: tuple[int, ...]
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The results of one variant in one round.

    Attributes:
        rate: Requests a second.
        cpu: CPU time for each request, µs.
        generator: CPU time of the load generator, as a share of one core.
    """

    rate: float
    cpu: float
    generator: float


@dataclass(frozen=True, slots=True)
class Effort:
    """The number of rounds, and the seconds for each variant in each round."""

    rounds: int
    seconds: int


def compare(variants: Sequence[Variant], effort: Effort) -> dict[str, list[Sample]]:
    """Measure the variants in turn, after a round that warms up; return samples by name."""
    samples: dict[str, list[Sample]] = {variant.name: [] for variant in variants}
    for number in range(effort.rounds + 1):
        for variant in variants:
            sample = measure(variant, effort, number)
            if number > 0:
                samples[variant.name].append(sample)
    return samples


def measure(variant: Variant, effort: Effort, number: int = 0) -> Sample:
    """Measure one variant in one round; round 0 warms up.

    Raises:
        RuntimeError: A connection failed or a request was denied.
    """
    seconds = effort.seconds if number > 0 else min(WARM_UP_SECONDS, effort.seconds)
    tokens = _share(variant.tokens, effort, number)
    print(f"  {variant.name}", file=sys.stderr)
    used = cpu_seconds(variant.pids)
    with Generator(variant.port, variant.head, seconds, tokens, CONNECTIONS) as generator:
        load = generator.result()
    used = cpu_seconds(variant.pids) - used
    if load.refused or load.broken:
        raise RuntimeError(
            f"{variant.name}: {load}: expected no denials and no failures (too few tokens?)"
        )
    return Sample(load.requests / load.seconds, used / load.requests * 1e6, load.cpu / load.seconds)


def _share(tokens: Tokens | None, effort: Effort, number: int) -> Tokens | None:
    if tokens is None or tokens.again:
        return tokens
    count = tokens.count // (effort.rounds + 1)
    return Tokens(tokens.file, tokens.first + number * count, count)
