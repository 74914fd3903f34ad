"""How cost grows: with remembered decisions, with keys, and with a room pattern's greed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tests.perf.bench.bench import ASK, Bench
from tests.perf.bench.client import send_each
from tests.perf.bench.load import Tokens
from tests.perf.bench.minting import ROOM, Issuer
from tests.perf.bench.rounds import Variant, compare
from tests.perf.bench.rows import Row, compared
from tests.perf.bench.servers import Servers
from verifier import Policy
from verifier.rules.room import match_room_claim

_HITS: Final = "growth: hits, straight at one process"
_KEYS: Final = "growth: misses (RS256, nothing remembered), straight at one process"
_PATTERNS: Final = "growth: misses (HS256, nothing remembered) with a pattern as the room claim"
_DECISIONS: Final = (1, 1_000, 50_000)
_NUMBERS_OF_KEYS: Final = (1, 50, 1_000)
_TOKENS: Final = 20_000
_NOTHING_REMEMBERED: Final = "0"
_A_WHILE: Final = "3600"
_LONG_ROOM: Final = "a" * 127 + "b"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure all three."""
    return [*_hits(bench, servers), *_keys(bench, servers), *_patterns(bench, servers)]


def _hits(bench: Bench, servers: Servers) -> list[Row]:
    file = bench.folder / "remembered.tokens"
    bench.shared.mint(file, max(_DECISIONS))
    variants = []
    for count in _DECISIONS:
        sidecar = servers.sidecar(bench.shared, VERIFIER_DECISION_TTL=_A_WHILE)
        tokens = Tokens(file, 0, count, again=True)
        send_each(sidecar.port, ASK, tokens)
        name = f"decisions, in turns: {count:,}"
        variants.append(Variant(name, sidecar.port, ASK, (sidecar.pid,), tokens))
    return _rows(_HITS, variants, bench)


def _keys(bench: Bench, servers: Servers) -> list[Row]:
    variants = []
    for count in _NUMBERS_OF_KEYS:
        issuer = replace(bench.rsa, key_ids=tuple(f"key-{n:04}" for n in range(count)))
        variants.append(_variant(f"keys: {count:,}", servers, issuer))
    return _rows(_KEYS, variants, bench)


def _patterns(bench: Bench, servers: Servers) -> list[Row]:
    """A claim without a pattern; one that is easy to match; the worst that is still accepted."""
    by_name = {
        "no pattern": (ROOM, {}),
        "^stand.*$": ("^stand.*$", {"room": {"regex": True}}),
        "no pattern, 128 bytes": (_LONG_ROOM, {}),
        "the most steps that are allowed, 128 bytes": (_worst(), {"room": {"regex": True}}),
    }
    variants = []
    for name, (room, context) in by_name.items():
        issuer = replace(bench.shared, claims={"room": room, "context": context})
        head = ASK.replace(ROOM.encode(), _LONG_ROOM.encode()) if "128" in name else ASK
        variant = _variant(name, servers, issuer, XMPP_DOMAIN="meet.jitsi")
        variants.append(replace(variant, head=head))
    return _rows(_PATTERNS, variants, bench)


def _worst() -> str:
    """Find the pattern of this kind that backtracks most and is not refused for it."""
    found = "^.*$"
    for repeats in range(1, len(_LONG_ROOM)):
        pattern = f"^a*a*a*{'a' * repeats}b$"
        if match_room_claim(_LONG_ROOM, pattern, Policy()) != _LONG_ROOM:
            break
        found = pattern
    return found


def _variant(name: str, servers: Servers, issuer: Issuer, **options: str) -> Variant:
    sidecar = servers.sidecar(issuer, VERIFIER_DECISION_TTL=_NOTHING_REMEMBERED, **options)
    minted = issuer.mint(servers.new_folder() / "tokens", _TOKENS)
    tokens = replace(minted, again=True)
    return Variant(name, sidecar.port, ASK, (sidecar.pid,), tokens)


def _rows(section: str, variants: Sequence[Variant], bench: Bench) -> list[Row]:
    return compared(section, compare(variants, bench.effort), variants[0].name, {})
