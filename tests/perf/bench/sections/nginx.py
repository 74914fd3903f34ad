"""A page behind nginx: without a gate, with the verifier, and with its peers."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Final

from tests.perf.bench import gates
from tests.perf.bench.bench import PAGE_REQUEST, Bench, one_token
from tests.perf.bench.issuers import Issuer
from tests.perf.bench.rounds import TOKEN_PLACEHOLDER, Sample, Variant, compare
from tests.perf.bench.rows import Goal, Row, compare_with, compared
from tests.perf.bench.servers import Server, Servers

SECTION: Final = "nginx in front of a page, one worker; CPU of nginx and auth server together"
_OPEN: Final = "no auth"
_SHIPPED: Final = "nginx, contrib/nginx + verifier"
_WITH_VERIFIER: Final = (
    _SHIPPED,
    "nginx, plain proxy_cache + verifier",
    "nginx, plain, uncached + verifier, TCP",
)
_TOKENS: Final = 1_000
_NOTE: Final = (
    "TeslaGov's C module is in no Debian package and was not measured. Every peer makes the same"
    " checks and was seen to deny; only auth servers send identity headers."
)


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure all gates in the same rounds."""
    page = gates.page(servers)
    request = PAGE_REQUEST.replace(TOKEN_PLACEHOLDER, bench.shared.token().encode())
    variants = [Variant(_OPEN, page.port, request, (page.pid,))]
    variants.append(_many_tokens(bench, servers))
    for issuer in bench.issuers:
        variants += _with_verifier(servers, issuer) + _with_peers(servers, issuer)
        variants += _in_process(servers, issuer, page)
    samples = compare(variants, bench.effort)
    shipped = [f"{issuer.algorithm}: {_SHIPPED}" for issuer in bench.issuers]
    rows = compared(SECTION, samples, _OPEN, dict.fromkeys(shipped, Goal(0.60)))
    return rows + [_against_fastest(samples, issuer.algorithm) for issuer in bench.issuers]


def _many_tokens(bench: Bench, servers: Servers) -> Variant:
    """Return a variant with a thousand tokens in turn, which nginx has to cache."""
    issuer = bench.shared
    sidecar = servers.sidecar(issuer)
    front = gates.contrib(servers, f"127.0.0.1:{sidecar.port}")
    tokens = replace(issuer.mint(bench.folder / "users.tokens", _TOKENS), again=True)
    pids = (front.pid, sidecar.pid)
    return Variant(f"HS256: {_SHIPPED}, {_TOKENS:,} tokens", front.port, PAGE_REQUEST, pids, tokens)


def _with_verifier(servers: Servers, issuer: Issuer) -> list[Variant]:
    sidecar = servers.sidecar(issuer)
    address = f"127.0.0.1:{sidecar.port}"
    started = (
        gates.contrib(servers, address),
        gates.auth_request(servers, address, cached=True),
        gates.auth_request(servers, address),
    )
    return [
        _variant(name, server, issuer, sidecar.pid)
        for name, server in zip(_WITH_VERIFIER, started, strict=True)
    ]


def _with_peers(servers: Servers, issuer: Issuer) -> list[Variant]:
    peers = {
        "nginx + fastify + fast-jwt": servers.node("fast.js", issuer),
        "nginx + fastify + fast-jwt, its cache": servers.node("fast.js", issuer, cached=True),
        "nginx + Node, http + jsonwebtoken": servers.node("plain.js", issuer),
        "nginx + simple aiohttp service, its cache": servers.python("simple", issuer),
    }
    return [
        _variant(name, gates.auth_request(servers, f"127.0.0.1:{peer.port}"), issuer, peer.pid)
        for name, peer in peers.items()
    ]


def _in_process(servers: Servers, issuer: Issuer, page: Server) -> list[Variant]:
    return [
        _variant("nginx, njs", gates.njs(servers, issuer), issuer),
        _variant("nginx, Lua + OpenSSL", gates.lua(servers, issuer), issuer),
        _variant("HAProxy jwt_verify", gates.haproxy(servers, issuer, page.port), issuer, page.pid),
    ]


def _variant(name: str, server: Server, issuer: Issuer, *pids: int) -> Variant:
    return one_token(f"{issuer.algorithm}: {name}", server, issuer, *pids, head=PAGE_REQUEST)


def _against_fastest(samples: dict[str, list[Sample]], algorithm: str) -> Row:
    # Peers of the same algorithm, without our verifier.
    peers = [name for name in samples if name.startswith(algorithm) and "verifier" not in name]
    fastest = max(peers, key=lambda name: median(sample.rate for sample in samples[name]))
    goal = Goal(1.5 if algorithm == "HS256" else 4.0)
    row = compare_with(SECTION, f"{algorithm}: {_SHIPPED}", samples, fastest, goal)
    note = _NOTE if algorithm == "HS256" else ""
    return replace(row, name=f"{row.name}, against the fastest peer", note=note)
