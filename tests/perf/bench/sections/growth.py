"""How the cost grows with cached decisions, with keys, and with the steps of a room pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tests.perf.bench.bench import AUTH_REQUEST, Bench
from tests.perf.bench.client import send_each
from tests.perf.bench.issuers import ROOM, Issuer
from tests.perf.bench.load import Tokens
from tests.perf.bench.rounds import Variant, compare
from tests.perf.bench.rows import Row, compared
from tests.perf.bench.servers import Servers
from verifier import Policy
from verifier.rules.room import match_room_claim

_HITS: Final = "growth: hits, one process, no proxy"
_KEYS: Final = "growth: misses (RS256, no cache), one process, no proxy"
_PATTERNS: Final = "growth: misses (HS256, no cache) with a pattern as the room claim"
_DECISIONS: Final = (1, 1_000, 50_000)
_NUMBERS_OF_KEYS: Final = (1, 50, 1_000)
_TOKENS: Final = 20_000
_NO_CACHE: Final = "0"
_ONE_HOUR: Final = "3600"
_LONG_ROOM: Final = "a" * 127 + "b"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure decisions, keys and patterns."""
    return [*_hits(bench, servers), *_keys(bench, servers), *_patterns(bench, servers)]


def _hits(bench: Bench, servers: Servers) -> list[Row]:
    file = bench.folder / "cached.tokens"
    bench.shared.mint(file, max(_DECISIONS))
    variants = []
    for count in _DECISIONS:
        sidecar = servers.sidecar(bench.shared, VERIFIER_DECISION_TTL=_ONE_HOUR)
        tokens = Tokens(file, 0, count, again=True)
        send_each(sidecar.port, AUTH_REQUEST, tokens)
        name = f"decisions, in turn: {count:,}"
        variants.append(Variant(name, sidecar.port, AUTH_REQUEST, (sidecar.pid,), tokens))
    return _rows(_HITS, variants, bench)


def _keys(bench: Bench, servers: Servers) -> list[Row]:
    variants = []
    for count in _NUMBERS_OF_KEYS:
        issuer = replace(bench.rsa, key_ids=tuple(f"key-{n:04}" for n in range(count)))
        variants.append(_variant(f"keys: {count:,}", servers, issuer))
    return _rows(_KEYS, variants, bench)


def _patterns(bench: Bench, servers: Servers) -> list[Row]:
    """Compare no pattern, a cheap pattern, and the most expensive pattern that is accepted."""
    by_name = {
        "no pattern": (ROOM, {}),
        "^stand.*$": ("^stand.*$", {"room": {"regex": True}}),
        "no pattern, 128 bytes": (_LONG_ROOM, {}),
        "pattern with the most permitted steps, 128 bytes": (
            _most_expensive_pattern(),
            {"room": {"regex": True}},
        ),
    }
    variants = []
    for name, (room, context) in by_name.items():
        issuer = replace(bench.shared, claims={"room": room, "context": context})
        head = (
            AUTH_REQUEST.replace(ROOM.encode(), _LONG_ROOM.encode())
            if "128" in name
            else AUTH_REQUEST
        )
        variant = _variant(name, servers, issuer, XMPP_DOMAIN="meet.jitsi")
        variants.append(replace(variant, head=head))
    return _rows(_PATTERNS, variants, bench)


def _most_expensive_pattern() -> str:
    """Return the pattern of this kind that backtracks most and is accepted."""
    best = "^.*$"
    for repeats in range(1, len(_LONG_ROOM)):
        pattern = f"^a*a*a*{'a' * repeats}b$"
        if match_room_claim(_LONG_ROOM, pattern, Policy()) != _LONG_ROOM:
            break
        best = pattern
    return best


def _variant(name: str, servers: Servers, issuer: Issuer, **options: str) -> Variant:
    sidecar = servers.sidecar(issuer, VERIFIER_DECISION_TTL=_NO_CACHE, **options)
    minted = issuer.mint(servers.new_folder() / "tokens", _TOKENS)
    tokens = replace(minted, again=True)
    return Variant(name, sidecar.port, AUTH_REQUEST, (sidecar.pid,), tokens)


def _rows(section: str, variants: Sequence[Variant], bench: Bench) -> list[Row]:
    return compared(section, compare(variants, bench.effort), variants[0].name, {})
