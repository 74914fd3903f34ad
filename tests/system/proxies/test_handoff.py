"""The hand-off and the redirect to the login page, through Caddy and Envoy."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.raw_http import Answer, Header, send
from tests.system.nginx.sites import mint
from tests.system.proxies.gates import GATES_WITH_PAGES, RealGate
from verifier.http.handoff_cookie import MAX_ROOMS

LOGIN = "https://login.example.org/?why={code}&room={room}&to={url}"
SIGNALLING = ["/http-bind?room=standup", "/xmpp-websocket?room=standup"]
CADDY = pytest.mark.parametrize("gate", ["caddy"], indirect=True)


def handed_off(answer: Answer) -> tuple[str, Header]:
    """Return the location to which a hand-off sends the browser, and the browser's next cookie."""
    assert answer.status == 303, answer.text
    (header,) = answer.headers.get_all("Set-Cookie", [])
    assert header.startswith("__Host-jitsi-")
    assert header.split("; ")[2:] == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
    ((name, morsel),) = SimpleCookie(header).items()
    return answer.headers["Location"], ("Cookie", f"{name}={morsel.value}")


@GATES_WITH_PAGES
def test_allowed_page_redirects_to_fragment_then_cookie_allows(gate: RealGate) -> None:
    token, before = mint(), len(gate.upstream.requests)
    with gate.with_options(VERIFIER_HANDOFF="true"):
        answer = gate.send(f"/standup?lang=de&jwt={token}")
        location, sent = handed_off(answer)
        assert location == f"/standup?lang=de#jwt=%22{token}%22"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers.get_all("Referrer-Policy") == ["no-referrer"]
        assert answer.text == ""
        assert len(gate.upstream.requests) == before
        forwarded = gate.forwarded("/standup?lang=de", sent)
        assert forwarded.target == "/standup?lang=de"
        assert forwarded.values("X-Jitsi-Room") == ["standup"]
        assert gate.send("/standup?lang=de").denial == (401, "token-missing")


@GATES_WITH_PAGES
def test_cookie_opens_only_its_page_on_its_host(gate: RealGate) -> None:
    with gate.with_options(VERIFIER_HANDOFF="true"):
        _, sent = handed_off(gate.send(f"/standup?jwt={mint()}"))
        before = len(gate.upstream.requests)
        for target in (*SIGNALLING, "/other", "/acme/standup"):
            assert gate.send(target, sent).denial == (401, "token-missing")
        send(gate.proxy.port, "/standup", sent, host="other.example.org")
        assert len(gate.upstream.requests) == before
        assert gate.send(f"{SIGNALLING[0]}&token={mint()}", sent).status == 200
    assert gate.send("/standup", sent).denial == (401, "token-missing")


@GATES_WITH_PAGES
def test_denied_and_framed_pages_are_not_handed_off(gate: RealGate) -> None:
    with gate.with_options(VERIFIER_HANDOFF="true"):
        for target in (f"/other?jwt={mint()}", f"/standup?jwt={mint()}x", "/standup"):
            answer = gate.send(target, ("X-Jitsi-Redirect", "https://evil.example"))
            assert answer.status in {401, 403}
            assert answer.headers["Set-Cookie"] is answer.headers["Location"] is None
        framed = gate.send(f"/standup?jwt={mint()}", ("Sec-Fetch-Dest", "iframe"))
        assert (framed.status, framed.headers["Set-Cookie"]) == (200, None)


@GATES_WITH_PAGES
def test_many_rooms_leave_few_cookies(gate: RealGate) -> None:
    jar: dict[str, str] = {}
    with gate.with_options(VERIFIER_HANDOFF="true"):
        for number in range(3 * MAX_ROOMS):
            room = f"room-{number}"
            sent = ("Cookie", "; ".join(f"{name}={value}" for name, value in jar.items()))
            answer = gate.send(f"/{room}?jwt={mint(room=room)}", *([sent] if jar else []))
            assert answer.status == 303
            for header in answer.headers.get_all("Set-Cookie", []):
                ((name, morsel),) = SimpleCookie(header).items()
                jar[name] = morsel.value
                if morsel["max-age"] == "0":
                    del jar[name]
            assert len(jar) <= MAX_ROOMS
            sent = ("Cookie", "; ".join(f"{name}={value}" for name, value in jar.items()))
            assert gate.send(f"/{room}", sent).status == 200


