"""A page behind nginx: without a gate, with the verifier, and with its peers.

In every row nginx writes one log line for each page, with the same fields. ``nginx_tuned`` measures
the same rows with the two settings for speed that the documents describe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from tests.perf.bench import gates
from tests.perf.bench.bench import PAGE_REQUEST, Bench, one_token
from tests.perf.bench.gates import Tuning
from tests.perf.bench.issuers import Issuer
from tests.perf.bench.rounds import TOKEN_PLACEHOLDER, Sample, Variant, compare
from tests.perf.bench.rows import Row, at_most, compare_with, compared
from tests.perf.bench.servers import Server, Servers

SECTION: Final = "nginx in front of a page, one worker; CPU of nginx and auth server together"
_OPEN: Final = "no auth"
_SHIPPED: Final = "nginx, contrib/nginx + verifier"
_BARE: Final = "nginx, plain proxy_cache + verifier"
_WITH_VERIFIER: Final = (_SHIPPED, _BARE, "nginx, plain, uncached + verifier, TCP")
_TOKENS: Final = 1_000
_AS_CHEAP_AS_BARE: Final = at_most(1.11, of="cpu_ratios")  # 0.90 of the pages a second
_NOTE: Final = (
    "TeslaGov's C module is in no Debian package and was not measured. Every peer makes the same"
    " checks and was seen to deny; only auth servers send identity headers."
)


def run(
    bench: Bench, servers: Servers, tuning: Tuning = gates.UNTUNED, section: str = SECTION
) -> list[Row]:
    """Measure all gates in the same rounds."""
    page = gates.page(servers, tuning)
    request = PAGE_REQUEST.replace(TOKEN_PLACEHOLDER, bench.shared.token().encode())
    variants = [Variant(_OPEN, page.port, request, (page.pid,))]
    variants.append(_many_tokens(bench, servers, tuning))
    for issuer in bench.issuers:
        variants += _with_verifier(servers, issuer, tuning) + _with_peers(servers, issuer, tuning)
        variants += _in_process(servers, issuer, page, tuning)
    samples = compare(variants, bench.effort)
    rows = compared(section, samples, _OPEN, {})
    return rows + [
        row
        for issuer in bench.issuers
        for row in _shipped_against_others(section, samples, issuer.algorithm)
    ]


def _many_tokens(bench: Bench, servers: Servers, tuning: Tuning) -> Variant:
    """Return a variant with a thousand tokens in turn, which nginx has to cache."""
    issuer = bench.shared
    sidecar = servers.sidecar(issuer)
    front = gates.contrib(servers, f"127.0.0.1:{sidecar.port}", tuning)
    tokens = replace(issuer.mint(bench.folder / "users.tokens", _TOKENS), again=True)
    pids = (front.pid, sidecar.pid)
    return Variant(f"HS256: {_SHIPPED}, {_TOKENS:,} tokens", front.port, PAGE_REQUEST, pids, tokens)


def _with_verifier(servers: Servers, issuer: Issuer, tuning: Tuning) -> list[Variant]:
    sidecar = servers.sidecar(issuer)
    address = f"127.0.0.1:{sidecar.port}"
    started = (
        gates.contrib(servers, address, tuning),
        gates.auth_request(servers, address, tuning, cached=True),
        gates.auth_request(servers, address, tuning),
    )
    return [
        _variant(name, server, issuer, sidecar.pid)
        for name, server in zip(_WITH_VERIFIER, started, strict=True)
    ]


def _with_peers(servers: Servers, issuer: Issuer, tuning: Tuning) -> list[Variant]:
    peers = {
        "nginx + fastify + fast-jwt": servers.node("fast.js", issuer),
        "nginx + fastify + fast-jwt, its cache": servers.node("fast.js", issuer, cached=True),
        "nginx + Node, http + jsonwebtoken": servers.node("plain.js", issuer),
        "nginx + simple aiohttp service, its cache": servers.python("simple", issuer),
    }
    return [
        _variant(
            name, gates.auth_request(servers, f"127.0.0.1:{peer.port}", tuning), issuer, peer.pid
        )
        for name, peer in peers.items()
    ]


def _in_process(servers: Servers, issuer: Issuer, page: Server, tuning: Tuning) -> list[Variant]:
    return [
        _variant("nginx, njs", gates.njs(servers, issuer, tuning), issuer),
        _variant("nginx, Lua + OpenSSL", gates.lua(servers, issuer, tuning), issuer),
        _variant("HAProxy jwt_verify", gates.haproxy(servers, issuer, page.port), issuer, page.pid),
    ]


def _variant(name: str, server: Server, issuer: Issuer, *pids: int) -> Variant:
    return one_token(f"{issuer.algorithm}: {name}", server, issuer, *pids, head=PAGE_REQUEST)


def _shipped_against_others(
    section: str, samples: Mapping[str, Sequence[Sample]], algorithm: str
) -> list[Row]:
    """Compare the shipped files with a bare cache, and with the peer that needs the least CPU time.

    The goals are for CPU time: the rates of HAProxy and of the auth servers, which are processes of
    their own beside nginx, depend on what else runs on the other cores.
    """
    # Peers of the same algorithm, without our verifier.
    peers = [name for name in samples if name.startswith(algorithm) and "verifier" not in name]
    cheapest = min(peers, key=lambda name: median(sample.cpu for sample in samples[name]))
    shipped = f"{algorithm}: {_SHIPPED}"
    bare = compare_with(section, shipped, samples, f"{algorithm}: {_BARE}", _AS_CHEAP_AS_BARE)
    peer = compare_with(section, shipped, samples, cheapest, at_most(1.0, of="cpu_ratios"))
    note = _NOTE if algorithm == "HS256" else ""
    return [
        replace(bare, name=f"{shipped}, against a bare cache"),
        replace(peer, name=f"{shipped}, against the cheapest peer", note=note),
    ]
