"""``python -m tests.perf.soak.keys [SECONDS]`` sends tokens during every fault of a key server.

Each rotation of the keys also brings another form of the key set (``key_forms``).

It prints the valid tokens that were refused and the invalid ones that were accepted (both must be
0), the 99th percentile of the latency with and without a fault, the fetches, and the memory.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.perf.soak.key_forms import DOCUMENTS, PEMS, Jwks
from tests.support.key_server import KeyServer, Reply, running_key_server
from tests.support.processes import RunningVerifier, running_verifier
from tests.support.tokens import sign

KEYS = 50
RATE = 200  # valid tokens a second
INVALID_EVERY = 10  # one invalid token for so many valid ones
FAULT_SECONDS = 6.0
ROTATE_SECONDS = 15.0
FAULTS: dict[str, Reply | None] = {
    "none": None,
    "stall": Reply(fault="stall"),
    "stall in body": Reply(b"{", fault="stall in body"),
    "cut off": Reply(b"{", fault="cut off"),
    "500": Reply(status=500),
    "404": Reply(status=404),
    "304": Reply(status=304),
    "redirect": Reply(status=302, headers={"Location": "http://127.0.0.1:1/jwks"}),
    "garbage": Reply(b"\x00\xff garbage"),
    "huge": Reply(b" " * 3_000_000),
    "another type": Reply(b'{"keys": 5}', headers={"Content-Type": "image/png"}),
    "empty set": Reply(b'{"keys": []}'),
    "refused": None,
}


@dataclass
class Signer:
    """One key pair and its ``kid``."""

    key_id: str
    in_document: bool
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False
    )

    def token(self, key: rsa.RSAPrivateKey | None = None, key_id: str | None = None) -> str:
        """Sign a token for the room ``standup``; every token differs."""
        now = time.time()
        claims = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup", "iat": now}
        header = {"kid": key_id or self.key_id}
        return sign(claims | {"exp": now + 300}, header, key or self.key, "RS256")

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as in the key document."""
        jwk: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return jwk | {"kid": self.key_id, "use": "sig", "alg": "RS256"}

    @property
    def pem(self) -> bytes:
        """The public key as the ASAP key server has it."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(encoding, form)


@dataclass
class Soak:
    """The running programs and the results so far."""

    server: KeyServer
    verifier: RunningVerifier
    session: aiohttp.ClientSession
    signers: list[Signer]
    attacker: Signer
    fault: str = "none"
    refused: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    valid: int = 0
    invalid: int = 0
    documents: Iterator[Callable[[Jwks], bytes]] = field(
        default_factory=lambda: itertools.cycle(DOCUMENTS), repr=False
    )
    pems: Iterator[Callable[[bytes], bytes]] = field(
        default_factory=lambda: itertools.cycle(PEMS), repr=False
    )
    latencies: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})

    def publish(self, *more: Signer) -> None:
        """Publish every key in the next form, with the shortest freshness."""
        signers = [*self.signers, *more]
        jwks = [signer.jwk for signer in signers if signer.in_document]
        body, headers = next(self.documents)(jwks), {"Cache-Control": "max-age=60"}
        self.server.replies["/jwks"] = Reply(body, headers=headers)
        for signer in signers:
            if not signer.in_document:
                pem = next(self.pems)(signer.pem)
                self.server.publish(signer.key_id, pem, cache_control="max-age=60")

    async def ask(self, token: str) -> tuple[int, str]:
        """Send one token to the verifier."""
        url = f"http://127.0.0.1:{self.verifier.port}/ext-authz/standup?jwt={token}"
        async with self.session.get(url) as response:
            await response.read()
        return response.status, response.headers.get("X-Jitsi-Denial", "")

    async def send_valid_token(self) -> None:
        """Send a valid token, which must be accepted."""
        self.valid += 1
        token, healthy = random.choice(self.signers).token(), self.fault == "none"  # noqa: S311  # not for cryptography
        started = time.perf_counter()
        status, code = await self.ask(token)
        self.latencies[healthy].append(time.perf_counter() - started)
        if status != 200:
            self.refused[f"{code} while {self.fault}"] += 1

    async def send_invalid_token(self) -> None:
        """Send a token with a wrong signature or an invented key id; it must be refused."""
        self.invalid += 1
        signer = random.choice(self.signers)  # noqa: S311  # not for cryptography
        key_id = random.choice([signer.key_id, f"invented-{self.invalid}"])  # noqa: S311  # not for cryptography
        status, _ = await self.ask(self.attacker.token(key_id=key_id))
        self.accepted += status == 200

    async def load(self, end: float) -> None:
        """Send tokens at the rate, whatever the latency."""
        tasks: set[asyncio.Task[None]] = set()
        for number in itertools.count():
            due = self.started + number / RATE
            if due >= end:
                break
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            requests = [
                self.send_valid_token(),
                *([self.send_invalid_token()] if number % INVALID_EVERY == 0 else []),
            ]
            for request in requests:
                task = asyncio.create_task(request)
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def faults(self) -> None:
        """Apply each fault in turn, with a pause without a fault after each."""
        for name, reply in itertools.cycle(FAULTS.items()):
            self.fault, self.server.reply_to_all = name, reply
            if name == "refused":
                await self.server.stop_listening()
            await asyncio.sleep(FAULT_SECONDS)
            if name == "refused":
                await self.server.start_listening()
            self.server.release.set()
            self.server.release = asyncio.Event()
            self.fault, self.server.reply_to_all = "none", None
            await asyncio.sleep(FAULT_SECONDS)

    async def rotate(self) -> None:
        """Publish a new key, sign with it, and withdraw an old key, as issuers do."""
        for number in itertools.count():
            await asyncio.sleep(ROTATE_SECONDS)
            new = await asyncio.to_thread(Signer, f"rotated-{number}", number % 2 == 0)
            old = next(key for key in self.signers if key.in_document == new.in_document)
            self.publish(new)
            await self._wait_until_accepted(new)
            self.signers = [key for key in self.signers if key is not old] + [new]
            self.publish()

    async def _wait_until_accepted(self, new: Signer) -> None:
        """Wait until a token of a new key is accepted, which is impossible during a fault."""
        while (await self.ask(new.token()))[0] != 200:  # noqa: ASYNC110  # no event reports it
            await asyncio.sleep(0.5)

    async def run(self, seconds: float) -> None:
        """Warm up, then run load, faults and rotation at the same time."""
        self.publish()
        for signer in self.signers:
            await self._wait_until_accepted(signer)
        self.started = time.monotonic()
        disturbances = [asyncio.create_task(self.faults()), asyncio.create_task(self.rotate())]
        await self.load(self.started + seconds)
        for disturbance in disturbances:
            disturbance.cancel()
        await asyncio.gather(*disturbances, return_exceptions=True)


def resident(pid: int) -> float:
    """Return the resident memory of a process, MB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def p99(values: list[float]) -> str:
    """Return the 99th percentile as text, in milliseconds."""
    return f"{quantiles(values, n=100)[98] * 1000:.1f} ms" if len(values) > 100 else "-"


