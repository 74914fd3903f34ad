"""A page behind nginx with the documented settings for speed: each alone, and both in every row."""

from __future__ import annotations

from typing import Final

from tests.perf.bench import gates
from tests.perf.bench.bench import PAGE_REQUEST, Bench, one_token
from tests.perf.bench.gates import Tuning
from tests.perf.bench.rounds import compare
from tests.perf.bench.rows import Row, compared
from tests.perf.bench.sections import nginx
from tests.perf.bench.servers import Servers

_SETTINGS: Final = "contrib/nginx with settings for speed; CPU of nginx and verifier together"
_TUNINGS: Final = {
    "neither": gates.UNTUNED,
    "pcre_jit on": Tuning(compiles=True),
    "log with buffer=": Tuning(buffers=True),
    "both": Tuning(buffers=True, compiles=True),
}


def run(bench: Bench, servers: Servers) -> list[Row]:
    """Measure the settings, and then the rows of the section ``nginx`` with both."""
    tuned = nginx.run(
        bench, servers, _TUNINGS["both"], f"{nginx.SECTION}; pcre_jit on, log with buffer="
    )
    return [*_settings(bench, servers), *tuned]


def _settings(bench: Bench, servers: Servers) -> list[Row]:
    issuer = bench.shared
    sidecar = servers.sidecar(issuer)
    variants = []
    for name, tuning in _TUNINGS.items():
        front = gates.contrib(servers, f"127.0.0.1:{sidecar.port}", tuning)
        variants.append(one_token(name, front, issuer, sidecar.pid, head=PAGE_REQUEST))
    return compared(_SETTINGS, compare(variants, bench.effort), "neither", {})
