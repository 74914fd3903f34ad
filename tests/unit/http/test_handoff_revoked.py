"""A hand-off cookie stands for its token: a revocation of the token closes the page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.handoff import HOST, KEY, Clock, set_cookie
from tests.support.sidecar import NOW, Sidecar, Start, mint
from tests.support.tokens import present
from verifier.http.handoff import Handoff
from verifier.http.pages import Pages
from verifier.revocation.model import Revocation
from verifier.revocation.stores.memory import MemoryStore
from verifier.tokens.jws import token_digest

PAGE = "/acme/standup"
CLAIMS = {
    "jti": "t-1",
    "iat": NOW - 10.5,
    "sub": "acme",
    "context": {"user": {"id": "u-1"}, "tenant": "Other.Corp"},
}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def sidecar(start: Start, store: MemoryStore) -> Sidecar:
    return await start(store=store, pages=Pages(handoff=Handoff([KEY], Clock())))


async def hand_off(sidecar: Sidecar, token: str, path: str = "/standup") -> tuple[str, str]:
    """Open a link; return the ``Cookie`` header of the browser."""
    _, headers, _ = await sidecar.nginx(f"{path}?jwt={token}", HOST)
    morsel = set_cookie(headers)
    return ("Cookie", f"{morsel.key}={morsel.value}")


async def status(sidecar: Sidecar, uri: str, *headers: tuple[str, str]) -> tuple[int, str]:
    answered, found, _ = await sidecar.nginx(uri, HOST, *headers)
    return answered, found.get("X-Jitsi-Denial", "")


@pytest.mark.parametrize(
    "criteria",
    [
        {"jti": "t-1"},
        {"token_digest": ...},
        {"user_id": "u-1"},
        {"kid": "k-1"},
        {"iss": "app", "issued_before": NOW - 10},
        {"room": "standup"},
        {"tenant": "acme"},
        {"tenant": "other.corp"},
        {"room": "standup", "jti": "t-1"},
        {"jti": "t-1", "user_id": "u-1", "kid": "k-1", "room": "standup", "tenant": "acme"},
        {"iss": "app", "issued_before": NOW, "user_id": "u-1"},
    ],
)
async def test_a_revocation_that_matches_the_token_closes_the_page(
    sidecar: Sidecar, store: MemoryStore, criteria: dict[str, Any]
) -> None:
    token = mint({"kid": "k-1"}, **CLAIMS)
    sent = await hand_off(sidecar, token, PAGE)
    assert await status(sidecar, PAGE, sent) == (200, "")
    digest = {"token_digest": token_digest(token)} if "token_digest" in criteria else {}
    revocation = Revocation(**(criteria | digest), expires=NOW + 60)
    await store.put(revocation)
    assert await status(sidecar, PAGE, sent) == (403, "revoked")
    assert await status(sidecar, f"{PAGE}?jwt={token}") == (403, "revoked")
    await store.remove(revocation.id)
    assert await status(sidecar, PAGE, sent) == (200, "")


@pytest.mark.parametrize(
    "criteria",
    [
        {"jti": "t-2"},
        {"jti": "u-1"},
        {"user_id": "t-1"},
        {"token_digest": "0" * 64},
        {"iss": "app", "issued_before": NOW - 20},
        {"iss": "other", "issued_before": NOW},
        {"room": "retro"},
        {"tenant": "app"},
        {"jti": "t-1", "user_id": "u-2"},
        {"jti": "t-1", "room": "retro"},
    ],
)
async def test_another_revocation_does_not_close_the_page(
    sidecar: Sidecar, store: MemoryStore, criteria: dict[str, Any]
) -> None:
    sent = await hand_off(sidecar, mint({"kid": "k-1"}, **CLAIMS), PAGE)
    await store.put(Revocation(**criteria, expires=NOW + 60))
    assert await status(sidecar, PAGE, sent) == (200, "")


async def test_a_token_without_a_time_counts_as_issued_before_any_time(
    sidecar: Sidecar, store: MemoryStore
) -> None:
    await store.put(Revocation(iss="app", issued_before=1, expires=NOW + 60))
    for claims, expected in (({"iat": ...}, 403), ({"iat": -5}, 403), ({"iat": NOW}, 200)):
        token = mint(**present(claims | {"jti": "t-1"}))
        await store.remove(Revocation(iss="app", issued_before=1, expires=NOW).id)
        sent = await hand_off(sidecar, token)
        await store.put(Revocation(iss="app", issued_before=1, expires=NOW + 60))
        assert (await status(sidecar, "/standup", sent))[0] == expected


async def test_a_room_claim_that_is_revoked_closes_the_page_of_a_wildcard(
    sidecar: Sidecar, store: MemoryStore
) -> None:
    sent = await hand_off(sidecar, mint(room="*"), "/retro")
    await store.put(Revocation(room="standup", expires=NOW + 60))
    assert await status(sidecar, "/retro", sent) == (200, "")
    await store.put(Revocation(room="retro", expires=NOW + 60))
    assert await status(sidecar, "/retro", sent) == (403, "revoked")


async def test_a_guest_may_enter_where_a_revoked_cookie_may_not(
    start: Start, store: MemoryStore
) -> None:
    """The client behind the cookie has the revoked token, which signalling denies."""
    pages = Pages(handoff=Handoff([KEY], Clock()))
    sidecar = await start(store=store, pages=pages, allow_empty_token=True)
    sent = await hand_off(sidecar, mint(jti="t-1"))
    await store.put(Revocation(jti="t-1", expires=NOW + 60))
    assert await status(sidecar, "/standup") == (200, "")
    assert await status(sidecar, "/standup", sent) == (403, "revoked")


async def test_the_cookie_contains_no_value_of_the_token(sidecar: Sidecar) -> None:
    user, jti = "user-17@example.org", "5c3ed2a0-2d0c-4c4e-9a51-0a1f52b9f9a0"
    _, value = await hand_off(sidecar, mint(jti=jti, context={"user": {"id": user}}))
    for text in (user, jti, "app", "standup"):
        assert text not in value
    assert len(value) <= 200
