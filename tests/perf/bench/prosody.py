"""``python -m tests.perf.bench.prosody`` measures logins, and stalls of Prosody's event loop.

200 clients log in at once: with ``mod_auth_jitsi_verifier``, with a token check in plain Lua inside
Prosody, and without a check. The longest stall is the slowest answer to a ping; another process
sends one every 5 ms. CPU time is that of Prosody alone, in rounds without pings. Other work on the
machine changes from round to round. So each ratio is the median of the ratios within one round.

To measure Jitsi's ``mod_auth_token`` too, name the folder of Jitsi's modules in
``JITSI_PROSODY_PLUGINS``. The Lua libraries that it needs are downloaded for this run only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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

CLIENTS, ROUNDS, PING_SECONDS = 200, 15, 0.005
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
JITSI_PACKAGES = ("lua-basexx", "lua-cjson", "lua-inspect", "lua-luaossl")
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
    """Return the CPU time of a process with one thread, in seconds.

    It is the sum of user and system time, in nanoseconds instead of hundredths of a second.
    """
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


def cell(
    rounds: dict[str, list[Round]], host: str, value: Callable[[Round], float], digits: int
) -> str:
    """Return the median of a value, and the median of its ratios to the round without a check."""
    ratios = [value(r) / value(b) for r, b in zip(rounds[host], rounds["none.test"], strict=True)]
    return f"{median(map(value, rounds[host])):.{digits}f} ({median(ratios):.2f})"


def table(rounds: dict[str, list[Round]]) -> str:
    """Return a table of medians, and of medians of the ratios to a login without a check."""
    lines = [
        f"{CLIENTS} clients at once, medians of {ROUNDS} rounds (ratio to no check)",
        "",
        "| | logins/s | longest stall, ms | Prosody's CPU for one login, ms |",
        "|---|---|---|---|",
    ]
    for host, name in VARIANTS.items():
        cells = [
            cell(rounds, host, lambda r: r.logins, 0),
            cell(rounds, host, lambda r: r.stall, 0),
            cell(rounds, host, lambda r: r.cpu, 2),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def lua_libraries(folder: Path) -> dict[str, str]:
    """Download the libraries of Jitsi's modules into a folder; return Lua's search paths.

    Debian's packages have them for every version of Lua, and a newer Debian can load them too.
    """
    subprocess.run(["apt-get", "download", "--quiet", *JITSI_PACKAGES], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    # basexx and inspect have no folder for Lua 5.4.
    texts = [f"{folder}/usr/share/lua/{version}/?.lua" for version in ("5.4", "5.3", "5.2")]
    (binary,) = folder.glob("usr/lib/*/lua/5.4")
    return {"LUA_PATH": ";".join([*texts, ";"]), "LUA_CPATH": f"{binary}/?.so;;"}


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
    environ = lua_libraries(folder) if JITSI_PLUGINS else {}
    prosody = Prosody(release, folder / "server", names, template, environ)
    rounds: dict[str, list[Round]] = {host: [] for host in VARIANTS}
    try:
        for number in range(ROUNDS):
            first = number % len(VARIANTS)  # each variant is the first one in turn
            for host in [*VARIANTS, *VARIANTS][first : first + len(VARIANTS)]:
                rounds[host].append(await measure(prosody, host))
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
