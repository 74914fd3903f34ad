"""Revocations at the proxy endpoints: guests, cookies, addresses, and a store not yet read."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest

from tests.support.handoff import HOST, KEY, Clock, cookie
from tests.support.sidecar import NOW, Sidecar, Start, mint
from verifier.decisions.bypass import Bypass
from verifier.http.handoff import Handoff
from verifier.http.pages import Pages
from verifier.revocation.model import Revocation
from verifier.revocation.stores.memory import MemoryStore


class UnreadStore(MemoryStore):
    """A store that was not read yet."""

    loaded = False


async def ask_nginx(sidecar: Sidecar, uri: str, *headers: tuple[str, str]) -> tuple[int, str]:
    status, found, _ = await sidecar.nginx(uri, HOST, *headers)
    return status, found.get("X-Jitsi-Denial", "")


def closed_room() -> Revocation:
    return Revocation(room="standup", expires=NOW + 60)


async def test_a_closed_room_is_closed_to_guests(start: Start) -> None:
    store = MemoryStore()
    sidecar = await start(store=store, allow_empty_token=True)
    assert await ask_nginx(sidecar, "/standup") == (200, "")
    await store.put(closed_room())
    assert await ask_nginx(sidecar, "/standup") == (403, "revoked")
    assert await ask_nginx(sidecar, "/retro") == (200, "")


async def test_a_closed_room_is_closed_to_handoff_cookies(start: Start) -> None:
    store = MemoryStore()
    sidecar = await start(store=store, pages=Pages(handoff=Handoff([KEY], Clock())))
    assert await ask_nginx(sidecar, "/standup", cookie()) == (200, "")
    await store.put(closed_room())
    assert await ask_nginx(sidecar, "/standup", cookie()) == (403, "revoked")
    assert await store.remove(closed_room().id)
    assert await ask_nginx(sidecar, "/standup", cookie()) == (200, "")


async def test_a_closed_room_is_closed_to_service_participants(start: Start) -> None:
    store = MemoryStore()
    bypass = Bypass([ip_network("10.9.0.0/16")], [ip_network("127.0.0.0/8")])
    sidecar = await start(store=store, bypass=bypass)
    address = ("X-Real-IP", "10.9.1.2")
    assert await ask_nginx(sidecar, "/standup", address) == (200, "")
    await store.put(closed_room())
    assert await ask_nginx(sidecar, "/standup", address) == (403, "revoked")


async def test_a_denial_hides_the_reason_of_the_revocation(start: Start) -> None:
    store = MemoryStore()
    sidecar = await start(store=store)
    await store.put(Revocation(jti="t-1", reason="stolen from Ada", expires=NOW + 60))
    status, headers, body = await sidecar.nginx(f"/standup?jwt={mint(jti='t-1')}", HOST)
    assert (status, headers["X-Jitsi-Denial"]) == (403, "revoked")
    assert json.loads(body)["detail"] == "revoked by jti"
    assert "Ada" not in body + str(headers)
    assert headers["Cache-Control"] == "no-store"
    answer = await verify(sidecar, mint(jti="t-1"))
    assert (answer["error"], answer["reason"]) == ("not-allowed", "revoked")


async def verify(sidecar: Sidecar, token: str) -> dict[str, Any]:
    _, _, body = await sidecar.ask("/v1/verify", method="POST", json={"token": token})
    found: dict[str, Any] = json.loads(body)
    return found


async def test_report_only_lets_revoked_tokens_in_and_reports_them(start: Start) -> None:
    store = MemoryStore()
    sidecar = await start(store=store, report_only=True)
    await store.put(Revocation(jti="t-1", expires=NOW + 60))
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={mint(jti='t-1')}", HOST)
    assert (status, headers["X-Jitsi-Would-Deny"]) == (200, "revoked")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/auth", {"X-Original-URI": "/standup?jwt={}"}),
        ("/auth-url", {"X-Original-URL": "https://a.b/standup?jwt={}"}),
        (
            "/forward-auth",
            {"X-Forwarded-Uri": "/standup?jwt={}", "X-Forwarded-Host": "meet.example.org"},
        ),
        ("/ext-authz/standup?jwt={}", {}),
    ],
)
async def test_every_request_is_denied_until_the_store_was_read(
    start: Start, path: str, headers: dict[str, str]
) -> None:
    sidecar = await start(store=UnreadStore())
    sent = [(name, value.format(mint())) for name, value in headers.items()]
    for _ in range(2):
        status, found, body = await sidecar.ask(path.format(mint()), *sent)
        assert (status, found["Retry-After"]) == (503, "1")
        assert json.loads(body)["code"] == "store-unavailable"
    assert sidecar.count("decision_cache_entries") == 0


async def test_programs_are_told_to_retry_until_the_store_was_read(start: Start) -> None:
    sidecar = await start(store=UnreadStore())
    status, headers, body = await sidecar.ask("/v1/verify", method="POST", json={"token": mint()})
    assert (status, headers["Retry-After"]) == (503, "1")
    assert json.loads(body)["code"] == "store-unavailable"
    bearer = ("Authorization", f"Bearer {mint()}")
    assert (await sidecar.ask("/access", bearer))[2] == '{"access": false}'
    password = f"/check_password?user=u&server=s&pass={mint()}"
    assert (await sidecar.ask(password))[2] == "false"


async def test_a_bad_token_gets_its_own_code_before_the_store_was_read(start: Start) -> None:
    sidecar = await start(store=UnreadStore())
    assert await ask_nginx(sidecar, f"/standup?jwt={mint(exp=1)}") == (401, "token-expired")
    assert await ask_nginx(sidecar, "/standup") == (401, "token-missing")


async def test_cookies_and_guests_are_denied_until_the_store_was_read(start: Start) -> None:
    sidecar = await start(store=UnreadStore(), pages=Pages(handoff=Handoff([KEY], Clock())))
    assert await ask_nginx(sidecar, "/standup", cookie()) == (503, "store-unavailable")
    store = UnreadStore()
    sidecar = await start(store=store, allow_empty_token=True)
    assert await ask_nginx(sidecar, "/standup") == (503, "store-unavailable")
    store.loaded = True
    assert await ask_nginx(sidecar, "/standup") == (200, "")