@CADDY
def test_long_cookie_with_long_token_is_handed_off(gate: RealGate) -> None:
    token = mint(context={"user": {"name": "n" * 6_000}})
    with gate.with_options(VERIFIER_HANDOFF="true"):
        answer = gate.send(f"/standup?jwt={token}", ("Cookie", f"a={'c' * 12_000}"))
    assert handed_off(answer)[0] == f"/standup#jwt=%22{token}%22"


@CADDY
def test_cookies_reach_the_service_without_url_token_only(gate: RealGate) -> None:
    cookie = ("Cookie", "a=b; c=d")
    with gate.allowing_everything() as requests:
        for target in ("/standup", f"/standup?jwt={mint()}", f"/standup?a=b&token={mint()}"):
            gate.send(target, cookie)
    sent = ["".join(request.values("Cookie")) for request in requests]
    assert sent == ["a=b; c=d", "", ""]


def login_parameters(answer: Answer) -> dict[str, list[str]]:
    """Check that an answer redirects to the login page; return the parameters of its URL."""
    parts = urlsplit(answer.headers["Location"])
    assert (answer.status, parts.scheme, parts.netloc) == (302, "https", "login.example.org")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.get_all("Referrer-Policy") == ["no-referrer"]
    assert "eyJ" not in str(answer.headers) + answer.text
    return parse_qs(parts.query, strict_parsing=True)


@CADDY
def test_denied_page_redirects_to_login_without_the_token(gate: RealGate) -> None:
    with gate.with_options(VERIFIER_DENIED_REDIRECT_URL=LOGIN):
        expired = gate.send(f"/acme/standup?lang=de&jwt={mint(exp=1_500_000_000)}")
        other_room = gate.send(f"/standup?jwt={mint(room='other')}")
    assert login_parameters(expired) == {
        "why": ["token-expired"],
        "room": ["standup"],
        "to": ["https://meet.example.org/acme/standup?lang=de"],
    }
    assert (
        login_parameters(other_room)["why"]
        == [other_room.headers["X-Jitsi-Denial"]]
        == ["room-mismatch"]
    )


@CADDY
def test_other_requests_are_not_redirected(gate: RealGate) -> None:
    forged = ("X-Jitsi-Redirect", "https://evil.example/")
    with gate.with_options(VERIFIER_DENIED_REDIRECT_URL=LOGIN):
        login_parameters(gate.send("/standup", forged))
        assert gate.send(SIGNALLING[0], forged).denial == (401, "token-missing")
        assert gate.send(f"/standup?jwt={mint()}", forged).status == 200
    assert gate.send("/standup", forged).denial == (401, "token-missing")


@CADDY
def test_unavailable_service_redirects_no_request(gate: RealGate) -> None:
    gate.sidecar.stop()
    answer = gate.send("/standup", ("X-Jitsi-Redirect", "https://evil.example/"))
    gate.sidecar.start()
    assert (answer.status, answer.headers["Location"]) == (503, None)


@GATES_WITH_PAGES
def test_first_browser_may_use_a_single_use_token_again(gate: RealGate) -> None:
    token = mint(jti="once")
    target = f"{SIGNALLING[0]}&token={token}"
    single_use = {"VERIFIER_SINGLE_USE": "jti", "VERIFIER_SINGLE_USE_WINDOW": "0"}
    with gate.with_options(VERIFIER_HANDOFF="true", **single_use):
        _, (name, mine) = handed_off(gate.send(f"/standup?jwt={token}"))
        among_others = (name, f"a=b; __Host-jitsi-0=1; {mine}; c=d")
        for _ in range(2):
            assert gate.send(target, among_others).status == 200
            assert gate.send(target).denial == (403, "token-already-used")
