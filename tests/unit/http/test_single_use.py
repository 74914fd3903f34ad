from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from multidict import CIMultiDict

from tests.support.handoff import HOST, KEY, PLACE, cookie, set_cookie
from tests.support.sidecar import NOW, Sidecar, Start, mint
from verifier.http.handoff import Handoff
from verifier.http.handoff_cookie import cookie_value, new_browser
from verifier.http.pages import Pages
from verifier.observability.decision_log import LogContext
from verifier.single_use import SingleUse
from verifier.single_use.model import Redemption
from verifier.storage.errors import StoreUnavailableError

BOSH = "/http-bind?room=standup"
SOCKET = "/xmpp-websocket?room=standup"
ROOM = "standup@conference.meet.example.org"


@dataclass
class FakeUses:
    """Uses whose window is open as long as a test says."""

    open: bool = False
    away: bool = False
    first: dict[str, str | None] = field(default_factory=dict)
    claims: list[Redemption] = field(default_factory=list)

    async def redeem(self, use: Redemption) -> bool:
        if self.away:
            raise StoreUnavailableError("redis://127.0.0.1:6379/0: Connection refused")
        self.claims.append(use)
        known = self.first.setdefault(use.token_id, use.browser)
        is_first = sum(each.token_id == use.token_id for each in self.claims) == 1
        return self.open or is_first or (known is not None and known == use.browser)

    async def close(self) -> None:
        """Keep nothing open."""


@pytest.fixture
def uses() -> FakeUses:
    return FakeUses()


@pytest.fixture
async def sidecar(start: Start, uses: FakeUses) -> Sidecar:
    return await start(single_use=SingleUse(uses, 60))


@pytest.fixture
async def handing_off(start: Start, uses: FakeUses) -> Sidecar:
    pages = Pages(handoff=Handoff(KEY, lambda: NOW))
    return await start(single_use=SingleUse(uses, 60), pages=pages)


def once(jti: str = "j-1", **claims: Any) -> str:
    return mint(jti=jti, **claims)


async def ask(sidecar: Sidecar, uri: str, *headers: tuple[str, str]) -> tuple[int, str]:
    status, found, _ = await sidecar.nginx(uri, HOST, *headers)
    return status, found.get("X-Jitsi-Denial", "")


async def ask_verify(sidecar: Sidecar, token: str, **members: object) -> dict[str, object]:
    body = json.dumps({"token": token, "room_jid": ROOM} | members)
    status, _, text = await sidecar.ask("/v1/verify", method="POST", data=body)
    assert status == 200, text
    verdict: dict[str, object] = json.loads(text)
    return verdict


def with_cookie(headers: CIMultiDict[str]) -> tuple[str, str]:
    morsel = set_cookie(headers)
    return ("Cookie", f"{morsel.key}={morsel.value}")


async def test_a_second_entry_is_refused_and_says_why(sidecar: Sidecar) -> None:
    assert await ask(sidecar, f"/standup?jwt={once()}") == (200, "")
    status, headers, body = await sidecar.nginx(f"/standup?jwt={once()}", HOST)
    assert (status, headers["X-Jitsi-Denial"]) == (403, "token-already-used")
    assert json.loads(body)["detail"] == "this token has let somebody in before"
    denied = {"endpoint": "auth", "outcome": "denied", "code": "token-already-used"}
    assert sidecar.count("decisions_total", **denied) == 1


@pytest.mark.parametrize(
    ("endpoint", "headers"),
    [
        ("/auth", [("X-Original-URI", "{}")]),
        ("/auth-url", [("X-Original-URL", "https://meet.example.org{}")]),
        ("/forward-auth", [("X-Forwarded-Host", "meet.example.org"), ("X-Forwarded-Uri", "{}")]),
        ("/ext-authz{}", []),
    ],
)
async def test_every_gate_asks_whoever_was_first(
    sidecar: Sidecar, endpoint: str, headers: list[tuple[str, str]]
) -> None:
    uri = f"{BOSH}&token={once()}"
    filled = [(name, value.format(uri)) for name, value in headers]
    answered = [(await sidecar.ask(endpoint.format(uri), HOST, *filled))[0] for _ in range(2)]
    assert answered == [200, 403]


async def test_what_is_refused_anyway_uses_nothing(sidecar: Sidecar, uses: FakeUses) -> None:
    for uri in (f"/other?jwt={once()}", f"/standup?jwt={once(exp=NOW - 1)}", "/standup", "/"):
        assert (await ask(sidecar, uri))[0] in {401, 403}
    assert uses.claims == []


