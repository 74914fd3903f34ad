"""Every endpoint and every kind of allow is recorded: which user, room and token."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from tests.support.handoff import value
from tests.support.sidecar import NOW, Start, mint
from tests.support.sinks import RecordingSink
from verifier.decisions.bypass import Bypass
from verifier.http.handoff import Handoff
from verifier.http.handoff_cookie import CookieScope, cookie_name
from verifier.http.pages import Pages

KEY = b"a key of cookies"
SCOPE = CookieScope("127.0.0.1", None, "standup")
ROOM = "standup@conference.meet.example.org"


async def test_every_kind_of_allow_has_the_same_members(start: Start) -> None:
    """With a token, from the cache, by hand-off, by the hand-off cookie, and by address."""
    sink = RecordingSink()
    sidecar = await start(
        sinks=[sink],
        bypass=Bypass([ip_network("10.9.0.0/16")], [ip_network("127.0.0.0/8")]),
        pages=Pages(handoff=Handoff([KEY], lambda: NOW)),
    )
    token = mint(jti="t-1")
    cookie = f"{cookie_name(SCOPE)}={value(SCOPE, key=KEY)}"
    for uri, *headers in (
        (f"/http-bind?room=standup&token={token}",),
        (f"/http-bind?room=standup&token={token}",),
        (f"/standup?jwt={token}",),
        ("/standup", ("Cookie", cookie)),
        ("/standup", ("X-Real-IP", "10.9.1.2")),
    ):
        await sidecar.nginx(uri, *headers)
    guest = {"outcome": "allowed", "room": ROOM}
    named = guest | {"user_id": "u-1", "user_name": "Ada", "token_id": "t-1"}
    assert sink.records == [named, named, named, guest, guest]


async def test_every_endpoint_is_recorded(start: Start) -> None:
    sink = RecordingSink()
    sidecar = await start(sinks=[sink])
    bearer = ("Authorization", f"Bearer {mint()}")
    answers: list[Any] = [
        await sidecar.nginx(f"/standup?jwt={mint()}&jwt={mint()}"),
        await sidecar.ask("/auth-url", bearer, ("X-Original-URL", "https://m.example/standup")),
        await sidecar.ask(
            "/forward-auth", ("X-Forwarded-Uri", "/standup"), ("X-Forwarded-Host", "m.example")
        ),
        await sidecar.ask("/ext-authz/other", bearer),
        await sidecar.ask("/v1/verify", method="POST", json={"token": mint(), "room_jid": ROOM}),
        await sidecar.ask("/access", bearer),
        await sidecar.ask("/check_password?user=a&pass=x"),
    ]
    records = [(each["outcome"], each.get("code"), each.get("room")) for each in sink.records]
    assert len(answers) == len(records)
    assert records == [
        ("denied", "ambiguous-request", None),
        ("allowed", None, ROOM),
        ("denied", "token-missing", ROOM),
        ("denied", "room-mismatch", ROOM.replace("standup", "other")),
        ("allowed", None, ROOM),
        ("allowed", None, None),
        ("denied", "token-malformed", None),
    ]


async def test_only_short_tokens_without_a_signature_are_explained(start: Start) -> None:
    sink = RecordingSink()
    sidecar = await start(sinks=[sink], report_only=True)
    forged, malformed = f"{mint()[:-6]}AAAAAA", mint().replace(".", "=.")
    for token, explained in (
        (forged, True),
        (f"{mint(pad='x' * 700)[:-6]}AAAAAA", True),
        (f"{mint(pad='x' * 1_200)[:-6]}AAAAAA", False),
        (malformed, True),
        (mint(pad="x" * 700).replace(".", "=."), False),
        (mint(pad="x" * 3_000, room="other"), True),
    ):
        await sidecar.nginx(f"/standup?jwt={token}")
        assert ("step" in sink.records[-1]) is explained
        assert sink.records[-1]["outcome"] == "would-deny"
