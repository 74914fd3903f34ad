"""Rounds: every variant for a moment, then every variant once more, so that all share the weather.

Knows no section and no goal.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.perf.bench.accounting import cpu_seconds
from tests.perf.bench.load import CONNECTIONS, Generator, Tokens

WARM_UP_SECONDS: Final = 1
PLACE: Final = b"@TOKEN@"


@dataclass(frozen=True, slots=True)
class Variant:
    """Something that answers requests.

    Attributes:
        name: Its line in the table.
        port: Where it listens.
        head: The request, with ``PLACE`` where a token is to stand.
        pids: The programs whose CPU time counts as its own, descendants included.
        tokens: What is put there. Where each is to be sent once, every round gets its share.
    """

    name: str
    port: int
    head: bytes = field(repr=False)
    pids: tuple[int, ...]
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round measured of one variant.

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
    """How much is measured: rounds, and seconds for each variant in each."""

    rounds: int
    seconds: int


def compare(variants: Sequence[Variant], effort: Effort) -> dict[str, list[Sample]]:
    """Measure the variants in turns, after a round that does not count."""
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
        RuntimeError: an answer was none, or a refusal.
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
            f"{variant.name}: {load}; too few tokens, or not what was to be measured"
        )
    return Sample(load.requests / load.seconds, used / load.requests * 1e6, load.cpu / load.seconds)


def _share(tokens: Tokens | None, effort: Effort, number: int) -> Tokens | None:
    if tokens is None or tokens.again:
        return tokens
    count = tokens.count // (effort.rounds + 1)
    return Tokens(tokens.file, tokens.first + number * count, count)
