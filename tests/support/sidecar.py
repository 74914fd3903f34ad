"""The service in this process: its application, a client, keys and tokens for unit tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from tests.support.samples import sample, samples_of
from tests.support.tokens import SECRET, present, sign
from verifier.decisions.bypass import Bypass
from verifier.decisions.verifier import Verifier
from verifier.http.pages import Pages
from verifier.keys.model import VerificationKey
from verifier.keys.sources.base import Missing
from verifier.observability.metrics import Metrics
from verifier.rules.policy import Policy

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
    """Static keys, and one answer for every key that would have to be fetched."""

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

    def asks_again_in(self, _key_id: str) -> float | None:
        return None

    async def ask_again(self, _key_id: str) -> VerificationKey | Missing:
        return Missing.UNAVAILABLE

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        return self.digests.get(digest)


@dataclass
class Sidecar:
    url: str
    client: aiohttp.ClientSession
    metrics: Metrics
    verifier: Verifier

    async def ask(
        self, path: str, *headers: tuple[str, str], method: str = "GET", **more: Any
    ) -> tuple[int, CIMultiDict[str], str]:
        """Send one request; a header may be given twice. Return status, headers and body."""
        url, fields = URL(self.url + path, encoded=True), CIMultiDict(headers)
        async with self.client.request(method, url, headers=fields, **more) as response:
            return response.status, CIMultiDict(response.headers), await response.text()

    async def nginx(self, uri: str, *headers: tuple[str, str]) -> tuple[int, CIMultiDict[str], str]:
        """Send the request that nginx sends for ``uri``."""
        return await self.ask("/auth", ("X-Original-URI", uri), *headers)

    def count(self, name: str, **labels: str) -> float:
        """Return one sample of the metrics; 0 if there is none."""
        return samples_of(self.metrics).get(sample(name, **labels), 0.0)


NO_BYPASS = Bypass()

PLAIN_PAGES = Pages()

Start = Callable[..., Awaitable[Sidecar]]
