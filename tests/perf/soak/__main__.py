"""``python -m tests.perf.soak [--minutes N]`` runs load and faults together and checks all answers.

It prints the requests and events, the good tokens that were refused, the bad and the revoked ones
that were let in (all must be 0), 5xx, latencies, and what processes hold more at the end. The exit
status is 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Coroutine, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from typing import Any, NoReturn

from cryptography import x509

from tests.perf.soak import service
from tests.perf.soak.configuration import Configuration
from tests.perf.soak.disturbances import Disturbances
from tests.perf.soak.growth import LIMITS, Growth
from tests.perf.soak.keys import Signer
from tests.perf.soak.provider import Provider
from tests.perf.soak.traffic import MISTAKES, Results, Traffic
from tests.perf.soak.users import PublishedKey, SharedState
from tests.support.key_server import running_key_server
from tests.support.paths import ROOT
from tests.support.processes import running_verifier
from tests.support.redis_server import running_redis
from tests.support.supervised import ALL_LISTEN
from tests.support.tls import tls_context
from tests.system.nginx.sites import JITSI, Nginx

WORKERS = 2
PROGRAM = (sys.executable, "-m", service.__name__)
# nginx forwards signalling to a server of its own, which returns the user of the identity headers.
EDITS = (
    ("127.0.0.1:5280", "127.0.0.1:@READING_PORT@"),
    ("return 200 $uri;", 'return 200 "$http_x_jitsi_user_id";'),
)


async def main(seconds: float, users: int, rate: float) -> int:
    """Run the soak test, and print the results; return the exit status."""
    signers = [Signer(name, in_document=True) for name in ("first", "second", "unpublished")]
    state = SharedState([PublishedKey(signer) for signer in signers[:2]], signers[2])
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        now, address = time.time(), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        context, certificate = tls_context([address], now - 60, now + 30 * 86_400)
        (folder / "ca.pem").write_text(certificate)
        async with running_key_server(context) as server:
            redis = stack.enter_context(running_redis(folder, "--appendonly", "yes"))
            configuration = Configuration(folder, server.url, redis.url, WORKERS)
            configuration.write(partner=True)
            started = running_verifier(folder, program=PROGRAM, **_environ(configuration))
            verifier = await asyncio.to_thread(stack.enter_context, started)
            await asyncio.to_thread(verifier.wait_for_log, ALL_LISTEN)
            nginx = await asyncio.to_thread(
                Nginx, folder / "nginx", JITSI, verifier.port, verifier.port, EDITS
            )
            stack.callback(nginx.stop)
            traffic, growth = Traffic(nginx.port, state, users, rate), Growth(verifier, folder)
            half = time.time() + seconds / 2
            disturbances = Disturbances(
                verifier, Provider(server), redis, state, traffic.revocable, configuration, half
            )
            await _run_with(traffic.run(seconds), disturbances.run(), growth.run())
        errors = [line for line in verifier.log.splitlines() if _is_error(line)]
        errors += disturbances.errors
    return _report(traffic.results, disturbances.events, growth.largest(), errors)


def _environ(configuration: Configuration) -> dict[str, Any]:
    folder = configuration.folder
    return {
        "VERIFIER_CONFIG": str(configuration.file),
        "SSL_CERT_FILE": str(folder / "ca.pem"),
        service.FOLDER: str(folder),
        "PYTHONPATH": str(ROOT),
    }


async def _run_with(work: Awaitable[None], *others: Coroutine[Any, Any, None]) -> None:
    """Run ``work``, and the other coroutines until it is done; an error in any ends all."""
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(other) for other in others]
        await work
        for task in background:
            task.cancel()


def _is_error(line: str) -> bool:
    return any(word in line for word in ("internal error", "Traceback"))


def _report(
    results: Results, events: Counter[str], grown: Mapping[str, float], errors: list[str]
) -> int:
    latencies = quantiles(results.seconds, n=100)
    print(f"requests                      {results.codes.total()}, in {results.users} sessions")
    print(f"events                        {', '.join(f'{n} {what}' for what, n in events.items())}")
    for (status, code), count in sorted(results.codes.items()):
        print(f"  {status} {code or ('allowed' if status == 200 else '-'):25} {count}")
    for mistake in MISTAKES:
        print(f"{mistake:30}{results.wrong[mistake]}")
    print(f"5xx outside announced faults  {results.failed}")
    print(f"5xx while it was restarted    {results.down}")
    print(f"5xx as a worker was killed    {results.lost}")
    print(f"p50, p99                      {latencies[49] * 1e3:.1f}, {latencies[98] * 1e3:.1f} ms")
    for name, limit in LIMITS.items():
        found = f"{grown[name]:+.1f}" if grown else "-"
        print(f"growth of {name:20}{found}, at most {limit:+.1f}")
    for line in (*results.examples, *errors[:20]):
        print(line)
    grows = any(grown[name] > LIMITS[name] for name in grown)
    return 1 if results.wrong or errors or grows or not results.codes else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.perf.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=600.0, help="requests a second")
    return parser.parse_args()


def _exit_on_signal(*_: object) -> NoReturn:
    """Raise SystemExit, so that all started programs are stopped."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    options = _arguments()
    signal.signal(signal.SIGTERM, _exit_on_signal)
    sys.exit(asyncio.run(main(options.minutes * 60, options.users, options.rate)))
