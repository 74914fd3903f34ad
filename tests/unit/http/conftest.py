"""The decision address in this process, on a free port, with keys and clock given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from tests.support.sidecar import (
    NO_BYPASS,
    NOW,
    PLAIN_PAGES,
    POLICY,
    FakeKeys,
    Sidecar,
    Start,
)
from tests.support.wire import MARK, Serve, Wire, answer_ok, stop
from verifier.decisions.bypass import Bypass
from verifier.decisions.cache import DecisionCache
from verifier.decisions.hosts import Hosts
from verifier.decisions.verifier import Verifier
from verifier.http.decision_service import DecisionService
from verifier.http.pages import Pages
from verifier.http.parser import Limits
from verifier.http.proxy_auth import ProxyAuthOptions
from verifier.http.request import Request
from verifier.http.server import Handler, HttpServer
from verifier.observability.decision_log import DecisionLog
from verifier.observability.metrics import Metrics
from verifier.observability.sinks import LogLines, Sink
from verifier.revocation.cache import RevocationCache
from verifier.revocation.stores.base import RevocationStore
from verifier.revocation.stores.memory import MemoryStore
from verifier.single_use import SingleUse


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a sidecar: ``await start(allow_empty_token=True, ttl=30, keys=..., cookie=...)``."""
    closing: list[Callable[[], Awaitable[Any]]] = []

    async def begin(
        *,
        ttl: int = 30,
        keys: FakeKeys | None = None,
        cookie: str | None = None,
        bypass: Bypass = NO_BYPASS,
        pages: Pages = PLAIN_PAGES,
        report_only: bool = False,
        sinks: Sequence[Sink] = (),
        store: RevocationStore | None = None,
        single_use: SingleUse | None = None,
        **options: Any,
    ) -> Sidecar:
        metrics, cache = Metrics(), DecisionCache(ttl)
        revocations = RevocationCache(store or MemoryStore(), cache.clear)
        await revocations.store.start(revocations)
        policy = replace(POLICY, **options)
        verifier_keys = keys or FakeKeys()
        verifier = Verifier(
            policy, verifier_keys, lambda: NOW, revoked=revocations.check, single_use=single_use
        )
        service = DecisionService(
            Hosts(verifier, {}),
            cache,
            metrics.decisions,
            DecisionLog([LogLines(), *sinks], report_only=report_only),
            ProxyAuthOptions(ttl, cookie, bypass, pages, report_only),
            revocations.refresh,
        )
        server = HttpServer(service.respond, takes_body=service.takes_body)
        acceptor = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        client = aiohttp.ClientSession()

        async def stop() -> None:
            acceptor.close()
            server.abort()
            await server.close()

        closing.extend((client.close, stop))
        host, port = acceptor.sockets[0].getsockname()[:2]
        return Sidecar(f"http://{host}:{port}", client, metrics, verifier)

    yield begin
    for close in closing:
        await close()


@pytest.fixture
def silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that aiohttp and asyncio log no warning, and that no log line repeats the token."""
    caplog.set_level(logging.DEBUG)
    yield
    records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert not [r for r in records if r.name != "verifier.http.server" and r.levelno > logging.INFO]
    assert not [r for r in records if MARK in caplog.handler.format(r)]
    assert not [r for r in records if r.name.startswith("aiohttp")]


@pytest.fixture
async def serve(silence: None) -> AsyncIterator[Serve]:
    del silence
    async with AsyncExitStack() as stack:

        async def start(
            handler: Handler = answer_ok, limits: Limits | None = None, *, bodies: bool = False
        ) -> Wire:
            def spy(request: Request) -> Any:
                wire.seen.append(request)
                return handler(request)

            reports: list[str] = []
            server = HttpServer(
                spy,
                takes_body=lambda _request: bodies,
                limits=limits or Limits(),
                report=reports.append,
            )
            listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
            stack.push_async_callback(stop, server)
            stack.callback(listener.close)
            wire = Wire(server, listener.sockets[0].getsockname()[1], stack, reports=reports)
            return wire

        yield start
