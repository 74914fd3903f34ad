from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.sidecar import NOW, FakeKeys, Sidecar, Start, mint
from verifier.keys.sources.base import Missing
from verifier.rules.policy import OperatorPolicy

ROOM = "standup@conference.meet.example.org"


async def post(sidecar: Sidecar, body: Any) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, headers, text = await sidecar.ask("/v1/verify", method="POST", data=data)
    assert headers["Content-Type"].startswith("application/")
    return status, json.loads(text)


async def test_an_allow_holds_what_jitsi_binds_to_a_session(start: Start) -> None:
    sidecar = await start()
    context = {
        "user": {"id": "u", "name": None, "moderator": True},
        "group": "g",
        "features": {"recording": True},
        "room": {"regex": False},
        "tenant": "acme",
    }
    body = {"token": mint(context=context), "room_jid": ROOM, "query_prefix": "acme"}
    assert await post(sidecar, body) == (
        200,
        {
            "allowed": True,
            "code": None,
            "error": None,
            "reason": None,
            "affiliation": "owner",
            "moderator": True,
            "tenant_mismatch": False,
            "expires": NOW + 60,
            "session": {
                "jitsi_meet_room": "standup",
                "jitsi_meet_domain": "meet.example.org",
                "jitsi_meet_auth_issuer": "app",
                "jitsi_meet_str_tenant": "acme",
                "jitsi_meet_context_user": context["user"],
                "jitsi_meet_context_group": "g",
                "jitsi_meet_context_features": {"recording": True},
                "jitsi_meet_context_room": {"regex": False},
            },
        },
    )


async def test_a_denial_holds_jitsis_error_and_reason(start: Start) -> None:
    sidecar = await start()
    _, expired = await post(sidecar, {"token": mint(exp=1), "room_jid": ROOM})
    assert (expired["allowed"], expired["code"]) == (False, "token-expired")
    words = f"Not acceptable by exp ({NOW - 1}.0 sec since expired)"
    assert (expired["error"], expired["reason"]) == ("not-allowed", words)
    assert expired["session"] is None
    _, other = await post(sidecar, {"token": mint(), "room_jid": "o" + ROOM})
    assert (other["error"], other["reason"]) == ("not-allowed", "Room and token mismatched")
    _, none = await post(sidecar, {"token": None})
    assert (none["code"], none["reason"]) == ("token-missing", "token required")


async def test_without_a_room_only_the_token_is_verified(start: Start) -> None:
    sidecar = await start()
    _, answer = await post(sidecar, {"token": mint(room="elsewhere"), "unknown": [1]})
    assert (answer["allowed"], answer["affiliation"]) == (True, "member")


async def test_a_guest_is_allowed_with_an_empty_session(start: Start) -> None:
    sidecar = await start(allow_empty_token=True)
    _, answer = await post(sidecar, {"token": None, "room_jid": ROOM})
    assert (answer["allowed"], answer["affiliation"], answer["session"]) == (True, None, {})
    closed = {"token": None, "room_jid": ROOM, "room_requires_authentication": True}
    assert (await post(sidecar, closed))[1]["error"] == "authentication-required"


async def test_a_tenant_mismatch_is_reported(start: Start) -> None:
    sidecar = await start()
    body = {
        "token": mint(context={"tenant": "acme"}),
        "room_jid": ROOM,
        "query_prefix": "other",
    }
    assert (await post(sidecar, body))[1]["tenant_mismatch"] is True


