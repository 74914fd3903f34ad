"""Revocation: the cost of a lookup among many revocations, and the duration of a change."""

from __future__ import annotations

import asyncio
import time
from timeit import timeit
from typing import Any, Final

from tests.perf.bench.bench import Bench
from tests.perf.bench.rows import Row, at_most
from tests.perf.bench.servers import Servers
from tests.support.tokens import sign
from verifier.revocation.cache import RevocationCache
from verifier.revocation.index import RevocationIndex
from verifier.revocation.model import Revocation
from verifier.revocation.stores import open_store
from verifier.rules.model import AccessRequest
from verifier.storage.worker_counters import WorkerCounters
from verifier.tokens.jws import read

SECTION: Final = "revocation"
_MANY: Final = 100_000
_TIMES: Final = 20_000
_WRITES: Final = 200
_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "no revocations": (),
    "by jti": ("jti",),
    "by user_id": ("user_id",),
    "by token_digest": ("token_digest",),
    "by room": ("room",),
    "by six criteria, some of each": ("jti", "user_id", "token_digest", "kid", "room", "tenant"),
}


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure the section."""
    rounds = range(bench.effort.rounds)
    rows = [_look_up(name, criteria, rounds) for name, criteria in _KINDS.items()]
    counters = WorkerCounters(4)
    snapshot = counters.snapshot()
    checks = [
        timeit(lambda: counters.snapshot() != snapshot, number=_TIMES) / _TIMES * 1e6
        for _ in rounds
    ]
    rows.append(Row(SECTION, "check for changes of other workers", checks, "µs"))
    for name, url in (
        ("memory:", "memory:"),
        ("sqlite:, on disk", f"sqlite://{servers.new_folder()}/revocations"),
    ):
        changes = [asyncio.run(_change(url)) for _ in rounds]
        rows.append(Row(SECTION, f"a change, {name}", changes, "ms"))
    return rows


def _look_up(name: str, criteria: tuple[str, ...], rounds: range) -> Row:
    """Look up a token that is not revoked, as nearly all tokens are."""
    usual: dict[str, Any] = {"iss": "app", "sub": "acme", "room": "standup", "jti": "mine"}
    token = sign(usual | {"context": {"user": {"id": "me"}}})
    parts, request = read(token), AccessRequest(token, "standup@conference.meet.example.org", "")
    now = time.time()
    index = RevocationIndex(
        _revocation(criteria[number % len(criteria)], f"v{number}", now)
        for number in range(_MANY if criteria else 0)
    )
    figures = [
        timeit(lambda: index.find(request, parts, now), number=_TIMES) / _TIMES * 1e6
        for _ in rounds
    ]
    goal = at_most(1.0) if len(criteria) == 1 else None
    return Row(SECTION, f"lookup among {len(index):,}, {name}", figures, "µs", goal=goal)


def _revocation(criterion: str, value: str, now: float) -> Revocation:
    members: dict[str, Any] = {criterion: value, "expires": now + 3_600}
    return Revocation(**members)


async def _change(url: str) -> float:
    cache = RevocationCache(open_store(url), lambda: None)
    await cache.store.start(cache)
    started = time.perf_counter()
    for number in range(_WRITES):
        await cache.store.put(Revocation(jti=str(number), expires=time.time() + 60))
    seconds = time.perf_counter() - started
    await cache.store.close()
    return seconds / _WRITES * 1e3