async def test_a_token_is_known_by_issuer_and_jti_and_its_use_kept_to_its_end(
    start: Start, uses: FakeUses
) -> None:
    sidecar = await start(single_use=SingleUse(uses, 60), asap_accepted_issuers=("*",))
    assert await ask(sidecar, f"/standup?jwt={once()}") == (200, "")
    renewed = once(room="*", exp=NOW + 600)
    assert await ask(sidecar, f"/standup?jwt={renewed}") == (403, "token-already-used")
    assert await ask(sidecar, f"/standup?jwt={once('j-2')}") == (200, "")
    assert await ask(sidecar, f"/standup?jwt={once(iss='other')}") == (200, "")
    names = [use.token_id for use in uses.claims]
    assert len(set(names)) == 3
    assert "j-1" not in "".join(names)
    assert {use.keep_until for use in uses.claims} == {NOW + 60 + 300, NOW + 600 + 300}
    assert {use.window for use in uses.claims} == {60}


@pytest.mark.parametrize("claims", [{"jti": ...}, {"jti": "j-1", "exp": ...}])
async def test_a_token_that_cannot_be_told_apart_for_good_does_not_slip_through(
    sidecar: Sidecar, claims: dict[str, Any]
) -> None:
    assert await ask(sidecar, f"/standup?jwt={mint(**claims)}") == (401, "claim-malformed")


async def test_questions_about_the_token_alone_use_nothing_and_are_not_refused(
    sidecar: Sidecar, uses: FakeUses
) -> None:
    token = once()
    bearer = ("Authorization", f"Bearer {token}")
    for _ in range(2):
        assert (await ask_verify(sidecar, token, room_jid=None))["allowed"]
        assert json.loads((await sidecar.ask("/access", bearer))[2]) == {"access": True}
        password = f"/check_password?user=u&pass={token}&server=meet.example.org"
        assert (await sidecar.ask(password))[2] == "true"
    assert uses.claims == []
    assert await ask(sidecar, f"/standup?jwt={token}") == (200, "")
    assert (await ask_verify(sidecar, token, room_jid=None))["allowed"]


async def test_prosodys_question_counts_as_an_entry(sidecar: Sidecar) -> None:
    assert (await ask_verify(sidecar, once()))["allowed"]
    verdict = await ask_verify(sidecar, once())
    assert (verdict["allowed"], verdict["code"]) == (False, "token-already-used")
    assert (verdict["error"], verdict["reason"]) == ("not-allowed", "token already used")
    assert await ask(sidecar, f"/standup?jwt={once()}") == (403, "token-already-used")


async def test_a_session_that_prosody_has_let_in_may_come_again(
    sidecar: Sidecar, uses: FakeUses
) -> None:
    assert (await ask_verify(sidecar, once()))["allowed"]
    assert (await ask_verify(sidecar, once(), admitted_before=True))["allowed"]
    assert not (await ask_verify(sidecar, once(), admitted_before=False))["allowed"]
    assert len(uses.claims) == 2
    other = "other@conference.meet.example.org"
    verdict = await ask_verify(sidecar, once(), room_jid=other, admitted_before=True)
    assert verdict["code"] == "room-mismatch"


async def test_prosodys_question_comes_within_the_window(sidecar: Sidecar, uses: FakeUses) -> None:
    uses.open = True
    assert await ask(sidecar, f"{SOCKET}&token={once()}") == (200, "")
    assert (await ask_verify(sidecar, once()))["allowed"]


async def test_an_entry_is_kept_by_nobody(sidecar: Sidecar, uses: FakeUses) -> None:
    uses.open = True
    uri = f"{BOSH}&token={once()}"
    for _ in range(2):
        status, headers, _ = await sidecar.nginx(uri, HOST)
        assert status == 200
        assert headers["Cache-Control"] == "no-store"
        assert "X-Accel-Expires" not in headers
    uses.open = False
    assert await ask(sidecar, uri) == (403, "token-already-used")
    uses.open = True
    assert await ask(sidecar, uri) == (200, "")
    assert sidecar.count("decision_cache_lookups_total", result="hit") == 0


async def test_without_the_store_nobody_gets_in_and_everybody_may_try_again(
    sidecar: Sidecar, uses: FakeUses
) -> None:
    uses.away = True
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={once()}", HOST)
    assert (status, headers["X-Jitsi-Denial"]) == (503, "store-unavailable")
    assert int(headers["Retry-After"]) > 0
    body = json.dumps({"token": once(), "room_jid": ROOM})
    status, headers, _ = await sidecar.ask("/v1/verify", method="POST", data=body)
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    uses.away = False
    assert await ask(sidecar, f"/standup?jwt={once()}") == (200, "")


async def test_guests_come_and_go(start: Start, uses: FakeUses) -> None:
    sidecar = await start(single_use=SingleUse(uses, 60), allow_empty_token=True)
    for _ in range(2):
        assert await ask(sidecar, "/standup") == (200, "")
    assert uses.claims == []


