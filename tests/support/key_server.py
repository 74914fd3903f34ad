"""A real key server with every fault, a clock that the test moves, and keys to serve."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm
from multidict import CIMultiDictProxy

from verifier.keys.model import SkipReason, Source, VerificationKey
from verifier.keys.sources.base import SourceContext, Timing
from verifier.keys.sources.remote import RemoteSource
from verifier.keys.sources.settings import KeySourceSettings

START = 1_800_000_000.0


class FakeTime:
    """A clock that only ``advance`` moves; a sleep never ends, so that tests call ``tick``."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.random_value = 0.5

    @property
    def timing(self) -> Timing:
        return Timing(
            monotonic=lambda: 1000.0 + self.elapsed,
            clock=lambda: START + self.elapsed,
            random=lambda: self.random_value,
            sleep=self._never,
        )

    def advance(self, seconds: float) -> None:
        self.elapsed += seconds

    @staticmethod
    async def _never(_seconds: float) -> None:
        await asyncio.Event().wait()


@dataclass
class Recorder:
    """A ``KeyObserver`` that stores everything."""

    lookups: Counter[tuple[Source, str]] = field(default_factory=Counter)
    fetches: Counter[tuple[Source, str]] = field(default_factory=Counter)
    skips: Counter[tuple[Source, str]] = field(default_factory=Counter)
    skipped: dict[Source, Counter[SkipReason]] = field(default_factory=dict)
    counts: dict[Source, int] = field(default_factory=dict)
    successes: dict[Source, float] = field(default_factory=dict)
    changes: list[frozenset[str | None]] = field(default_factory=list)

    def count_lookup(self, source: Source, result: str) -> None:
        self.lookups[source, result] += 1

    def count_fetch(self, source: Source, result: str, seconds: float) -> None:
        assert seconds >= 0
        self.fetches[source, result] += 1

    def set_last_success(self, source: Source, time: float) -> None:
        self.successes[source] = time

    def set_key_count(self, source: Source, count: int) -> None:
        self.counts[source] = count

    def count_skipped(self, source: Source, reason: str) -> None:
        self.skips[source, reason] += 1

    def set_skipped(self, source: Source, reasons: Counter[SkipReason]) -> None:
        self.skipped[source] = reasons


def source_context(
    time: FakeTime | None = None, recorder: Recorder | None = None, **options: Any
) -> SourceContext:
    recorder = recorder or Recorder()
    return SourceContext(
        KeySourceSettings(**options),
        recorder,
        recorder.changes.append,
        (time or FakeTime()).timing,
    )


@dataclass
class Reply:
    """How the server answers a request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fault: Literal["", "stall", "stall in body", "cut off"] = ""


@dataclass
class Request:
    path: str
    headers: CIMultiDictProxy[str]


class KeyServer:
    """A key server on a free port of 127.0.0.1.

    Attributes:
        replies: The reply for each path; 404 for every other path.
        reply_to_all: A reply for every path, before ``replies``.
        requests: All requests so far.
        release: Set to end all stalls.
        in_progress: The number of requests that are being served.
        most_parallel: The highest value of ``in_progress`` so far.
        delay: Seconds that every response takes.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.replies: dict[str, Reply] = {}
        self.reply_to_all: Reply | None = None
        self.requests: list[Request] = []
        self.release = asyncio.Event()
        self.in_progress = 0
        self.most_parallel = 0
        self.delay = 0.0
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
        self._site: web.TCPSite | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def connections(self) -> int:
        assert self._runner.server is not None
        return len(self._runner.server.connections)

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def publish(self, key_id: str, body: bytes | str, **headers: str) -> None:
        """Publish a key under the path of an ASAP key server."""
        raw = body.encode() if isinstance(body, str) else body
        self.replies[asap_path(key_id)] = Reply(raw, headers=_dashed(headers))

    def publish_document(self, *keys: Any, **headers: str) -> None:
        """Publish a JWK set."""
        self.replies["/jwks"] = Reply(json.dumps({"keys": keys}).encode(), headers=_dashed(headers))

    async def start(self) -> None:
        await self._runner.setup()
        await self._listen()

    async def stop(self) -> None:
        self.release.set()
        await self._runner.cleanup()

    async def stop_listening(self) -> None:
        """Refuse new connections; open ones stay."""
        assert self._site is not None
        await self._site.stop()

    async def start_listening(self) -> None:
        await self._listen()

    def reset_connections(self) -> None:
        """End the open connections without the end of their TLS sessions."""
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls)
        await self._site.start()
        self._port = self._runner.addresses[0][1]

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._serve)
        return application

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(Request(request.path, request.headers))
        self.in_progress += 1
        self.most_parallel = max(self.most_parallel, self.in_progress)
        try:
            reply = self.reply_to_all or self.replies.get(request.path, Reply(status=404))
            if self.delay:
                await asyncio.sleep(self.delay)
            return await self._reply(request, reply)
        finally:
            self.in_progress -= 1

    async def _reply(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.fault == "stall":
            await self.release.wait()
        if reply.fault in ("", "stall"):
            return web.Response(body=reply.body, status=reply.status, headers=reply.headers)
        response = web.StreamResponse(headers={"Content-Length": str(len(reply.body) + 1)})
        await response.prepare(request)
        await response.write(reply.body)
        if reply.fault == "stall in body":
            await self.release.wait()
        if request.transport is not None:
            request.transport.close()
        return response


@asynccontextmanager
async def running_key_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[KeyServer]:
    server = KeyServer(tls)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def asap_path(key_id: str) -> str:
    return f"/{hashlib.sha256(key_id.encode()).hexdigest()}.pem"


@cache
def public_key(name: str) -> ec.EllipticCurvePublicKey:
    """Return a key that depends on the name only."""
    digest = hashlib.sha256(name.encode()).digest()
    return ec.derive_private_key(int.from_bytes(digest[:31]) + 1, ec.SECP256R1()).public_key()


def pem(name: str) -> str:
    return pem_of(public_key(name))


def pem_of(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, form).decode()


def certificate(name: str, start: float, end: float) -> str:
    """Return a certificate that is valid between two Unix times."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder(subject, subject, public_key(name), 1)
        .not_valid_before(datetime.fromtimestamp(start, UTC))
        .not_valid_after(datetime.fromtimestamp(end, UTC))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


def jwk(key_id: str, name: str | None = None, **members: Any) -> dict[str, Any]:
    public = ECAlgorithm.to_jwk(public_key(name or key_id), as_dict=True)
    return {**public, "kid": key_id, **members}


def is_key(found: object, name: str) -> bool:
    return isinstance(found, VerificationKey) and found.material == public_key(name)


def set_fetch_timeout(source: RemoteSource, seconds: float) -> None:
    """Set the fetch timeout: short for a stall, long if a response must arrive."""
    source._fetcher._http._timeout = seconds


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true; fail after half a minute."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # no event reports the condition
            await asyncio.sleep(0.001)
