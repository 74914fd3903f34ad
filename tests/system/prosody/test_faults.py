"""Faults of the verifier: Prosody refuses logins and joins, and reports and recovers."""

from __future__ import annotations

import asyncio

import pytest

from tests.system.prosody.clients import ClientFactory, Deployment, wait_until
from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import DROPPED, Joined, Refusal
from tests.system.prosody.tokens import hs_token

HOST = "fault.test"
MUC = "conference.fault.test"
TEXT = "Tokens cannot be verified at the moment, please try again later"
TRY_LATER = Refusal("remote-server-timeout", TEXT, None, "wait")
NO_ANSWER_LOG = "gives no verdict"

FAULTS = [
    "status-500",
    "status-404",
    "status-400",
    "status-503",
    "status-204",
    "status-301",
    "status-201",
    "cut",
    "silent",
    "garbage",
    "empty",
    "half",
    "trailing",
    "huge",
    "deep",
    "null",
    "list",
    "number",
    "true",
    "no-members",
    "allowed-text",
    "allowed-one",
    "allowed-null",
    "text-session",
    "list-session",
    "odd-affiliation",
    "number-affiliation",
    "hash-member",
    "array-member",
    "room-of-wrong-type",
    "tenant-of-wrong-type",
    "user-of-wrong-type",
]


@pytest.mark.parametrize("token", FAULTS)
async def test_faulty_answer_refuses_a_login(clients: ClientFactory, token: str) -> None:
    assert await clients.websocket(HOST, f"token={token}").login() == DROPPED


@pytest.mark.parametrize("token", FAULTS)
async def test_faulty_answer_refuses_a_join(
    clients: ClientFactory, prosody: Prosody, token: str
) -> None:
    room = f"fault-{token}@{MUC}"
    user = await clients.log_in(HOST, f"token=login-{token}")
    assert await user.join(room) == TRY_LATER
    assert prosody.affiliations(room) is None
    await user.ping()


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("bare-deny", "Access denied"),
        ("odd-deny", "Access denied"),
        ("no-xml-deny", "Access denied"),
        ("long-deny", "Access denied"),
        ("null-deny", "Access denied"),
        ("markup-deny", "<not> & 'quoted'"),
    ],
)
async def test_odd_denials_are_refusals(clients: ClientFactory, token: str, text: str) -> None:
    assert await clients.websocket(HOST, f"token={token}").login() == Refusal("not-allowed", text)
    user = await clients.log_in(HOST, f"token=login-{token}")
    assert await user.join(f"odd@{MUC}") == Refusal("not-allowed", text, None, "cancel")


async def test_faulty_answers_refuse_bosh_users_too(clients: ClientFactory) -> None:
    assert await clients.bosh(HOST, "token=status-500").login() == DROPPED
    user = clients.bosh(HOST, "token=login-garbage")
    assert await user.login() is None
    assert await user.join(f"by-bosh@{MUC}") == TRY_LATER
    await user.close()


async def test_unknown_and_null_members_are_ignored(
    clients: ClientFactory, prosody: Prosody
) -> None:
    user = await clients.log_in(HOST, "token=odd-session")
    session = prosody.session(user.jid) or {}
    assert session["username"] != "admin"
    assert "jitsi_meet_room" not in session
    assert "jitsi_meet_context_features" not in session
    assert session["jitsi_meet_context_user"] == {"id": "u-1", "list": [1, {}]}


async def test_allow_without_session_members_is_accepted(clients: ClientFactory) -> None:
    await clients.log_in(HOST, "token=null-session")


async def test_unavailable_keys_are_a_temporary_failure(clients: ClientFactory) -> None:
    user = clients.websocket(HOST, "token=keyless")
    assert await user.login() == DROPPED
    user = await clients.log_in(HOST, "token=login-keyless")
    text = "could not obtain public key"
    assert await user.join(f"keyless@{MUC}") == Refusal("remote-server-timeout", text, None, "wait")


