"""The session after a login: fields, events for Jitsi's modules, resumption and tenants."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.prosody.clients import ClientFactory, wait_until
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.stanzas import DROPPED, Joined, Refusal, name
from tests.system.prosody.tokens import APP_ID, hs_token

HOST = "hs.test"
EVENTS = ["fetch-key", "verified", "ban-check", "pre", "post"]


async def session_of(
    clients: ClientFactory, prosody: Prosody, query: str, host: str = HOST
) -> dict[str, Any]:
    user = await clients.log_in(host, query)
    session = prosody.session(user.jid)
    assert session is not None
    return session


async def test_session_has_all_fields_that_jitsis_modules_read(
    clients: ClientFactory, prosody: Prosody
) -> None:
    context = {
        "user": {"id": "u-1", "name": "Ada", "moderator": "true", "affiliation": None},
        "group": "engineering",
        "features": {"recording": True, "livestreaming": "false", "transcription": None},
        "room": {"regex": False},
        "tenant": "acme",
    }
    token = hs_token(room="board", context=context)
    session = await session_of(clients, prosody, f"token={token}&room=board&prefix=acme")
    assert {name: value for name, value in session.items() if name.startswith("jitsi_")} == {
        "jitsi_meet_room": "board",
        "jitsi_meet_domain": "hs.test",
        "jitsi_meet_auth_issuer": APP_ID,
        "jitsi_meet_str_tenant": "acme",
        "jitsi_meet_context_user": {"id": "u-1", "name": "Ada", "moderator": "true"},
        "jitsi_meet_context_group": "engineering",
        "jitsi_meet_context_features": {"recording": True, "livestreaming": "false"},
        "jitsi_meet_context_room": {"regex": False},
        "jitsi_web_query_room": "board",
        "jitsi_web_query_prefix": "acme",
    }
    assert session["auth_token"] == token


async def test_token_without_context_sets_no_context_fields(
    clients: ClientFactory, prosody: Prosody
) -> None:
    session = await session_of(clients, prosody, f"token={hs_token(context=...)}")
    assert not [name for name in session if name.startswith("jitsi_meet_context")]


async def test_user_id_claim_sets_the_context_user(
    clients: ClientFactory, prosody: Prosody
) -> None:
    token = hs_token(context=..., user_id="u-9")
    session = await session_of(clients, prosody, f"token={token}")
    assert session["jitsi_meet_context_user"] == {"id": "u-9"}


@pytest.mark.parametrize(
    ("query", "room", "prefix"),
    [
        ("", None, None),
        ("&room=standup", "standup", ""),
        ("&prefix=acme", None, "acme"),
        ("&room=%D0%BF%d1%80&prefix=a+b", "%d0%bf%d1%80", "a%20b"),
        ("&room=&prefix=", "", ""),
    ],
)
async def test_query_parameters_are_stored_as_jitsi_stores_them(
    clients: ClientFactory, prosody: Prosody, query: str, room: str | None, prefix: str | None
) -> None:
    headers = {"Authorization": f"Bearer {hs_token()}", "User-Agent": "tests/1"}
    user = clients.websocket(HOST, query.removeprefix("&"), **headers)
    assert await user.login() is None
    session = prosody.session(user.jid) or {}
    assert session.get("jitsi_web_query_room") == room
    assert session.get("jitsi_web_query_prefix") == prefix
    assert session["user_agent_header"] == "tests/1"


async def test_bosh_session_has_the_same_fields(clients: ClientFactory, prosody: Prosody) -> None:
    token = hs_token(context={"group": "engineering"})
    user = clients.bosh(HOST, f"room=board&prefix=acme&previd=p1&customusername=c1&token={token}")
    assert await user.login() is None
    session = prosody.session(user.jid) or {}
    assert (session["jitsi_web_query_room"], session["jitsi_web_query_prefix"]) == ("board", "acme")
    assert (session["previd"], session["customusername"]) == ("p1", "c1")
    assert session["jitsi_meet_context_group"] == "engineering"
    await user.close()


async def test_jitsis_own_module_leaves_the_session_alone(
    clients: ClientFactory, prosody: Prosody
) -> None:
    session = await session_of(clients, prosody, f"token={hs_token()}")
    assert session["_jitsi_auth_done"] is True


async def test_events_are_fired_in_jitsis_order(clients: ClientFactory, prosody: Prosody) -> None:
    session = await session_of(clients, prosody, f"token={hs_token()}")
    assert session["test_events"] == EVENTS


async def test_modules_get_all_claims_of_a_verified_token(
    clients: ClientFactory, prosody: Prosody
) -> None:
    token = hs_token(autoLobby=True, plan=None, context={"mauP": True, "user": {"name": "Zoë ✓"}})
    claims = (await session_of(clients, prosody, f"token={token}"))["test_claims"]
    assert (claims["iss"], claims["autoLobby"], claims["room"]) == (APP_ID, True, "*")
    assert claims["context"] == {"mauP": True, "user": {"name": "Zoë ✓"}}
    assert "plan" not in claims


async def test_claims_that_prosody_misreads_are_reduced(
    clients: ClientFactory, prosody: Prosody
) -> None:
    token = hs_token(extra={"__hash": ["moderator", True]})
    claims = (await session_of(clients, prosody, f"token={token}"))["test_claims"]
    user = {"id": "u-1", "name": "Ada", "email": "ada@example.org"}
    assert claims == {"iss": APP_ID, "sub": "hs.test", "room": "*", "context": {"user": user}}


@pytest.mark.parametrize(
    ("case", "refusal"),
    [
        ("early-refusal", Refusal("not-allowed", "refused early")),
        ("odd-refusal", Refusal("not-allowed", "Access denied")),
        ("late-refusal", Refusal("not-allowed", "refused late")),
        ("banned", Refusal("not-allowed", "user is banned")),
    ],
)
async def test_module_may_refuse_a_login(
    clients: ClientFactory, case: str, refusal: Refusal
) -> None:
    user = clients.websocket(HOST, f"token={hs_token()}&room={case}")
    assert await user.login() == refusal
    # The first refusal removes the token from the session.
    again = await user.authenticate()
    assert again is not None
    assert again.text in {"token required", refusal.text}


async def test_module_may_choose_the_user_name(clients: ClientFactory, prosody: Prosody) -> None:
    session = await session_of(clients, prosody, f"token={hs_token()}&room=named")
    assert session["username"] == "chosen-name"


async def test_user_name_of_wrong_type_is_ignored(clients: ClientFactory, prosody: Prosody) -> None:
    session = await session_of(clients, prosody, f"token={hs_token()}&room=badly-named")
    assert len(session["username"]) == 36


async def test_failing_module_refuses_the_login(clients: ClientFactory) -> None:
    user = clients.websocket(HOST, f"token={hs_token()}&room=broken-handler")
    refusal = await user.login()
    assert refusal == Refusal("not-allowed", "The login failed in the server")


async def test_module_may_close_the_session(clients: ClientFactory) -> None:
    user = clients.websocket(HOST, f"token={hs_token()}&room=closing")
    assert await user.login() == DROPPED
    assert "close" in [name(element) for element in user.skipped]


async def test_module_may_require_a_context(clients: ClientFactory) -> None:
    without = clients.websocket(HOST, f"token={hs_token(context=...)}&room=wants-context")
    missing = Refusal("not-allowed", "jwt missing required context claim")
    assert await without.login() == missing
    await clients.log_in(HOST, f"token={hs_token()}&room=wants-context")


async def test_tenant_mismatch_is_stored_at_the_join(
    clients: ClientFactory, prosody: Prosody
) -> None:
    token = hs_token(context={"tenant": "acme", "user": {"id": "u"}})
    user = await clients.log_in(HOST, f"token={token}&prefix=globex")
    assert isinstance(await user.join("flag@conference.hs.test"), Joined)
    assert (prosody.session(user.jid) or {})["jitsi_meet_tenant_mismatch"] is True


async def test_tenant_mismatch_is_refused_in_closed_room(
    clients: ClientFactory, prosody: Prosody
) -> None:
    room = "closed-tenant@conference.hs.test"
    prosody.prepare_room(room, closed="1")
    token = hs_token(context={"tenant": "acme", "user": {"id": "u"}})
    stranger = await clients.log_in(HOST, f"token={token}&prefix=globex")
    assert await stranger.join(room) == Refusal(
        "not-allowed", "Room and token mismatched", None, "cancel"
    )
    resident = await clients.log_in(HOST, f"token={token}&prefix=acme")
    assert isinstance(await resident.join(room), Joined)


async def test_modules_are_told_before_a_session_ends(
    clients: ClientFactory, prosody: Prosody
) -> None:
    start = prosody.log_size()
    user = await clients.log_in(HOST, f"token={hs_token()}")
    await user.close()
    await wait_until(lambda: f"unbound: {user.jid}" in prosody.log(start))
