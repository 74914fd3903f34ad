"""The hand-off and the way to the login page, through the proxies that browsers talk to."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.raw_http import Answer, Header, send
from tests.system.nginx.sites import mint
from tests.system.proxies.gates import GATES_WITH_PAGES, RealGate

LOGIN = "https://login.example.org/?why={code}&room={room}&to={url}"
SIGNALLING = ["/http-bind?room=standup", "/xmpp-websocket?room=standup"]
CADDY = pytest.mark.parametrize("gate", ["caddy"], indirect=True)


def handed_off(answer: Answer) -> tuple[str, Header]:
    """Give where a hand-off sends the browser, and the cookie that this then sends."""
    assert answer.status == 303, answer.text
    (written,) = answer.headers.get_all("Set-Cookie", [])
    assert written.startswith("__Host-jitsi-")
    assert written.split("; ")[2:] == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
    ((name, morsel),) = SimpleCookie(written).items()
    return answer.headers["Location"], ("Cookie", f"{name}={morsel.value}")


@GATES_WITH_PAGES
def test_an_allowed_page_is_sent_to_its_fragment_and_then_passes_by_cookie(gate: RealGate) -> None:
    token, before = mint(), len(gate.upstream.requests)
    with gate.instead(VERIFIER_HANDOFF="true"):
        answer = gate.ask(f"/standup?lang=de&jwt={token}")
        location, sent = handed_off(answer)
        assert location == f"/standup?lang=de#jwt=%22{token}%22"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers.get_all("Referrer-Policy") == ["no-referrer"]
        assert answer.text == ""
        assert len(gate.upstream.requests) == before
        forwarded = gate.forwarded("/standup?lang=de", sent)
        assert forwarded.target == "/standup?lang=de"
        assert forwarded.values("X-Jitsi-Room") == ["standup"]
        assert gate.ask("/standup?lang=de").denial == (401, "token-missing")


@GATES_WITH_PAGES
def test_its_cookie_opens_no_signalling_no_other_room_and_no_other_host(gate: RealGate) -> None:
    with gate.instead(VERIFIER_HANDOFF="true"):
        _, sent = handed_off(gate.ask(f"/standup?jwt={mint()}"))
        before = len(gate.upstream.requests)
        for target in (*SIGNALLING, "/other", "/acme/standup"):
            assert gate.ask(target, sent).denial == (401, "token-missing")
        send(gate.proxy.port, "/standup", sent, host="other.example.org")
        assert len(gate.upstream.requests) == before
        assert gate.ask(f"{SIGNALLING[0]}&token={mint()}", sent).status == 200
    assert gate.ask("/standup", sent).denial == (401, "token-missing")


@GATES_WITH_PAGES
def test_who_is_refused_and_who_is_in_a_frame_is_handed_nothing(gate: RealGate) -> None:
    with gate.instead(VERIFIER_HANDOFF="true"):
        for target in (f"/other?jwt={mint()}", f"/standup?jwt={mint()}x", "/standup"):
            answer = gate.ask(target, ("X-Jitsi-Redirect", "https://evil.example"))
            assert answer.status in {401, 403}
            assert answer.headers["Set-Cookie"] is answer.headers["Location"] is None
        framed = gate.ask(f"/standup?jwt={mint()}", ("Sec-Fetch-Dest", "iframe"))
        assert (framed.status, framed.headers["Set-Cookie"]) == (200, None)


@CADDY
def test_a_long_cookie_beside_a_long_token_is_no_trouble(gate: RealGate) -> None:
    token = mint(context={"user": {"name": "n" * 6_000}})
    with gate.instead(VERIFIER_HANDOFF="true"):
        answer = gate.ask(f"/standup?jwt={token}", ("Cookie", f"a={'c' * 12_000}"))
    assert handed_off(answer)[0] == f"/standup#jwt=%22{token}%22"


@CADDY
def test_the_sidecar_sees_cookies_only_where_no_token_stands_in_the_url(gate: RealGate) -> None:
    cookie = ("Cookie", "a=b; c=d")
    with gate.open_to_all() as questions:
        for target in ("/standup", f"/standup?jwt={mint()}", f"/standup?a=b&token={mint()}"):
            gate.ask(target, cookie)
    sent = ["".join(question.values("Cookie")) for question in questions]
    assert sent == ["a=b; c=d", "", ""]


def sent_to(answer: Answer) -> dict[str, list[str]]:
    parts = urlsplit(answer.headers["Location"])
    assert (answer.status, parts.scheme, parts.netloc) == (302, "https", "login.example.org")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.get_all("Referrer-Policy") == ["no-referrer"]
    assert "eyJ" not in str(answer.headers) + answer.text
    return parse_qs(parts.query, strict_parsing=True)


@CADDY
def test_a_refused_reader_is_sent_to_the_login_page_without_the_token(gate: RealGate) -> None:
    with gate.instead(VERIFIER_DENIED_REDIRECT_URL=LOGIN):
        expired = gate.ask(f"/acme/standup?lang=de&jwt={mint(exp=1_500_000_000)}")
        elsewhere = gate.ask(f"/standup?jwt={mint(room='other')}")
    assert sent_to(expired) == {
        "why": ["token-expired"],
        "room": ["standup"],
        "to": ["https://meet.example.org/acme/standup?lang=de"],
    }
    assert sent_to(elsewhere)["why"] == [elsewhere.headers["X-Jitsi-Denial"]] == ["room-mismatch"]


@CADDY
def test_nobody_else_is_sent_anywhere(gate: RealGate) -> None:
    forged = ("X-Jitsi-Redirect", "https://evil.example/")
    with gate.instead(VERIFIER_DENIED_REDIRECT_URL=LOGIN):
        sent_to(gate.ask("/standup", forged))
        assert gate.ask(SIGNALLING[0], forged).denial == (401, "token-missing")
        assert gate.ask(f"/standup?jwt={mint()}", forged).status == 200
    assert gate.ask("/standup", forged).denial == (401, "token-missing")


@CADDY
def test_a_sidecar_that_is_down_sends_nobody_anywhere(gate: RealGate) -> None:
    gate.sidecar.stop()
    answer = gate.ask("/standup", ("X-Jitsi-Redirect", "https://evil.example/"))
    gate.sidecar.start()
    assert (answer.status, answer.headers["Location"]) == (503, None)


@GATES_WITH_PAGES
def test_the_browser_that_was_first_with_a_one_use_token_stays_in(gate: RealGate) -> None:
    token = mint(jti="once")
    target = f"{SIGNALLING[0]}&token={token}"
    once = {"VERIFIER_SINGLE_USE": "jti", "VERIFIER_SINGLE_USE_WINDOW": "0"}
    with gate.instead(VERIFIER_HANDOFF="true", **once):
        _, (name, mine) = handed_off(gate.ask(f"/standup?jwt={token}"))
        among_others = (name, f"a=b; __Host-jitsi-0=1; {mine}; c=d")
        for _ in range(2):
            assert gate.ask(target, among_others).status == 200
            assert gate.ask(target).denial == (403, "token-already-used")