async def test_waiting_login_does_not_block_other_users(
    clients: ClientFactory, fake_verifier: FakeVerifier
) -> None:
    slow = clients.websocket("slow.test", "token=waiting-1")
    await slow.open()
    await slow.start_authentication()
    await wait_until(lambda: bool(fake_verifier.requests_with("waiting-1")))
    quick = await clients.log_in("slow.test", "token=allow")
    assert isinstance(await quick.join("quick@conference.slow.test"), Joined)
    await quick.ping()
    fake_verifier.release("waiting-1")
    assert await slow.authentication_result() is None


async def test_invalid_options_refuse_all_logins(clients: ClientFactory, prosody: Prosody) -> None:
    assert await clients.websocket("bad.test", "token=allow").login() == DROPPED
    log = prosody.log()
    assert 'expected http:// or https:// addresses, found "ftp://verifier.example.org"' in log
    assert "jitsi_verifier_timeout: expected seconds above 0" in log
    assert "hidden-password" not in log


async def test_verifier_outage_refuses_logins_and_is_logged_once(
    clients: ClientFactory, deployment: Deployment
) -> None:
    prosody, verifier = deployment.prosody, deployment.restarted_verifier
    query = f"token={hs_token(sub='down.test')}"
    address = f"http://127.0.0.1:{verifier.port}/v1/verify"
    start = prosody.log_size()

    async def refused_logins(number: int) -> None:
        users = [clients.websocket("down.test", query) for _ in range(number)]
        results = await asyncio.gather(*(user.login() for user in users))
        assert results == [DROPPED] * number

    await refused_logins(50)
    assert prosody.log(start).count(f"{address} {NO_ANSWER_LOG}") == 1

    verifier.start()
    user = await clients.log_in("down.test", query)
    assert isinstance(await user.join("up@conference.down.test"), Joined)
    assert prosody.log(start).count(f"{address} gives verdicts again") == 1

    verifier.stop()
    assert await user.join("down@conference.down.test") == TRY_LATER
    await refused_logins(5)
    assert prosody.log(start).count(f"{address} {NO_ANSWER_LOG}") == 2

    verifier.start()
    assert isinstance(await user.join("up-again@conference.down.test"), Joined)
    verifier.stop()


async def test_working_address_is_found_and_kept(
    clients: ClientFactory, fake_verifier: FakeVerifier, prosody: Prosody
) -> None:
    start = prosody.log_size()
    await clients.log_in("failover.test", "token=allow")
    assert prosody.log(start).count(NO_ANSWER_LOG) == 2
    count = len(fake_verifier.requests)
    await clients.log_in("failover.test", "token=allow")
    assert len(fake_verifier.requests) == count + 1
    assert prosody.log(start).count(NO_ANSWER_LOG) == 2


async def test_fifty_concurrent_logins_succeed(clients: ClientFactory) -> None:
    queries = [f"token={hs_token(context={'user': {'id': str(i)}})}" for i in range(50)]
    users = await asyncio.gather(*(clients.log_in("hs.test", query) for query in queries))
    assert len({user.bare_jid for user in users}) == 50
    room = "crowd@conference.hs.test"
    joins = await asyncio.gather(*(user.join(room, f"n{i}") for i, user in enumerate(users)))
    assert joins == [Joined("member", "participant")] * 50


async def test_connections_to_the_verifier_stay_open(
    clients: ClientFactory, fake_verifier: FakeVerifier
) -> None:
    start = len(fake_verifier.connections)
    for _ in range(5):
        await clients.log_in(HOST, "token=allow")
    assert len(set(fake_verifier.connections[start:])) == 1
    # The first attempt may have met a connection that the server had closed, the second one not.
    assert await clients.websocket(HOST, "token=cut-once").login() == DROPPED
    assert len(fake_verifier.requests_with("cut-once")) == 2
    await clients.log_in(HOST, "token=allow")
