"""A revocation takes effect at the next request: all endpoints, all workers, cached or not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from urllib.parse import quote

import pytest

from tests.support.processes import Answer, RunningVerifier, post, running_verifier, wait_until
from tests.support.revocations import listed, revoke, undo
from tests.support.supervised import Client, owned_clients, running_workers, token
from tests.support.tokens import SECRET, sign
from verifier.tokens.jws import token_digest

HOST = {"Host": "meet.example.org"}
TOKEN = token(jti="named by its digest")
numbers = count()


@dataclass(frozen=True)
class Endpoint:
    """How to send a token to an endpoint, and how the endpoint allows or denies."""

    ask: Callable[[Client, str], Answer]
    denial: tuple[int, str]
    allows: Callable[[Answer], bool] = lambda answer: answer.status == 200

    def denies(self, answer: Answer) -> bool:
        status, text = self.denial
        return answer.status == status and text in answer.body + answer.code


def original(header: str, path: str, prefix: str = "", **more: str) -> Callable[..., Answer]:
    def ask(client: Client, good: str) -> Answer:
        return client.exchange("GET", path, HOST | {header: f"{prefix}/standup?jwt={good}"} | more)

    return ask


def ext_authz(client: Client, good: str) -> Answer:
    return client.exchange("GET", f"/ext-authz/standup?jwt={good}", HOST)


def slow_auth(client: Client, good: str) -> Answer:
    """Ask in a way that the fast lane leaves to others."""
    headers = HOST | {"X-Original-URI": f"/standup?jwt={good}", "X-Unheard-Of": "1"}
    return client.exchange("GET", "/auth", headers)


def verify(client: Client, good: str) -> Answer:
    """Use a new connection, to any worker: the service closes a connection after a body."""
    body = {"token": good, "room_jid": "standup@conference"}
    return post(client.service, "/v1/verify", json.dumps(body).encode())


def access(client: Client, good: str) -> Answer:
    return client.exchange("GET", "/access", HOST | {"Authorization": f"Bearer {good}"})


def check_password(client: Client, good: str) -> Answer:
    return client.exchange("GET", f"/check_password?user=u&server=s&pass={quote(good)}", HOST)


REVOKED = 403, "revoked"
FORWARDED = {"X-Forwarded-Host": "meet.example.org"}
ENDPOINTS = {
    "auth": Endpoint(original("X-Original-URI", "/auth"), REVOKED),
    "auth, not by the fast lane": Endpoint(slow_auth, REVOKED),
    "auth-url": Endpoint(original("X-Original-URL", "/auth-url", "https://a.b"), REVOKED),
    "forward-auth": Endpoint(original("X-Forwarded-Uri", "/forward-auth", **FORWARDED), REVOKED),
    "ext-authz": Endpoint(ext_authz, REVOKED),
    "verify": Endpoint(verify, (200, '"code": "revoked"'), lambda answer: answer.json["allowed"]),
    "access": Endpoint(
        access, (200, '{"access": false}'), lambda answer: answer.json == {"access": True}
    ),
    "check-password": Endpoint(
        check_password, (200, "false"), lambda answer: answer.body == "true"
    ),
}


@dataclass(frozen=True)
class Service:
    verifier: RunningVerifier
    clients: list[Client]
    """Two connections to each worker."""


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("revocation")
    if request.param == 1:
        with running_verifier(folder, JWT_APP_ID="app", JWT_APP_SECRET=SECRET) as verifier:
            clients = [Client(verifier), Client(verifier)]
            yield Service(verifier, clients)
            for client in clients:
                client.close()
    else:
        with (
            running_workers(folder, None, 2) as verifier,
            owned_clients(verifier, token()) as owned,
        ):
            yield Service(verifier, list(chain.from_iterable(owned.values())))


@pytest.mark.parametrize("name", ENDPOINTS)
def test_revoking_and_undoing_take_effect_at_the_next_request(service: Service, name: str) -> None:
    endpoint, verifier = ENDPOINTS[name], service.verifier
    for cached in (True, False):
        name_of_user = f"user {next(numbers)}"
        good = token(**user(name_of_user))
        for client in service.clients if cached else []:
            assert endpoint.allows(endpoint.ask(client, good))
        revoke(verifier, user_id=name_of_user)
        for client in service.clients * 2:
            assert endpoint.denies(endpoint.ask(client, good)), cached
        undo(verifier, user_id=name_of_user)
        for client in service.clients * 2:
            assert endpoint.allows(endpoint.ask(client, good)), cached


def mint(kid: str = "k-2", /, **claims: object) -> str:
    usual = {"iss": "app", "aud": "a", "sub": "*", "room": "*", "exp": time.time() + 86_400}
    return sign(usual | claims, {"kid": kid})


def user(name: str) -> dict[str, object]:
    return {"context": {"user": {"id": name}}}


@pytest.mark.parametrize(
    ("criterion", "matching", "other"),
    [
        ({"jti": "i-1"}, mint(jti="i-1"), mint(jti="i-2")),
        ({"user_id": "u-1"}, mint(**user("u-1")), mint(**user("u-2"))),
        ({"iss": "app", "issued_before": 2_000}, mint(iat=1_000), mint(iat=3_000)),
        ({"kid": "k-1"}, mint("k-1"), mint("k-2")),
        ({"room": "Retro"}, mint(room="retro"), mint()),
        ({"tenant": "ACME"}, mint(sub="acme"), mint(sub="corp")),
        ({"token_digest": token_digest(TOKEN)}, TOKEN, mint(other=1)),
        ({"token": TOKEN}, TOKEN, mint(other=1)),
        ({"jti": "i-1", "user_id": "u-1"}, mint(jti="i-1", **user("u-1")), mint(jti="i-1")),
    ],
)
def test_every_criterion_denies_matching_tokens_only(
    service: Service, criterion: dict[str, object], matching: str, other: str
) -> None:
    def answers(presented: str) -> set[str]:
        """Ask about the token alone, so that any room claim is accepted."""
        return {access(client, presented).body for client in service.clients}

    allowed, denied = {'{"access": true}'}, {'{"access": false}'}
    assert answers(matching) == answers(other) == allowed
    revoke(service.verifier, **criterion)
    assert answers(matching) == denied
    assert answers(other) == allowed
    undo(service.verifier, **criterion)
    assert answers(matching) == allowed


def test_a_revoked_room_denies_all_tokens_in_that_room_only(service: Service) -> None:
    def status(client: Client, room: str) -> tuple[int, str]:
        answer = client.exchange("GET", f"/ext-authz/{room}?jwt={mint()}", HOST)
        return answer.status, answer.code

    assert {status(client, "retro") for client in service.clients} == {(200, "")}
    revoke(service.verifier, room="retro")
    for client in service.clients:
        assert status(client, "Retro") == status(client, "acme/retro") == REVOKED
        assert status(client, "retro2") == (200, "")
    undo(service.verifier, room="retro")


def test_a_cached_denial_ends_with_the_revocation(service: Service) -> None:
    good = mint(jti="soon")
    revoke(service.verifier, jti="soon", expires=time.time() + 1.5)
    client = service.clients[0]
    assert client.ask(good) == client.ask(good) == REVOKED
    wait_until(lambda: client.ask(good) == (200, ""), "the revocation's end")
    wait_until(lambda: listed(service.verifier) == [], "an empty list")
    wait_until(lambda: service.verifier.metric("revocations") == 0, "no revocation")