async def main(seconds: float) -> int:
    """Run the soak test and print the results."""
    signers = [Signer(f"key-{number}", number % 2 == 0) for number in range(KEYS)]
    with tempfile.TemporaryDirectory() as folder:
        async with running_key_server() as server, aiohttp.ClientSession() as session:
            with running_verifier(
                Path(folder),
                JWT_APP_ID="app",
                JWT_CACHE_KEYS_URL=f"{server.url}/jwks",
                JWT_ASAP_KEYSERVER=server.url,
                VERIFIER_DECISION_TTL="0",
            ) as verifier:
                soak = Soak(server, verifier, session, signers, Signer("attacker", False))
                before = resident(verifier.process.pid)
                await soak.run(seconds)
                after = resident(verifier.process.pid)
                fetches = {
                    source: sum(
                        verifier.metric(f'key_fetches_total{{result="{result}",source="{source}"}}')
                        for result in ("ok", "not-found", "error", "timeout")
                    )
                    for source in ("document", "asap")
                }
    print(f"valid tokens       {soak.valid}, refused {soak.refused.total()} {dict(soak.refused)}")
    print(f"invalid tokens     {soak.invalid}, accepted {soak.accepted}")
    print(f"p99 without fault  {p99(soak.latencies[True])}")
    print(f"p99 with fault     {p99(soak.latencies[False])}")
    print(f"fetches            document {fetches['document']:.0f}, asap {fetches['asap']:.0f}")
    print(f"resident memory    {before:.1f} MB at start, {after:.1f} MB at end")
    return 1 if soak.refused or soak.accepted or not soak.valid else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 120.0)))