async def test_the_browser_that_was_first_stays_in_by_its_cookie(
    handing_off: Sidecar, uses: FakeUses
) -> None:
    token = once()
    status, headers, _ = await handing_off.nginx(f"/standup?jwt={token}", HOST)
    assert (status, headers["X-Jitsi-Redirect"]) == (401, f"/standup#jwt=%22{token}%22")
    mine = with_cookie(headers)
    assert await ask(handing_off, "/standup", mine) == (200, "")
    for uri in (f"{BOSH}&token={token}", f"{SOCKET}&token={token}"):
        assert await ask(handing_off, uri, mine) == (200, "")
        assert await ask(handing_off, uri) == (403, "token-already-used")
    assert len({use.browser for use in uses.claims if use.browser}) == 1


async def test_the_link_opened_again_in_the_same_browser_goes_on(handing_off: Sidecar) -> None:
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    mine = with_cookie(headers)
    status, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST, mine)
    assert (status, "X-Jitsi-Redirect" in headers) == (401, True)
    again = with_cookie(headers)
    assert await ask(handing_off, f"{BOSH}&token={once()}", again) == (200, "")
    # A second link for the same room leaves the first one's meeting alone.
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once('j-2')}", HOST, again)
    assert await ask(handing_off, f"{BOSH}&token={once()}", with_cookie(headers)) == (200, "")


async def test_who_comes_within_the_window_gets_no_cookie_that_outlives_it(
    handing_off: Sidecar, uses: FakeUses
) -> None:
    await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    uses.open = True
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    theirs = with_cookie(headers)
    assert await ask(handing_off, f"{BOSH}&token={once()}", theirs) == (200, "")
    uses.open = False
    assert await ask(handing_off, f"{BOSH}&token={once()}", theirs) == (403, "token-already-used")


async def test_ones_own_cookie_does_not_let_in_by_anothers_token(handing_off: Sidecar) -> None:
    stolen = once("moderator", context={"user": {"moderator": True}})
    await handing_off.nginx(f"/standup?jwt={stolen}", HOST)
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    theirs = with_cookie(headers)
    assert await ask(handing_off, f"{BOSH}&token={once()}", theirs) == (200, "")
    assert await ask(handing_off, f"{BOSH}&token={stolen}", theirs) == (403, "token-already-used")
    assert await ask(handing_off, f"/standup?jwt={stolen}", theirs) == (403, "token-already-used")


async def test_a_cookie_without_a_browser_or_that_nobody_signed_lets_nobody_in_again(
    handing_off: Sidecar,
) -> None:
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    morsel = set_cookie(headers)
    ends, browser, _ = morsel.value.split(".")
    forged = [
        cookie(),
        ("Cookie", f"{morsel.key}={cookie_value(b'x' * 32, PLACE, int(ends), browser)}"),
        ("Cookie", f"{morsel.key}={cookie_value(KEY, PLACE, NOW, browser)}"),
        ("Cookie", f"{morsel.key}={cookie_value(KEY, PLACE, int(ends), new_browser(bytes(16)))}"),
        ("Cookie", f"{morsel.key}={morsel.value}x"),
    ]
    for each in forged:
        assert await ask(handing_off, f"{BOSH}&token={once()}", each) == (403, "token-already-used")


class Recorded:
    """A ``Sink`` that keeps how decisions ended."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []

    def wants(self, outcome: str) -> bool:
        return bool(outcome)

    def write(self, record: Mapping[str, Any], asking: LogContext) -> None:
        assert asking.endpoint == "auth"
        self.outcomes.append((record["outcome"], record.get("code", "")))


async def test_report_only_lets_in_again_and_says_who_would_not_have_been(
    start: Start, uses: FakeUses
) -> None:
    sidecar = await start(single_use=SingleUse(uses, 60), report_only=True)
    assert "X-Jitsi-Would-Deny" not in (await sidecar.nginx(f"/standup?jwt={once()}", HOST))[1]
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={once()}", HOST)
    assert (status, headers["X-Jitsi-Would-Deny"]) == (200, "token-already-used")
    uses.away = True
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={once('j-2')}", HOST)
    assert (status, headers["X-Jitsi-Would-Deny"]) == (200, "store-unavailable")


async def test_both_entries_are_written_down(start: Start, uses: FakeUses) -> None:
    sink = Recorded()
    sidecar = await start(single_use=SingleUse(uses, 60), sinks=[sink])
    for _ in range(2):
        await ask(sidecar, f"/standup?jwt={once()}")
    assert sink.outcomes == [("allowed", ""), ("denied", "token-already-used")]
