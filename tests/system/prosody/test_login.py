"""Logins over WebSocket and BOSH: where the token comes from, and which tokens are refused."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from tests.system.prosody.clients import ClientFactory, Deployment, wait_until
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import SASL, Joined, Refusal
from tests.system.prosody.tokens import hs_token

HOST = "hs.test"
BAD_TOKEN = Refusal("not-allowed", "Invalid token")
PAST, FUTURE = 1_000_000_000, 4_000_000_000


async def test_websocket_user_with_good_token_logs_in(
    clients: ClientFactory, prosody: Prosody
) -> None:
    token = hs_token()
    user = await clients.log_in(HOST, f"token={token}&room=standup")
    session = prosody.session(user.jid)
    assert session is not None
    assert (session["auth_token"], session["jitsi_meet_room"]) == (token, "*")


async def test_bosh_user_with_good_token_logs_in(clients: ClientFactory, prosody: Prosody) -> None:
    token = hs_token()
    user = clients.bosh(HOST, f"room=standup&token={token}")
    assert await user.login() is None
    session = prosody.session(user.jid)
    assert session is not None
    assert (session["auth_token"], session["jitsi_meet_domain"]) == (token, "hs.test")
    await user.close()


async def test_websocket_user_may_send_a_bearer_token(
    clients: ClientFactory, prosody: Prosody
) -> None:
    token = hs_token()
    user = clients.websocket(HOST, Authorization=f"Bearer {token}")
    assert await user.login() is None
    assert (prosody.session(user.jid) or {})["auth_token"] == token


async def test_bosh_user_may_send_a_bearer_token(clients: ClientFactory, prosody: Prosody) -> None:
    token = hs_token()
    user = clients.bosh(HOST, "room=standup", Authorization=f"bearer {token}")
    assert await user.login() is None
    assert (prosody.session(user.jid) or {})["auth_token"] == token
    await user.close()


async def test_query_token_overrides_a_bad_header(clients: ClientFactory) -> None:
    user = clients.websocket(HOST, f"token={hs_token()}", Authorization="Bearer x.y.z")
    assert await user.login() is None


async def test_query_token_overrides_a_good_header(clients: ClientFactory) -> None:
    user = clients.websocket(HOST, "token=x.y.z", Authorization=f"Bearer {hs_token()}")
    refusal = await user.login()
    assert refusal is not None
    assert refusal.condition == "not-allowed"


@pytest.mark.parametrize("odd", ["%22", ",", "%5B", "{", "%01", "%ff"])
async def test_odd_text_of_a_client_looks_like_no_outage(
    clients: ClientFactory, prosody: Prosody, odd: str
) -> None:
    start, many = prosody.log_size(), odd * 2500
    assert (await clients.websocket(HOST, f"token={many}").login()) == BAD_TOKEN
    user = await clients.log_in(HOST, f"token={hs_token()}&prefix={many}")
    assert isinstance(await user.join(f"{'[' * 1000}@conference.{HOST}"), Joined)
    assert "gives no verdict" not in prosody.log(start)


async def test_authorization_of_another_scheme_is_ignored(clients: ClientFactory) -> None:
    user = clients.websocket(HOST, Authorization="Basic dXNlcjpwYXNz")
    assert await user.login() == Refusal("not-allowed", "token required")


@pytest.mark.parametrize("query", ["", "room=standup", "foo", "&", "=", "token"])
async def test_login_without_token_is_refused(clients: ClientFactory, query: str) -> None:
    assert await clients.websocket(HOST, query).login() == Refusal("not-allowed", "token required")


async def test_bosh_login_without_token_is_refused(clients: ClientFactory) -> None:
    user = clients.bosh(HOST, "room=standup")
    assert await user.login() == Refusal("not-allowed", "token required")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"nbf": FUTURE}, "Not acceptable by nbf"),
        ({"exp": "soon"}, "exp must be number"),
        ({"iss": "another"}, "invalid 'iss' claim"),
        ({"iss": ...}, "'iss' claim is missing"),
        ({"aud": ...}, "'aud' claim is missing"),
        ({"header": {"typ": "at+jwt"}}, "Invalid typ"),
        ({"header": {"alg": "HS512"}}, "Invalid or incorrect alg"),
    ],
    ids=str,
)
async def test_bad_token_is_refused_with_the_verifiers_reason(
    clients: ClientFactory, changes: dict[str, Any], text: str
) -> None:
    user = clients.websocket(HOST, f"token={hs_token(**changes)}")
    assert await user.login() == Refusal("not-allowed", text)


@pytest.mark.parametrize(
    "token",
    ["not-a-token", "", "x.y.z", "%ff%fe.%00.%22%5c", "%d0%bf", "a".rjust(6000, "x")],
    ids=["word", "empty", "segments", "bytes", "cyrillic", "long"],
)
async def test_text_that_is_no_token_is_refused(clients: ClientFactory, token: str) -> None:
    refusal = await clients.websocket(HOST, f"token={token}").login()
    assert refusal is not None
    assert refusal.condition == "not-allowed"
    assert refusal.text


async def test_changed_token_is_refused(clients: ClientFactory) -> None:
    user = clients.websocket(HOST, f"token={hs_token()}A")
    refusal = await user.login()
    assert refusal is not None
    assert refusal.condition == "not-allowed"


async def test_token_without_expiry_is_accepted(clients: ClientFactory) -> None:
    await clients.log_in(HOST, f"token={hs_token(exp=...)}")


@pytest.mark.parametrize("claim", ["room", "sub"])
async def test_missing_claim_has_jitsis_condition(clients: ClientFactory, claim: str) -> None:
    missing: dict[str, Any] = {claim: ...}
    user = clients.websocket(HOST, f"token={hs_token(**missing)}")
    assert await user.login() == Refusal("not-authorized", f"{claim} claim is missing")


async def test_bosh_login_with_bad_token_is_refused_with_reason(
    clients: ClientFactory,
) -> None:
    user = clients.bosh(HOST, f"token={hs_token(aud=...)}")
    assert await user.login() == Refusal("not-allowed", "'aud' claim is missing")


async def test_refusal_says_how_long_ago_the_token_expired(clients: ClientFactory) -> None:
    refusal = await clients.websocket(HOST, f"token={hs_token(exp=PAST)}").login()
    assert refusal is not None
    assert refusal.condition == "not-allowed"
    words = re.fullmatch(
        r"Not acceptable by exp \((\d+)\.0 sec since expired\)", refusal.text or ""
    )
    assert words is not None, refusal
    assert int(words[1]) >= time.time() - PAST - 60


async def test_refusal_is_written_as_jitsis_client_reads_it(clients: ClientFactory) -> None:
    user = clients.websocket(HOST, f"token={hs_token(nbf=FUTURE)}")
    await user.open()
    await user.send(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>")
    text = await user.socket.receive_str()
    words = re.search(r"<failure.*><not-allowed/><text>(.*)</text></failure>", text)
    assert words is not None, text
    assert words[1] == "Not acceptable by nbf"


async def test_refused_token_is_not_tried_again_on_the_stream(
    clients: ClientFactory,
) -> None:
    user = clients.websocket(HOST, f"token={hs_token(iss='x')}")
    assert await user.login() == Refusal("not-allowed", "invalid 'iss' claim")
    assert await user.authenticate() == Refusal("not-allowed", "token required")


async def test_only_anonymous_is_offered(clients: ClientFactory) -> None:
    features = await clients.websocket(HOST, "token=x").open()
    offered = [mechanism.text for mechanism in features.iter(f"{{{SASL}}}mechanism")]
    assert offered == ["ANONYMOUS"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "anonymous"])
async def test_other_mechanisms_are_refused(clients: ClientFactory, mechanism: str) -> None:
    user = clients.websocket(HOST, f"token={hs_token()}")
    refusal = await user.login(mechanism, b"\0admin\0admin")
    assert refusal == Refusal("invalid-mechanism")


async def test_every_login_gets_a_different_user_name(clients: ClientFactory) -> None:
    query = f"token={hs_token()}"
    first, second = await clients.log_in(HOST, query), await clients.log_in(HOST, query)
    assert first.bare_jid != second.bare_jid


async def test_verifiers_log_names_the_client_of_a_refused_login(
    clients: ClientFactory, deployment: Deployment
) -> None:
    token = hs_token(exp=PAST, jti="named-client")
    user = clients.bosh(HOST, f"room=standup&token={token}", X_Forwarded_For="203.0.113.7")
    assert isinstance(await user.login(), Refusal)
    log = deployment.verifier.log

    def lines() -> list[dict[str, Any]]:
        texts = [text for text in log.read_text("utf-8").splitlines() if "named-client" in text]
        return [json.loads(text) for text in texts]

    await wait_until(lambda: bool(lines()))
    assert {line["client"] for line in lines()} == {"203.0.113.7"}
