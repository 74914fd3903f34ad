"""nginx asks over a unix socket and remembers nothing: the sidecar beside another nginx."""

from __future__ import annotations

from typing import Final

from tests.perf.bench import gates
from tests.perf.bench.bench import VISIT, Bench, one_token
from tests.perf.bench.rounds import PLACE, Variant, compare
from tests.perf.bench.rows import Goal, Row, compared
from tests.perf.bench.servers import Servers

SECTION: Final = "nginx without its cache, unix socket; CPU of both together"
_CEILING: Final = "auth_request to another nginx, return 204"
_OPEN: Final = "no auth"
_SIDECAR: Final = "auth_request to the sidecar"


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure."""
    issuer = bench.shared
    question = VISIT.replace(PLACE, issuer.token().encode())
    address, answering = gates.answering_204(servers)
    page, ceiling = gates.page(servers), gates.asking(servers, address)
    sidecar = servers.sidecar(issuer)
    asking = gates.asking(servers, sidecar.socket)
    samples = compare(
        [
            Variant(_OPEN, page.port, question, (page.pid,)),
            Variant(_CEILING, ceiling.port, question, (ceiling.pid, answering)),
            one_token(_SIDECAR, asking, issuer, sidecar.pid, head=VISIT),
        ],
        bench.effort,
    )
    return compared(SECTION, samples, _CEILING, {_SIDECAR: Goal(0.75)})
