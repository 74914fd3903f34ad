"""``python -m tests.perf.soak [--minutes N]`` runs load and faults together and checks all answers.

It prints the requests and events, wrong answers and 5xx outside announced faults (both must be 0),
latencies and the growth of memory. The exit status is 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
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

from tests.perf.soak.disturbances import Configuration, Disturbances, publish
from tests.perf.soak.keys import Signer
from tests.perf.soak.memory import Memory, slope
from tests.perf.soak.traffic import Results, Traffic
from tests.perf.soak.users import PublishedKey, SharedState
from tests.support.key_server import running_key_server
from tests.support.processes import running_verifier
from tests.support.redis_server import running_redis
from tests.support.supervised import ALL_LISTEN
from tests.system.nginx.sites import JITSI, Nginx

WORKERS = 2
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
        async with running_key_server() as server:
            redis = stack.enter_context(running_redis(folder, "--appendonly", "yes"))
            configuration = Configuration(folder, server.url, redis.url, WORKERS)
            configuration.write(partner=True)
            publish(server, state.keys)
            started = running_verifier(folder, configuration.file)
            verifier = await asyncio.to_thread(stack.enter_context, started)
            await asyncio.to_thread(verifier.wait_for_log, ALL_LISTEN)
            nginx = await asyncio.to_thread(
                Nginx, folder / "nginx", JITSI, verifier.port, verifier.port, EDITS
            )
            stack.callback(nginx.stop)
            traffic, memory = Traffic(nginx.port, state, users, rate), Memory(verifier)
            revocable = traffic.revocable
            disturbances = Disturbances(verifier, server, redis, state, revocable, configuration)
            began = time.time()
            await _run_with(traffic.run(seconds), disturbances.run(), memory.run())
        slopes = {
            name: slope(samples, began + seconds / 2) for name, samples in memory.samples.items()
        }
        errors = [line for line in verifier.log.splitlines() if _is_error(line)]
        errors += disturbances.errors
    return _report(traffic.results, disturbances.events, slopes, errors)


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
    results: Results, events: Counter[str], slopes: Mapping[str, float | None], errors: list[str]
) -> int:
    latencies = quantiles(results.seconds, n=100)
    print(f"requests                      {results.codes.total()}, in {results.users} sessions")
    print(f"events                        {', '.join(f'{n} {what}' for what, n in events.items())}")
    for (status, code), count in sorted(results.codes.items()):
        print(f"  {status} {code or 'allowed':25} {count}")
    print(f"wrong answers                 {results.wrong}")
    print(f"5xx outside announced faults  {results.failed}")
    print(f"p50, p99                      {latencies[49] * 1e3:.1f}, {latencies[98] * 1e3:.1f} ms")
    for name, grown in sorted(slopes.items()):
        print(f"memory of {name:20}{'-' if grown is None else f'{grown:+.1f} MB/h'}")
    for line in (*results.examples, *errors[:20]):
        print(line)
    return 1 if results.wrong or errors or not results.codes else 0


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
