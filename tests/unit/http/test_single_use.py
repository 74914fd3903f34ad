"""Single use at the endpoints: first and later uses, browsers with cookies, failing stores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from multidict import CIMultiDict

from tests.support.handoff import HOST, KEY, SCOPE, cookie, set_cookie
from tests.support.sidecar import NOW, Sidecar, Start, mint
from verifier.http.handoff import Handoff
from verifier.http.handoff_cookie import cookie_value, new_browser_id, read_cookie
from verifier.http.pages import Pages
from verifier.observability.sinks import LogContext
from verifier.single_use import SingleUse
from verifier.single_use.model import EntryAttempt
from verifier.storage.errors import StoreUnavailableError

BOSH = "/http-bind?room=standup"
SOCKET = "/xmpp-websocket?room=standup"
ROOM = "standup@conference.meet.example.org"


@dataclass
class FakeRedemptions:
    """A store of redemptions whose window is open while a test says so."""

    open: bool = False
    unavailable: bool = False
    first_browsers: dict[str, str | None] = field(default_factory=dict)
    attempts: list[EntryAttempt] = field(default_factory=list)

    async def redeem(self, attempt: EntryAttempt) -> bool:
        if self.unavailable:
            raise StoreUnavailableError("redis://127.0.0.1:6379/0: Connection refused")
        self.attempts.append(attempt)
        token_id, browser = attempt.token_id, attempt.browser
        first_browser = self.first_browsers.setdefault(token_id, browser)
        is_first = sum(each.token_id == token_id for each in self.attempts) == 1
        return self.open or is_first or (first_browser is not None and first_browser == browser)

    async def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def redemptions() -> FakeRedemptions:
    return FakeRedemptions()


@pytest.fixture
async def sidecar(start: Start, redemptions: FakeRedemptions) -> Sidecar:
    return await start(single_use=SingleUse(redemptions, 60))


@pytest.fixture
async def handing_off(start: Start, redemptions: FakeRedemptions) -> Sidecar:
    pages = Pages(handoff=Handoff([KEY], lambda: NOW))
    return await start(single_use=SingleUse(redemptions, 60), pages=pages)


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


async def test_a_second_entry_is_denied_with_its_code(sidecar: Sidecar) -> None:
    assert await ask(sidecar, f"/standup?jwt={once()}") == (200, "")
    status, headers, body = await sidecar.nginx(f"/standup?jwt={once()}", HOST)
    assert (status, headers["X-Jitsi-Denial"]) == (403, "token-already-used")
    assert json.loads(body)["detail"] == "this token has opened its room before"
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
async def test_every_proxy_endpoint_denies_a_second_entry(
    sidecar: Sidecar, endpoint: str, headers: list[tuple[str, str]]
) -> None:
    uri = f"{BOSH}&token={once()}"
    filled = [(name, value.format(uri)) for name, value in headers]
    answered = [(await sidecar.ask(endpoint.format(uri), HOST, *filled))[0] for _ in range(2)]
    assert answered == [200, 403]


async def test_a_denied_request_does_not_use_the_token(
    sidecar: Sidecar, redemptions: FakeRedemptions
) -> None:
    for uri in (f"/other?jwt={once()}", f"/standup?jwt={once(exp=NOW - 1)}", "/standup", "/"):
        assert (await ask(sidecar, uri))[0] in {401, 403}
    assert redemptions.attempts == []


async def test_issuer_and_jti_identify_a_token_until_its_end(
    start: Start, redemptions: FakeRedemptions
) -> None:
    sidecar = await start(single_use=SingleUse(redemptions, 60), asap_accepted_issuers=("*",))
    assert await ask(sidecar, f"/standup?jwt={once()}") == (200, "")
    renewed = once(room="*", exp=NOW + 600)
    assert await ask(sidecar, f"/standup?jwt={renewed}") == (403, "token-already-used")
    assert await ask(sidecar, f"/standup?jwt={once('j-2')}") == (200, "")
    assert await ask(sidecar, f"/standup?jwt={once(iss='other')}") == (200, "")
    names = [each.token_id for each in redemptions.attempts]
    assert len(set(names)) == 3
    assert "j-1" not in "".join(names)
    assert {each.keep_until for each in redemptions.attempts} == {NOW + 60 + 300, NOW + 600 + 300}
    assert {each.window for each in redemptions.attempts} == {60}


@pytest.mark.parametrize("claims", [{"jti": ...}, {"jti": "j-1", "exp": ...}])
async def test_a_token_without_jti_or_exp_is_denied(
    sidecar: Sidecar, claims: dict[str, Any]
) -> None:
    assert await ask(sidecar, f"/standup?jwt={mint(**claims)}") == (401, "claim-malformed")


async def test_requests_about_the_token_alone_do_not_use_it(
    sidecar: Sidecar, redemptions: FakeRedemptions
) -> None:
    token = once()
    bearer = ("Authorization", f"Bearer {token}")
    for _ in range(2):
        assert (await ask_verify(sidecar, token, room_jid=None))["allowed"]
        assert json.loads((await sidecar.ask("/access", bearer))[2]) == {"access": True}
        password = f"/check_password?user=u&pass={token}&server=meet.example.org"
        assert (await sidecar.ask(password))[2] == "true"
    assert redemptions.attempts == []
    assert await ask(sidecar, f"/standup?jwt={token}") == (200, "")
    assert (await ask_verify(sidecar, token, room_jid=None))["allowed"]


async def test_a_request_of_prosody_counts_as_an_entry(sidecar: Sidecar) -> None:
    assert (await ask_verify(sidecar, once()))["allowed"]
    verdict = await ask_verify(sidecar, once())
    assert (verdict["allowed"], verdict["code"]) == (False, "token-already-used")
    assert (verdict["error"], verdict["reason"]) == ("not-allowed", "token already used")
    assert await ask(sidecar, f"/standup?jwt={once()}") == (403, "token-already-used")


async def test_a_session_admitted_before_may_enter_again(
    sidecar: Sidecar, redemptions: FakeRedemptions
) -> None:
    assert (await ask_verify(sidecar, once()))["allowed"]
    assert (await ask_verify(sidecar, once(), admitted_before=True))["allowed"]
    assert not (await ask_verify(sidecar, once(), admitted_before=False))["allowed"]
    assert len(redemptions.attempts) == 2
    other = "other@conference.meet.example.org"
    verdict = await ask_verify(sidecar, once(), room_jid=other, admitted_before=True)
    assert verdict["code"] == "room-mismatch"


async def test_a_request_of_prosody_is_allowed_within_the_window(
    sidecar: Sidecar, redemptions: FakeRedemptions
) -> None:
    redemptions.open = True
    assert await ask(sidecar, f"{SOCKET}&token={once()}") == (200, "")
    assert (await ask_verify(sidecar, once()))["allowed"]


async def test_entries_are_never_cached(sidecar: Sidecar, redemptions: FakeRedemptions) -> None:
    redemptions.open = True
    uri = f"{BOSH}&token={once()}"
    for _ in range(2):
        status, headers, _ = await sidecar.nginx(uri, HOST)
        assert status == 200
        assert headers["Cache-Control"] == "no-store"
        assert "X-Accel-Expires" not in headers
    redemptions.open = False
    assert await ask(sidecar, uri) == (403, "token-already-used")
    redemptions.open = True
    assert await ask(sidecar, uri) == (200, "")
    assert sidecar.count("decision_cache_lookups_total", result="hit") == 0


async def test_without_the_store_entries_are_denied_and_may_be_retried(
    sidecar: Sidecar, redemptions: FakeRedemptions
) -> None:
    redemptions.unavailable = True
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={once()}", HOST)
    assert (status, headers["X-Jitsi-Denial"]) == (503, "store-unavailable")
    assert int(headers["Retry-After"]) > 0
    body = json.dumps({"token": once(), "room_jid": ROOM})
    status, headers, _ = await sidecar.ask("/v1/verify", method="POST", data=body)
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    redemptions.unavailable = False
    assert await ask(sidecar, f"/standup?jwt={once()}") == (200, "")


async def test_guests_may_enter_repeatedly(start: Start, redemptions: FakeRedemptions) -> None:
    sidecar = await start(single_use=SingleUse(redemptions, 60), allow_empty_token=True)
    for _ in range(2):
        assert await ask(sidecar, "/standup") == (200, "")
    assert redemptions.attempts == []


async def test_the_first_browser_may_reenter_by_its_cookie(
    handing_off: Sidecar, redemptions: FakeRedemptions
) -> None:
    token = once()
    status, headers, _ = await handing_off.nginx(f"/standup?jwt={token}", HOST)
    assert (status, headers["X-Jitsi-Redirect"]) == (401, f"/standup#jwt=%22{token}%22")
    first = with_cookie(headers)
    assert await ask(handing_off, "/standup", first) == (200, "")
    for uri in (f"{BOSH}&token={token}", f"{SOCKET}&token={token}"):
        assert await ask(handing_off, uri, first) == (200, "")
        assert await ask(handing_off, uri) == (403, "token-already-used")
    assert len({each.browser for each in redemptions.attempts if each.browser}) == 1


async def test_the_first_browser_may_open_the_link_again(handing_off: Sidecar) -> None:
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    first = with_cookie(headers)
    status, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST, first)
    assert (status, "X-Jitsi-Redirect" in headers) == (401, True)
    again = with_cookie(headers)
    assert await ask(handing_off, f"{BOSH}&token={once()}", again) == (200, "")
    # A second token for the same room does not end the first token's session.
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once('j-2')}", HOST, again)
    assert await ask(handing_off, f"{BOSH}&token={once()}", with_cookie(headers)) == (200, "")


async def test_a_cookie_from_within_the_window_does_not_outlive_it(
    handing_off: Sidecar, redemptions: FakeRedemptions
) -> None:
    await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    redemptions.open = True
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    second = with_cookie(headers)
    assert await ask(handing_off, f"{BOSH}&token={once()}", second) == (200, "")
    redemptions.open = False
    assert await ask(handing_off, f"{BOSH}&token={once()}", second) == (403, "token-already-used")


async def test_a_cookie_does_not_admit_with_a_token_of_another_browser(
    handing_off: Sidecar,
) -> None:
    stolen = once("moderator", context={"user": {"moderator": True}})
    await handing_off.nginx(f"/standup?jwt={stolen}", HOST)
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    second = with_cookie(headers)
    assert await ask(handing_off, f"{BOSH}&token={once()}", second) == (200, "")
    assert await ask(handing_off, f"{BOSH}&token={stolen}", second) == (403, "token-already-used")
    assert await ask(handing_off, f"/standup?jwt={stolen}", second) == (403, "token-already-used")


async def test_a_page_is_denied_to_the_cookie_of_another_browser(
    handing_off: Sidecar, redemptions: FakeRedemptions
) -> None:
    """The page would load itself again and again, because signalling is denied."""
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    first = with_cookie(headers)
    redemptions.open = True
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    second = with_cookie(headers)
    assert await ask(handing_off, "/standup", second) == (200, "")
    redemptions.open = False
    assert await ask(handing_off, "/standup", second) == (403, "token-already-used")
    assert await ask(handing_off, "/standup", first) == (200, "")
    redemptions.unavailable = True
    assert await ask(handing_off, "/standup", first) == (503, "store-unavailable")


async def test_forged_cookies_and_cookies_without_a_browser_are_ignored(
    handing_off: Sidecar,
) -> None:
    _, headers, _ = await handing_off.nginx(f"/standup?jwt={once()}", HOST)
    morsel = set_cookie(headers)
    made = read_cookie(morsel.value, KEY, SCOPE)
    assert made is not None
    other_browser = new_browser_id(bytes(16))
    forged = [
        cookie(),
        *(
            ("Cookie", f"{morsel.key}={sent}")
            for sent in (
                cookie_value(b"x" * 32, SCOPE, made),
                cookie_value(KEY, SCOPE, replace(made, ends=NOW)),
                cookie_value(KEY, SCOPE, replace(made, browser_id=other_browser)),
                f"{morsel.value}x",
            )
        ),
    ]
    for each in forged:
        assert await ask(handing_off, f"{BOSH}&token={once()}", each) == (403, "token-already-used")


class Recorded:
    """A ``Sink`` that keeps the outcomes of decisions."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []

    def wants(self, outcome: str) -> bool:
        return bool(outcome)

    def write(self, record: Mapping[str, Any], asking: LogContext) -> None:
        assert asking.endpoint == "auth"
        self.outcomes.append((record["outcome"], record.get("code", "")))


async def test_report_only_allows_a_second_entry_and_reports_it(
    start: Start, redemptions: FakeRedemptions
) -> None:
    sidecar = await start(single_use=SingleUse(redemptions, 60), report_only=True)
    assert "X-Jitsi-Would-Deny" not in (await sidecar.nginx(f"/standup?jwt={once()}", HOST))[1]
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={once()}", HOST)
    assert (status, headers["X-Jitsi-Would-Deny"]) == (200, "token-already-used")
    redemptions.unavailable = True
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={once('j-2')}", HOST)
    assert (status, headers["X-Jitsi-Would-Deny"]) == (200, "store-unavailable")


async def test_both_entries_are_logged(start: Start, redemptions: FakeRedemptions) -> None:
    sink = Recorded()
    sidecar = await start(single_use=SingleUse(redemptions, 60), sinks=[sink])
    for _ in range(2):
        await ask(sidecar, f"/standup?jwt={once()}")
    assert sink.outcomes == [("allowed", ""), ("denied", "token-already-used")]
