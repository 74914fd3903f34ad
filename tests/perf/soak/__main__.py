"""``python -m tests.perf.soak [--minutes N]``: everything at once, and every answer compared.

Prints what was asked and done, wrong answers and 5xx outside of announced faults (both must be 0),
how long answers took, and how memory grew. Ends with 1 if anything was wrong.
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
from tests.perf.soak.people import PublishedKey, World
from tests.perf.soak.traffic import Seen, Traffic
from tests.support.key_server import running_key_server
from tests.support.processes import running_verifier
from tests.support.redis_server import running_redis
from tests.support.supervised import ALL_LISTEN
from tests.system.nginx.sites import JITSI, Nginx

WORKERS = 2
# nginx hands signalling on to itself, which answers with whom it was told of.
EDITS = (
    ("127.0.0.1:5280", "127.0.0.1:@READING_PORT@"),
    ("return 200 $uri;", 'return 200 "$http_x_jitsi_user_id";'),
)


async def main(seconds: float, users: int, rate: float) -> int:
    """Run it and print what it saw; gives the exit status."""
    signers = [Signer(name, in_document=True) for name in ("first", "second", "stranger")]
    world = World([PublishedKey(each) for each in signers[:2]], signers[2])
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        async with running_key_server() as server:
            redis = stack.enter_context(running_redis(folder, "--appendonly", "yes"))
            configuration = Configuration(folder, server.url, redis.url, WORKERS)
            configuration.write(partner=True)
            publish(server, world.keys)
            started = running_verifier(folder, configuration.file)
            verifier = await asyncio.to_thread(stack.enter_context, started)
            await asyncio.to_thread(verifier.wait_for_log, ALL_LISTEN)
            nginx = await asyncio.to_thread(
                Nginx, folder / "nginx", JITSI, verifier.port, verifier.port, EDITS
            )
            stack.callback(nginx.stop)
            traffic, memory = Traffic(nginx.port, world, users, rate), Memory(verifier)
            guests = traffic.guests
            disturbances = Disturbances(verifier, server, redis, world, guests, configuration)
            began = time.time()
            await _while(traffic.run(seconds), disturbances.run(), memory.run())
        grown = {name: slope(all_, began + seconds / 2) for name, all_ in memory.samples.items()}
        bugs = [line for line in verifier.log.splitlines() if _is_a_bug(line)]
        bugs += disturbances.failed
    return _report(traffic.seen, disturbances.done, grown, bugs)


async def _while(work: Awaitable[None], *others: Coroutine[Any, Any, None]) -> None:
    """Do some work while others go on; one of them that fails ends it all."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each) for each in others]
        await work
        for each in running:
            each.cancel()


def _is_a_bug(line: str) -> bool:
    return any(word in line for word in ("internal error", "Traceback"))


def _report(
    seen: Seen, done: Counter[str], slopes: Mapping[str, float | None], bugs: list[str]
) -> int:
    latencies = quantiles(seen.seconds, n=100)
    print(f"requests                      {seen.codes.total()}, of {seen.users} users' tokens")
    print(f"done                          {', '.join(f'{n} {what}' for what, n in done.items())}")
    for (status, code), count in sorted(seen.codes.items()):
        print(f"  {status} {code or 'allowed':25} {count}")
    print(f"wrong answers                 {seen.wrong}")
    print(f"5xx outside announced faults  {seen.failed}")
    print(f"p50, p99                      {latencies[49] * 1e3:.1f}, {latencies[98] * 1e3:.1f} ms")
    for name, grown in sorted(slopes.items()):
        print(f"memory of {name:20}{'-' if grown is None else f'{grown:+.1f} MB/h'}")
    for line in (*seen.examples, *bugs[:20]):
        print(line)
    return 1 if seen.wrong or bugs or not seen.codes else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.perf.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--rate", type=float, default=600.0, help="questions a second")
    return parser.parse_args()


def _end_by_signal(*_: object) -> NoReturn:
    """End as any other way, so that nothing that was started lives on."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    given = _arguments()
    signal.signal(signal.SIGTERM, _end_by_signal)
    sys.exit(asyncio.run(main(given.minutes * 60, given.users, given.rate)))
