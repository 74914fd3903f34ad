"""In front: a page behind nginx with nothing, with the sidecar, and with its peers before it."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Final

from tests.perf.bench import gates
from tests.perf.bench.bench import VISIT, Bench, one_token
from tests.perf.bench.minting import Issuer
from tests.perf.bench.rounds import PLACE, Sample, Variant, compare
from tests.perf.bench.rows import Goal, Row, compare_with, compared
from tests.perf.bench.servers import Server, Servers

SECTION: Final = "nginx in front of a page, one worker; CPU of nginx and sidecar together"
_OPEN: Final = "no auth"
_SHIPPED: Final = "nginx, contrib/nginx + sidecar"
_OURS: Final = (
    _SHIPPED,
    "nginx, bare proxy_cache + sidecar",
    "nginx, bare, uncached + sidecar, TCP",
)
_VISITORS: Final = 1_000
_NOT_HERE: Final = (
    "TeslaGov's C module is in no Debian package and was not measured. Every peer does the same"
    " checks and was seen to refuse; only sidecars give identity headers."
)


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure all gates in the same rounds."""
    page = gates.page(servers)
    question = VISIT.replace(PLACE, bench.shared.token().encode())
    variants = [Variant(_OPEN, page.port, question, (page.pid,))]
    variants.append(_many(bench, servers))
    for issuer in bench.issuers:
        variants += _ours(servers, issuer) + _sidecars(servers, issuer)
        variants += _in_process(servers, issuer, page)
    samples = compare(variants, bench.effort)
    shipped = [f"{issuer.algorithm}: {_SHIPPED}" for issuer in bench.issuers]
    rows = compared(SECTION, samples, _OPEN, dict.fromkeys(shipped, Goal(0.60)))
    return rows + [_against_fastest(samples, issuer.algorithm) for issuer in bench.issuers]


def _many(bench: Bench, servers: Servers) -> Variant:
    """Visit with a thousand tokens in turns, each of which nginx has to remember."""
    issuer = bench.shared
    sidecar = servers.sidecar(issuer)
    front = gates.contrib(servers, f"127.0.0.1:{sidecar.port}")
    tokens = replace(issuer.mint(bench.folder / "visitors.tokens", _VISITORS), again=True)
    pids = (front.pid, sidecar.pid)
    return Variant(f"HS256: {_SHIPPED}, {_VISITORS:,} tokens", front.port, VISIT, pids, tokens)


def _ours(servers: Servers, issuer: Issuer) -> list[Variant]:
    sidecar = servers.sidecar(issuer)
    address = f"127.0.0.1:{sidecar.port}"
    started = (
        gates.contrib(servers, address),
        gates.asking(servers, address, cached=True),
        gates.asking(servers, address),
    )
    return [
        _variant(name, server, issuer, sidecar.pid)
        for name, server in zip(_OURS, started, strict=True)
    ]


def _sidecars(servers: Servers, issuer: Issuer) -> list[Variant]:
    peers = {
        "nginx + fastify + fast-jwt": servers.node("fast.js", issuer),
        "nginx + fastify + fast-jwt, its cache": servers.node("fast.js", issuer, cached=True),
        "nginx + Node, http + jsonwebtoken": servers.node("plain.js", issuer),
        "nginx + natural aiohttp app, its cache": servers.python("natural", issuer),
    }
    return [
        _variant(name, gates.asking(servers, f"127.0.0.1:{peer.port}"), issuer, peer.pid)
        for name, peer in peers.items()
    ]


def _in_process(servers: Servers, issuer: Issuer, page: Server) -> list[Variant]:
    return [
        _variant("nginx, njs", gates.njs(servers, issuer), issuer),
        _variant("nginx, Lua + OpenSSL", gates.lua(servers, issuer), issuer),
        _variant("HAProxy jwt_verify", gates.haproxy(servers, issuer, page.port), issuer, page.pid),
    ]


def _variant(name: str, server: Server, issuer: Issuer, *pids: int) -> Variant:
    return one_token(f"{issuer.algorithm}: {name}", server, issuer, *pids, head=VISIT)


def _against_fastest(samples: dict[str, list[Sample]], algorithm: str) -> Row:
    # Of one algorithm, and not with us behind it.
    peers = [name for name in samples if name.startswith(algorithm) and "sidecar" not in name]
    fastest = max(peers, key=lambda name: median(each.rate for each in samples[name]))
    goal = Goal(1.5 if algorithm == "HS256" else 4.0)
    row = compare_with(SECTION, f"{algorithm}: {_SHIPPED}", samples, fastest, goal)
    note = _NOT_HERE if algorithm == "HS256" else ""
    return replace(row, name=f"{row.name}, against the fastest peer", note=note)
