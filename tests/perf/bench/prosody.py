"""``python -m tests.perf.bench.prosody`` measures logins, and stalls of Prosody's event loop.

200 clients log in at once: with ``mod_auth_jitsi_verifier``, with a token check in plain Lua inside
Prosody, and without a check. The longest stall is the slowest answer to a ping; another process
sends one every 5 ms. CPU time is that of Prosody alone, in rounds without pings. To measure Jitsi's
``mod_auth_token`` too, name the folder of Jitsi's modules in ``JITSI_PROSODY_PLUGINS``; it needs
``lua-cjson``, ``lua-basexx``, ``lua-luaossl`` and ``inspect``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import aiohttp

from tests.support.tokens import SECRET
from tests.system.nginx.sites import Sidecar
from tests.system.prosody.prosody import HERE, Prosody
from tests.system.prosody.releases import RELEASES, Release
from tests.system.prosody.stanzas import ping
from tests.system.prosody.tokens import APP_ID, hs_token
from tests.system.prosody.websocket_client import WebSocketClient

CLIENTS, ROUNDS, PING_SECONDS = 200, 9, 0.005
VARIANTS = {
    "none.test": "no token check",
    "plain.test": "check inside Prosody, plain Lua, HS256",
    "hook.test": "mod_auth_jitsi_verifier, asks the verifier",
}
JITSI_PLUGINS = os.environ.get("JITSI_PROSODY_PLUGINS", "")
"""The folder of Jitsi's own modules, to measure one of them too; empty without them."""
JITSI_HOST = """
VirtualHost "jitsi.test"
    authentication = "token"
    app_id = "@APP_ID@"
    app_secret = "@SECRET@"
"""
if JITSI_PLUGINS:
    VARIANTS["jitsi.test"] = "Jitsi's mod_auth_token, HS256"


@dataclass(frozen=True, slots=True)
class Round:
    """The results of one round of logins.

    Attributes:
        logins: Logins a second.
        stall: The slowest ping, milliseconds.
        cpu: Prosody's CPU time for each login, milliseconds.
    """

    logins: float
    stall: float
    cpu: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process with one thread, in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


async def measure(prosody: Prosody, host: str) -> Round:
    """Log in all clients at once, without pings and with them; return the results."""
    quiet = await log_in(prosody, host, pings=False)
    # Prosody also answers the pings, the more of them, the longer the logins take.
    return replace(quiet, stall=(await log_in(prosody, host, pings=True)).stall)


async def log_in(prosody: Prosody, host: str, *, pings: bool) -> Round:
    """Log in all clients at once over open streams; without pings the stall is 0."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        queries = [f"room=board&token={hs_token(user=i)}" for i in range(CLIENTS)]
        clients = [WebSocketClient(http, prosody.port, host, query) for query in queries]
        for client in clients:
            await client.open()
        pinger = await start_pinger(prosody.port) if pings else None
        cpu, start = cpu_seconds(prosody.pid), time.perf_counter()
        refusals = await asyncio.gather(*(client.login() for client in clients))
        seconds, cpu = time.perf_counter() - start, cpu_seconds(prosody.pid) - cpu
        stall = await stop_pinger(pinger) if pinger else 0.0
        assert refusals == [None] * CLIENTS, next(filter(None, refusals))
        await asyncio.gather(*(client.close() for client in clients))
    return Round(CLIENTS / seconds, stall * 1000, cpu * 1000 / CLIENTS)


async def start_pinger(port: int) -> asyncio.subprocess.Process:
    """Start the process that sends pings, and wait until one is answered."""
    pinger = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.perf.bench.prosody",
        "--ping",
        str(port),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert pinger.stdout is not None
    assert await pinger.stdout.readline() == b"ready\n"
    return pinger


async def stop_pinger(pinger: asyncio.subprocess.Process) -> float:
    """Stop the process that sends pings; return the slowest answer in seconds."""
    output, _ = await pinger.communicate(b"stop")
    slowest: float = max(json.loads(output))
    return slowest


async def ping_until_stopped(port: int) -> list[float]:
    """Ping every 5 ms until standard input ends; return the duration of each answer, in seconds."""
    sent: dict[str, float] = {}
    durations: list[float] = []
    async with aiohttp.ClientSession() as http:
        client = WebSocketClient(http, port, "none.test")
        await client.login()
        socket = client.socket
        await client.ping()
        print("ready", flush=True)
        stopped = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))

        async def receive() -> None:
            async for message in socket:
                identity = re.search(r" id=['\"](p\d+)['\"]", message.data)
                if identity:
                    durations.append(time.perf_counter() - sent.pop(identity[1]))

        receiving = asyncio.ensure_future(receive())
        while not stopped.done() or sent:
            if not stopped.done():
                identity = f"p{len(sent) + len(durations)}"
                sent[identity] = time.perf_counter()
                await client.send(ping(client.host, identity))
            await asyncio.sleep(PING_SECONDS)
        receiving.cancel()
        with suppress(asyncio.CancelledError):
            await receiving
        await client.close()
    return durations


def table(rounds: dict[str, list[Round]]) -> str:
    """Return a table of medians, and their ratios to a login without a token check."""
    medians = {
        host: Round(
            median(r.logins for r in results),
            median(r.stall for r in results),
            median(r.cpu for r in results),
        )
        for host, results in rounds.items()
    }
    base = medians["none.test"]
    lines = [
        f"{CLIENTS} clients at once, medians of {ROUNDS} rounds (ratio to no check)",
        "",
        "| | logins/s | longest stall, ms | Prosody's CPU for one login, ms |",
        "|---|---|---|---|",
    ]
    for host, name in VARIANTS.items():
        m = medians[host]
        cells = [
            f"{m.logins:.0f} ({m.logins / base.logins:.2f})",
            f"{m.stall:.0f} ({m.stall / base.stall:.2f})",
            f"{m.cpu:.2f} ({m.cpu / base.cpu:.2f})",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def compare(folder: Path, release: Release) -> str:
    """Start the programs, and measure the variants in turn; return the table."""
    sidecar = Sidecar(folder, {"JWT_APP_ID": APP_ID, "XMPP_DOMAIN": "hs.test"})
    sidecar.start()
    names = {
        "APP_ID": APP_ID,
        "SECRET": SECRET,
        "HOOK_URL": f"http://127.0.0.1:{sidecar.port}",
        "PLUGINS": '", "'.join([str(HERE / "plugins"), *filter(None, [JITSI_PLUGINS])]),
    }
    template = folder / "bench.cfg.lua"
    template.write_text((HERE / "bench.cfg.lua").read_text() + (JITSI_PLUGINS and JITSI_HOST))
    prosody = Prosody(release, folder / "server", names, template)
    rounds: dict[str, list[Round]] = {host: [] for host in VARIANTS}
    try:
        for _ in range(ROUNDS):
            for host, results in rounds.items():
                results.append(await measure(prosody, host))
    finally:
        prosody.stop()
        sidecar.stop()
    return table(rounds)


def main() -> None:
    """Measure and print the table; with ``--ping``, send pings for another process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ping", type=int, metavar="PORT", help=argparse.SUPPRESS)
    port = parser.parse_args().ping
    if port:
        print(json.dumps(asyncio.run(ping_until_stopped(port))))
        return
    for release in RELEASES:
        with tempfile.TemporaryDirectory() as folder:
            print(f"Prosody {release.version}: {asyncio.run(compare(Path(folder), release))}\n")


if __name__ == "__main__":
    main()
