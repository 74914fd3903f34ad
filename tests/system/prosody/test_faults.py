from __future__ import annotations

import asyncio

import pytest

from tests.system.prosody.fake_verifier import FakeVerifier
from tests.system.prosody.minting import hs_token
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import Joined, Refusal
from tests.system.prosody.visitors import Deployment, Visitors, until

HOST = "fault.test"
MUC = "conference.fault.test"
TEXT = "Tokens cannot be verified at the moment, please try again later"
UNAVAILABLE = Refusal("temporary-auth-failure", TEXT)
NOT_NOW = Refusal("remote-server-timeout", TEXT, None, "wait")
NO_VERDICT = "gives no verdict"

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
    "truth",
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
    "room-of-another-type",
    "tenant-of-another-type",
    "user-of-another-type",
]


@pytest.mark.parametrize("token", FAULTS)
async def test_what_is_no_verdict_refuses_a_login(visitors: Visitors, token: str) -> None:
    assert await visitors.websocket(HOST, f"token={token}").login() == UNAVAILABLE


@pytest.mark.parametrize("token", FAULTS)
async def test_what_is_no_verdict_refuses_a_join(
    visitors: Visitors, prosody: Prosody, token: str
) -> None:
    room = f"fault-{token}@{MUC}"
    user = await visitors.enter(HOST, f"token=login-{token}")
    assert await user.join(room) == NOT_NOW
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
async def test_odd_refusals_are_refusals(visitors: Visitors, token: str, text: str) -> None:
    assert await visitors.websocket(HOST, f"token={token}").login() == Refusal(
        "not-authorized", text
    )
    user = await visitors.enter(HOST, f"token=login-{token}")
    assert await user.join(f"odd@{MUC}") == Refusal("not-allowed", text, None, "cancel")


async def test_bosh_users_are_told_too(visitors: Visitors) -> None:
    assert await visitors.bosh(HOST, "token=status-500").login() == UNAVAILABLE
    user = visitors.bosh(HOST, "token=login-garbage")
    assert await user.login() is None
    assert await user.join(f"by-bosh@{MUC}") == NOT_NOW
    await user.close()


async def test_only_known_values_are_taken_from_an_answer_and_no_null(
    visitors: Visitors, prosody: Prosody
) -> None:
    user = await visitors.enter(HOST, "token=odd-session")
    session = prosody.session(user.jid) or {}
    assert session["username"] != "admin"
    assert "jitsi_meet_room" not in session
    assert "jitsi_meet_context_features" not in session
    assert session["jitsi_meet_context_user"] == {"id": "u-1", "list": [1, {}]}


async def test_an_allowed_token_without_values_is_allowed(visitors: Visitors) -> None:
    await visitors.enter(HOST, "token=null-session")


async def test_keys_that_cannot_be_had_now_are_a_temporary_failure(visitors: Visitors) -> None:
    user = visitors.websocket(HOST, "token=keyless")
    assert await user.login() == Refusal("temporary-auth-failure", "could not obtain public key")


async def test_while_one_waits_everybody_else_goes_on(
    visitors: Visitors, fake: FakeVerifier
) -> None:
    slow = visitors.websocket("patient.test", "token=waiting-1")
    await slow.open()
    await slow.start_authentication()
    await until(lambda: bool(fake.asked_with("waiting-1")))
    quick = await visitors.enter("patient.test", "token=allow")
    assert isinstance(await quick.join("quick@conference.patient.test"), Joined)
    await quick.ping()
    fake.release("waiting-1")
    assert await slow.authentication_result() is None


async def test_options_that_nobody_can_mean_refuse_everybody(
    visitors: Visitors, prosody: Prosody
) -> None:
    assert await visitors.websocket("bad.test", "token=allow").login() == UNAVAILABLE
    log = prosody.log()
    assert 'expected http:// or https:// addresses, found "ftp://verifier.example.org"' in log
    assert "jitsi_verifier_timeout: expected seconds above 0" in log
    assert "hidden-password" not in log


async def test_without_a_verifier_logins_are_refused_and_logged_once_until_it_is_back(
    visitors: Visitors, deployment: Deployment
) -> None:
    prosody, verifier = deployment.prosody, deployment.mortal
    query = f"token={hs_token(sub='down.test')}"
    address = f"http://127.0.0.1:{verifier.port}/v1/verify"
    start = prosody.log_size()

    async def refused_logins(number: int) -> None:
        users = [visitors.websocket("down.test", query) for _ in range(number)]
        results = await asyncio.gather(*(user.login() for user in users))
        assert results == [UNAVAILABLE] * number

    await refused_logins(50)
    assert prosody.log(start).count(f"{address} {NO_VERDICT}") == 1

    verifier.start()
    user = await visitors.enter("down.test", query)
    assert isinstance(await user.join("up@conference.down.test"), Joined)
    assert prosody.log(start).count(f"{address} gives verdicts again") == 1

    verifier.stop()
    assert await user.join("down@conference.down.test") == NOT_NOW
    await refused_logins(5)
    assert prosody.log(start).count(f"{address} {NO_VERDICT}") == 2

    verifier.start()
    assert isinstance(await user.join("up-again@conference.down.test"), Joined)


async def test_the_address_that_works_is_found_and_then_asked_first(
    visitors: Visitors, fake: FakeVerifier, prosody: Prosody
) -> None:
    start = prosody.log_size()
    await visitors.enter("failover.test", "token=allow")
    assert prosody.log(start).count(NO_VERDICT) == 2
    asked = len(fake.questions)
    await visitors.enter("failover.test", "token=allow")
    assert len(fake.questions) == asked + 1
    assert prosody.log(start).count(NO_VERDICT) == 2


async def test_fifty_logins_at_once_all_work(visitors: Visitors) -> None:
    queries = [f"token={hs_token(context={'user': {'id': str(i)}})}" for i in range(50)]
    users = await asyncio.gather(*(visitors.enter("hs.test", query) for query in queries))
    assert len({user.bare_jid for user in users}) == 50
    room = "crowd@conference.hs.test"
    joins = await asyncio.gather(*(user.join(room, f"n{i}") for i, user in enumerate(users)))
    assert joins == [Joined("member", "participant")] * 50
