"""An unavailable store: changes are not acknowledged, and ``/readyz`` reports the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.support.sidecar import NOW, FakeKeys
from verifier.decisions.hosts import Hosts
from verifier.decisions.verifier import Verifier
from verifier.http.admin.api import AdminService
from verifier.http.admin.revocations import RevocationsEndpoint
from verifier.http.admin.wrong_tokens import WrongTokens
from verifier.http.server import HttpServer
from verifier.revocation.cache import RevocationCache
from verifier.revocation.model import Revocation
from verifier.revocation.stores.memory import MemoryStore
from verifier.rules.policy import Policy
from verifier.storage.errors import StoreUnavailableError

UNAVAILABLE = "revocation store: connection refused"


class UnavailableStore(MemoryStore):
    """A store that fails all changes."""

    def __init__(self) -> None:
        self.problem = UNAVAILABLE

    async def put(self, revocation: Revocation) -> None:
        """Fail."""
        del revocation
        raise StoreUnavailableError(UNAVAILABLE)

    async def remove(self, revocation_id: str) -> bool:
        """Fail."""
        del revocation_id
        raise StoreUnavailableError(UNAVAILABLE)


Ask = Callable[..., Awaitable[tuple[int, dict[str, str], Any]]]


@pytest.fixture
async def admin() -> AsyncIterator[Callable[[MemoryStore], Awaitable[Ask]]]:
    async with AsyncExitStack() as stack:

        async def start(store: MemoryStore) -> Ask:
            cache = RevocationCache(store, lambda: None)
            await store.start(cache)
            cache.put([Revocation(jti="known", expires=NOW + 5)])
            hosts = Hosts(Verifier(Policy(), FakeKeys(), lambda: NOW), {})
            endpoint = RevocationsEndpoint(cache, lambda: NOW, 0)
            wrong = WrongTokens(lambda: None)
            service = AdminService(lambda: b"", tuple, hosts, None, endpoint, wrong, "enforce")
            server = HttpServer(service.respond, takes_body=service.takes_body)
            acceptor = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
            stack.push_async_callback(server.close)
            stack.callback(acceptor.close)
            client = await stack.enter_async_context(aiohttp.ClientSession())
            host, port = acceptor.sockets[0].getsockname()[:2]

            async def ask(method: str, path: str, **more: Any) -> tuple[int, dict[str, str], Any]:
                async with client.request(method, f"http://{host}:{port}{path}", **more) as answer:
                    return answer.status, dict(answer.headers), json.loads(await answer.read())

            return ask

        yield start


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_change_that_is_not_stored_is_503(
    admin: Callable[[MemoryStore], Awaitable[Ask]], method: str
) -> None:
    ask = await admin(UnavailableStore())
    status, headers, body = await ask(method, "/v1/revocations", json={"jti": "a"})
    assert (status, headers["Retry-After"], body["detail"]) == (503, "1", UNAVAILABLE)
    assert headers["Content-Type"] == "application/problem+json"


async def test_known_revocations_are_listed_while_the_store_is_unavailable(
    admin: Callable[[MemoryStore], Awaitable[Ask]],
) -> None:
    ask = await admin(UnavailableStore())
    status, _, body = await ask("GET", "/v1/revocations")
    assert (status, body["revocations"][0]["jti"]) == (200, "known")


async def test_readiness_reports_an_unavailable_store(
    admin: Callable[[MemoryStore], Awaitable[Ask]],
) -> None:
    store = UnavailableStore()
    ask = await admin(store)
    status, _, body = await ask("GET", "/readyz")
    assert (status, body["ready"], body["revocations"]) == (503, False, UNAVAILABLE)
    store.problem = None
    status, _, body = await ask("GET", "/readyz")
    assert (status, body["ready"], body["revocations"]) == (200, True, "ok")


async def test_listing_is_503_until_the_store_was_read(
    admin: Callable[[MemoryStore], Awaitable[Ask]],
) -> None:
    store = MemoryStore()
    ask = await admin(store)
    store.loaded = False
    status, headers, body = await ask("GET", "/v1/revocations")
    expected = "revocations have not been read yet"
    assert (status, headers["Retry-After"], body["detail"]) == (503, "1", expected)
    assert (await ask("GET", "/readyz"))[2]["revocations"] == expected


async def test_readiness_can_exclude_a_store_that_was_read(
    admin: Callable[[MemoryStore], Awaitable[Ask]],
) -> None:
    store = UnavailableStore()
    ask = await admin(store)
    path = "/readyz?exclude=revocation-store"
    status, _, body = await ask("GET", path)
    assert (status, body["ready"], body["revocations"]) == (200, True, UNAVAILABLE)
    store.loaded = False
    assert (await ask("GET", path))[0] == 503
    store.problem = None
    assert (await ask("GET", path))[0] == 503


@pytest.mark.parametrize(
    "name", ["revocation_store", "", "keys", "revocation-store&exclude=keys", "&a=b" * 128]
)
async def test_readiness_refuses_unknown_exclusions(
    admin: Callable[[MemoryStore], Awaitable[Ask]], name: str
) -> None:
    ask = await admin(UnavailableStore())
    status, headers, body = await ask("GET", f"/readyz?exclude={name}")
    assert (status, body["detail"]) == (400, "exclude: expected revocation-store")
    assert headers["Content-Type"] == "application/problem+json"
