"""Auth requests over a unix socket without a cache: the verifier beside another nginx."""

from __future__ import annotations

from typing import Final

from tests.perf.bench import gates
from tests.perf.bench.bench import PAGE_REQUEST, Bench, one_token
from tests.perf.bench.rounds import TOKEN_PLACEHOLDER, Variant, compare
from tests.perf.bench.rows import Goal, Row, compared
from tests.perf.bench.servers import Servers

SECTION: Final = "nginx without its cache, unix socket; CPU of both together"
_CEILING: Final = "auth_request to another nginx, return 204"
_OPEN: Final = "no auth"
_VERIFIER: Final = "auth_request to the verifier"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure the section."""
    issuer = bench.shared
    request = PAGE_REQUEST.replace(TOKEN_PLACEHOLDER, issuer.token().encode())
    address, answering_pid = gates.answering_204(servers)
    page, ceiling = gates.page(servers), gates.auth_request(servers, address)
    sidecar = servers.sidecar(issuer)
    measured = gates.auth_request(servers, sidecar.socket)
    samples = compare(
        [
            Variant(_OPEN, page.port, request, (page.pid,)),
            Variant(_CEILING, ceiling.port, request, (ceiling.pid, answering_pid)),
            one_token(_VERIFIER, measured, issuer, sidecar.pid, head=PAGE_REQUEST),
        ],
        bench.effort,
    )
    return compared(SECTION, samples, _CEILING, {_VERIFIER: Goal(0.75)})
