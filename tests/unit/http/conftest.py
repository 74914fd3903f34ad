"""The decision listener in this process, on a free port, with keys and clock given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tests.support.tokens import SECRET, present, sign
from verifier.decisions.cache import DecisionCache
from verifier.decisions.hosts import Hosts
from verifier.decisions.verifier import Verifier
from verifier.http.bypass import Bypass
from verifier.http.pages import Pages
from verifier.http.proxy_auth import GateOptions
from verifier.http.server import HardenedServer
from verifier.http.service import DecisionService
from verifier.keys.model import VerificationKey
from verifier.keys.sources.base import Missing
from verifier.observability.decision_log import DecisionLog, LogLines, Sink
from verifier.observability.metrics import PrometheusObserver
from verifier.revocation.stores import RevocationCache, RevocationStore
from verifier.revocation.stores.memory import MemoryStore
from verifier.rules.policy import Policy
from verifier.single_use import SingleUse

pytest.register_assert_rewrite("tests.support.twins")

NOW = 1_800_000_000
POLICY = Policy(
    asap_accepted_issuers=("app",),
    muc_mapper_domain_base="meet.example.org",
    muc_mapper_domain="conference.meet.example.org",
)
CLAIMS: dict[str, Any] = {
    "iss": "app",
    "aud": "jitsi",
    "sub": "meet.example.org",
    "room": "standup",
    "exp": NOW + 60,
    "context": {"user": {"id": "u-1", "name": "Ada", "email": "ada@example.org"}},
}


def mint(header: dict[str, Any] | None = None, **claims: Any) -> str:
    return sign(present(CLAIMS | claims), header)


@dataclass
class FakeKeys:
    """Keys that are all at hand, and an answer for those that are not."""

    answer: Missing = Missing.UNKNOWN
    waits: bool = True
    unavailable: bool = False
    digests: dict[str, tuple[VerificationKey, float]] = field(default_factory=dict)
    static: list[VerificationKey] = field(
        default_factory=lambda: [
            VerificationKey(None, frozenset({"HS256"}), SECRET.encode(), "secret")
        ]
    )

    def get(self, _key_id: str) -> VerificationKey | None:
        return None

    async def fetch(self, _key_id: str) -> VerificationKey | Missing:
        return self.answer

    def answer_without_fetch(self, _key_id: str) -> Missing | None:
        return None if self.waits else self.answer

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        return self.digests.get(digest)


@dataclass
class Sidecar:
    url: str
    client: aiohttp.ClientSession
    observer: PrometheusObserver
    verifier: Verifier

    async def ask(
        self, path: str, *headers: tuple[str, str], method: str = "GET", **more: Any
    ) -> tuple[int, CIMultiDict[str], str]:
        """Send one request; doubled headers are possible."""
        url, fields = URL(self.url + path, encoded=True), CIMultiDict(headers)
        async with self.client.request(method, url, headers=fields, **more) as response:
            return response.status, CIMultiDict(response.headers), await response.text()

    async def nginx(self, uri: str, *headers: tuple[str, str]) -> tuple[int, CIMultiDict[str], str]:
        """Ask as nginx does."""
        return await self.ask("/auth", ("X-Original-URI", uri), *headers)

    def count(self, name: str, **labels: str) -> float:
        """Read one sample."""
        return self.observer.registry.get_sample_value(f"jitsi_verifier_{name}", labels) or 0.0


NOBODY = Bypass()
PLAIN_PAGES = Pages()


Start = Callable[..., Awaitable[Sidecar]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a sidecar: ``await start(allow_empty_token=True, ttl=30, keys=..., cookie=...)``."""
    closing: list[Callable[[], Awaitable[Any]]] = []

    async def begin(
        *,
        ttl: int = 30,
        keys: FakeKeys | None = None,
        cookie: str | None = None,
        bypass: Bypass = NOBODY,
        pages: Pages = PLAIN_PAGES,
        report_only: bool = False,
        sinks: Sequence[Sink] = (),
        store: RevocationStore | None = None,
        single_use: SingleUse | None = None,
        **options: Any,
    ) -> Sidecar:
        observer, cache = PrometheusObserver(), DecisionCache(ttl)
        known = RevocationCache(store or MemoryStore(), cache.clear)
        await known.store.start(known)
        policy = replace(POLICY, **options)
        judged_by = keys or FakeKeys()
        verifier = Verifier(
            policy, judged_by, lambda: NOW, revoked=known.refusal, single_use=single_use
        )
        service = DecisionService(
            Hosts(verifier, {}),
            cache,
            observer,
            DecisionLog([LogLines(), *sinks], report_only=report_only),
            GateOptions(ttl, cookie, bypass, pages, report_only),
            known.refresh,
        )
        runner = web.ServerRunner(HardenedServer(service.handle, fast=service.fast_lane.answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        client = aiohttp.ClientSession()
        closing.extend((client.close, runner.cleanup))
        host, port = runner.addresses[0][:2]
        return Sidecar(f"http://{host}:{port}", client, observer, verifier)

    yield begin
    for close in closing:
        await close()