async def test_only_moderators_create_rooms_if_configured(start: Start) -> None:
    sidecar = await start(operator_policy=OperatorPolicy(moderators_create_rooms=True))
    moderator = mint(context={"user": {"moderator": True}})
    for token, new, code in (
        (mint(), False, None),
        (mint(), True, "policy-moderator-required"),
        (mint(), None, None),
        (moderator, True, None),
        (None, True, "policy-moderator-required"),
        (None, False, "token-missing"),
    ):
        body = {"token": token, "room_jid": ROOM, "creates_room": new}
        status, answer = await post(sidecar, body)
        assert (status, answer["code"]) == (200, code)
    assert answer["error"] == "not-allowed"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "body: expected strict JSON"),
        (b"\xff", "body: expected UTF-8"),
        (b"[]", "body: expected a JSON object, found a list"),
        (b'{"token":1,"token":2}', "body: expected every member name once"),
        ({}, "token: expected a string or null, found none"),
        ({"token": 5}, "token: expected a string or null, found a number"),
        ({"token": None, "room_jid": ["x"]}, "room_jid: expected a string or null, found a list"),
        ({"token": None, "query_prefix": {}}, "query_prefix: expected a string or null"),
        ({"token": None, "host": True}, "host: expected a string or null, found a boolean"),
        (
            {"token": None, "room_requires_authentication": "yes"},
            "room_requires_authentication: expected a boolean or null, found a string",
        ),
        ({"token": None, "creates_room": 1}, "creates_room: expected a boolean or null, found a"),
    ],
)
async def test_a_malformed_body_is_a_400_naming_the_member(
    start: Start, body: Any, expected: str
) -> None:
    sidecar = await start(allow_empty_token=True)
    status, problem = await post(sidecar, body)
    assert (status, problem["status"]) == (400, 400)
    assert problem["detail"].startswith(expected)


@pytest.mark.parametrize(
    "members",
    [
        {"x": dict.fromkeys(map(str, range(5_500)), 1)},
        {"x": [1] * 600},
        {"x": [""] * 300},
        {"x": [[]] * 300},
        {"x": {"a": {"b": "," * 600}}},
    ],
)
async def test_a_body_of_too_many_parts_is_refused(start: Start, members: dict[str, Any]) -> None:
    status, answer = await post(await start(), {"token": mint()} | members)
    expected = "body: expected at most 512 quotes, commas and opening brackets, found"
    assert (status, answer["detail"].startswith(expected)) == (400, True)


async def test_other_members_are_ignored_up_to_the_limit(start: Start) -> None:
    others = {f"member-{number}": [number, "text"] for number in range(50)}
    _, answer = await post(await start(), {"token": mint(), "room_jid": ROOM} | others)
    assert answer["allowed"]


@pytest.mark.parametrize("name", ["query_prefix", "host"])
async def test_a_tenant_or_host_of_too_many_bytes_is_refused(start: Start, name: str) -> None:
    sidecar = await start()
    assert (await post(sidecar, {"token": mint(), name: "é" * 511}))[0] == 200
    status, answer = await post(sidecar, {"token": mint(), name: "é" * 512})
    expected = f"{name}: expected at most 1023 bytes, found 1024"
    assert (status, answer["detail"]) == (400, expected)


@pytest.mark.parametrize("rules", ["jitsi", "strict"])
@pytest.mark.parametrize(
    "room_jid",
    [f"{'a' * 1_024}@muc", f"a@{'b' * 1_024}", f"a@b/{'c' * 1_024}", "é" * 10_000 + "@muc"],
)
async def test_an_address_of_a_too_long_part_names_no_room(
    start: Start, rules: str, room_jid: str
) -> None:
    sidecar = await start(strict=rules == "strict")
    _, answer = await post(sidecar, {"token": mint(), "room_jid": room_jid})
    assert (answer["code"], answer["reason"]) == ("room-address-invalid", "Room address is invalid")
    _, answer = await post(sidecar, {"token": "a.b.c", "room_jid": room_jid})
    assert answer["code"] == "token-malformed"


async def test_only_posts_up_to_64_kib_are_served(start: Start) -> None:
    sidecar = await start()
    status, headers, _ = await sidecar.ask("/v1/verify")
    assert (status, headers["Allow"]) == (405, "POST")
    status, _, _ = await sidecar.ask("/v1/verify", method="POST", data=b"x" * 70_000)
    assert status == 413


async def test_keys_that_cannot_be_obtained_are_a_503(start: Start) -> None:
    sidecar = await start(
        keys=FakeKeys(Missing.UNAVAILABLE), key_server=True, signature_algorithm="RS256"
    )
    status, answer = await post(sidecar, {"token": mint({"kid": "k", "alg": "RS256"})})
    assert (status, answer["code"]) == (503, "keys-unavailable")
