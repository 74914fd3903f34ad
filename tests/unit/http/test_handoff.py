from __future__ import annotations

import pytest

from tests.support.handoff import HOST, KEY, SCOPE, Clock, cookie, set_cookie, value
from tests.support.sidecar import NOW, Sidecar, Start, mint
from verifier.http.handoff import Handoff
from verifier.http.handoff_cookie import CookieScope, cookie_name, derive_key, read_cookie
from verifier.http.pages import Pages


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sidecar(start: Start, clock: Clock) -> Sidecar:
    return await start(pages=Pages(handoff=Handoff([KEY], clock)), cookie="jwt")


async def status(sidecar: Sidecar, uri: str, *headers: tuple[str, str]) -> tuple[int, str]:
    answered, found, _ = await sidecar.nginx(uri, *(headers or (HOST,)))
    return answered, found.get("X-Jitsi-Denial", "")


async def test_nginx_gets_the_address_with_the_fragment(sidecar: Sidecar) -> None:
    token = mint(sub="acme")
    answered, headers, body = await sidecar.nginx(f"/Acme/StandUp?a=1&jwt={token}&b=%20", HOST)
    assert (answered, body) == (401, "")
    assert headers["X-Jitsi-Redirect"] == f"/Acme/StandUp?a=1&b=%20#jwt=%22{token}%22"
    assert headers["Cache-Control"] == "no-store"
    assert "X-Jitsi-Denial" not in headers
    assert "WWW-Authenticate" not in headers


@pytest.mark.parametrize("path", ["forward-auth", "ext-authz"])
async def test_capable_proxies_get_a_303(sidecar: Sidecar, path: str) -> None:
    uri = f"/standup?jwt={mint()}"
    forwarded = [("X-Forwarded-Host", "meet.example.org"), ("X-Forwarded-Uri", uri)]
    target = "/forward-auth" if path == "forward-auth" else f"/ext-authz{uri}"
    # Without the header: a proxy that does not pass a 303 on would refuse every client.
    assert (await sidecar.ask(target, HOST, *forwarded, allow_redirects=False))[0] == 200
    fields = [HOST, *forwarded, ("X-Jitsi-Handoff", "1")]
    answered, headers, _ = await sidecar.ask(target, *fields, allow_redirects=False)
    assert answered == 303
    assert headers["Location"] == f"/standup#jwt=%22{mint()}%22"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert set_cookie(headers).key == cookie_name(SCOPE)


async def test_ingress_nginx_gets_no_redirect(sidecar: Sidecar) -> None:
    page = "https://meet.example.org/standup"
    answered, headers, _ = await sidecar.ask(
        "/auth-url", ("X-Original-URL", f"{page}?jwt={mint()}")
    )
    assert (answered, "Set-Cookie" in headers) == (200, False)
    answered, _, _ = await sidecar.ask("/auth-url", ("X-Original-URL", page), cookie())
    assert answered == 200


async def test_the_cookie_is_restricted_and_ends_with_the_token(sidecar: Sidecar) -> None:
    _, headers, _ = await sidecar.nginx(f"/standup?jwt={mint()}", HOST)
    morsel = set_cookie(headers)
    assert morsel.key.startswith("__Host-")
    assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "", "Lax")
    assert (morsel["secure"], morsel["httponly"], morsel["max-age"]) == (True, True, "60")
    read = read_cookie(morsel.value, KEY, SCOPE)
    assert read is not None
    assert (read.ends, read.made, read.browser_id) == (NOW + 60, NOW, None)


async def test_the_cookie_is_not_the_token(sidecar: Sidecar) -> None:
    token = mint()
    _, headers, _ = await sidecar.nginx(f"/standup?jwt={token}", HOST)
    written = headers["Set-Cookie"]
    assert not [part for part in token.split(".") if part in written]
    sent = set_cookie(headers).value
    assert await status(sidecar, f"/standup?jwt={sent}", HOST) == (401, "token-malformed")


async def test_a_long_token_gets_a_cookie_for_one_day(sidecar: Sidecar) -> None:
    token = mint(exp=98_753_496_345_768)
    _, headers, _ = await sidecar.nginx(f"/standup?jwt={token}", HOST)
    assert set_cookie(headers)["max-age"] == "86400"


async def test_a_token_in_its_last_second_is_not_handed_off(sidecar: Sidecar) -> None:
    assert await status(sidecar, f"/standup?jwt={mint(exp=NOW + 0.5)}", HOST) == (200, "")


async def test_a_cookie_opens_its_page(sidecar: Sidecar) -> None:
    answered, headers, _ = await sidecar.nginx("/standup?lang=de", HOST, cookie())
    assert answered == 200
    assert (headers["X-Jitsi-Room"], headers["X-Jitsi-User-Id"]) == ("standup", "-")
    assert (headers["X-Jitsi-Moderator"], headers["X-Jitsi-Affiliation"]) == ("false", "none")
    assert sidecar.count("decisions_total", endpoint="auth", outcome="allowed", code="") == 1


async def test_a_page_opened_by_cookie_is_not_cacheable(sidecar: Sidecar) -> None:
    _, headers, _ = await sidecar.nginx("/standup", HOST, cookie())
    assert headers["Cache-Control"] == "no-store"
    assert "X-Accel-Expires" not in headers


async def test_host_and_room_are_compared_in_their_normal_form(sidecar: Sidecar) -> None:
    other = ("Host", "MEET.example.org:8443")
    assert await status(sidecar, "/StandUp", other, cookie()) == (200, "")


@pytest.mark.parametrize(
    ("uri", "sent"),
    [
        ("/standup", cookie(key=derive_key(b"another secret"))),
        ("/retro", cookie()),
        ("/acme/standup", cookie()),
        ("/standup", cookie(CookieScope("meet.example.org", "acme", "standup"))),
        ("/standup", cookie(CookieScope("other.example.org", None, "standup"))),
        ("/standup", ("Cookie", f"{cookie_name(SCOPE)}=x")),
        ("/standup", ("Cookie", cookie_name(SCOPE))),
        ("/", cookie()),
    ],
)
async def test_other_cookies_are_ignored(sidecar: Sidecar, uri: str, sent: tuple[str, str]) -> None:
    without = await status(sidecar, uri, HOST)
    assert await status(sidecar, uri, HOST, sent) == without
    assert without[0] in {401, 403}


async def test_cookies_of_the_previous_secret_open_pages(start: Start, clock: Clock) -> None:
    new = derive_key(b"the new secret")
    sidecar = await start(pages=Pages(handoff=Handoff([new, KEY], clock)))
    assert await status(sidecar, "/standup", HOST, cookie(key=KEY)) == (200, "")
    assert await status(sidecar, "/standup", HOST, cookie(key=new)) == (200, "")
    other = cookie(key=derive_key(b"another secret"))
    assert await status(sidecar, "/standup", HOST, other) == (401, "token-missing")
    _, headers, _ = await sidecar.nginx(f"/standup?jwt={mint()}", HOST)
    assert read_cookie(set_cookie(headers).value, new, SCOPE) is not None


async def test_another_rooms_cookie_under_this_rooms_name_opens_nothing(sidecar: Sidecar) -> None:
    other = CookieScope("meet.example.org", None, "retro")
    sent = ("Cookie", f"{cookie_name(SCOPE)}={value(other)}")
    assert await status(sidecar, "/standup", HOST, sent) == (401, "token-missing")


@pytest.mark.parametrize(
    "uri",
    [
        "/http-bind?room=standup",
        "/xmpp-websocket?room=standup",
        "/conference-request/v1?room=standup",
        "/_api/room-info?room=standup",
    ],
)
async def test_signalling_needs_the_token(sidecar: Sidecar, uri: str) -> None:
    assert await status(sidecar, uri, HOST, cookie()) == (401, "token-missing")
    token = f"{uri}&token={mint()}"
    answered, headers, _ = await sidecar.nginx(token, HOST, cookie())
    assert (answered, "Set-Cookie" in headers) == (200, False)


async def test_a_bad_token_is_denied_despite_the_cookie(sidecar: Sidecar) -> None:
    expired = f"/standup?jwt={mint(exp=NOW - 1)}"
    answered, headers, _ = await sidecar.nginx(expired, HOST, cookie())
    assert (answered, headers["X-Jitsi-Denial"]) == (401, "token-expired")
    assert "X-Jitsi-Redirect" not in headers
    assert "Set-Cookie" not in headers


async def test_a_cookie_ends_while_the_sidecar_runs(sidecar: Sidecar, clock: Clock) -> None:
    assert await status(sidecar, "/standup", HOST, cookie()) == (200, "")
    clock.now = NOW + 60
    assert await status(sidecar, "/standup", HOST, cookie()) == (401, "token-expired")
    # This cookie ended before its token, so its link can be opened again.
    a_day = ("Cookie", f"{cookie_name(SCOPE)}={value(ends=NOW, made=NOW - 86_400)}")
    assert await status(sidecar, "/standup", HOST, a_day) == (401, "token-missing")


async def test_tokens_outside_the_query_are_not_handed_off(sidecar: Sidecar) -> None:
    for header in (("Authorization", f"Bearer {mint()}"), ("Cookie", f"jwt={mint()}")):
        answered, headers, _ = await sidecar.nginx("/standup", HOST, header)
        assert (answered, "Set-Cookie" in headers) == (200, False)


@pytest.mark.parametrize("parameter", ["token", "%6awt"])
async def test_every_spelling_of_the_parameter_is_removed(sidecar: Sidecar, parameter: str) -> None:
    _, headers, _ = await sidecar.nginx(f"/standup?{parameter}={mint()}&a=1", HOST)
    assert headers["X-Jitsi-Redirect"] == f"/standup?a=1#jwt=%22{mint()}%22"


@pytest.mark.parametrize("destination", ["iframe", "frame", "embed", "empty", "script"])
async def test_embedded_pages_are_not_handed_off(sidecar: Sidecar, destination: str) -> None:
    embedded = ("Sec-Fetch-Dest", destination)
    assert await status(sidecar, f"/standup?jwt={mint()}", HOST, embedded) == (200, "")


@pytest.mark.parametrize("destination", ["document", ""])
async def test_top_level_pages_are_handed_off(sidecar: Sidecar, destination: str) -> None:
    _, headers, _ = await sidecar.nginx(
        f"/standup?jwt={mint()}", HOST, ("Sec-Fetch-Dest", destination)
    )
    assert "Set-Cookie" in headers


async def test_a_room_named_like_a_host_stays_on_this_host(sidecar: Sidecar) -> None:
    token = mint(room="evil.example")
    _, headers, _ = await sidecar.nginx(f"//evil.example?jwt={token}", HOST)
    assert headers["X-Jitsi-Redirect"] == f"/evil.example#jwt=%22{token}%22"


async def test_non_ascii_names_are_percent_encoded(sidecar: Sidecar) -> None:
    token = mint(room="%d0%ba")
    _, headers, _ = await sidecar.nginx(f"/\N{CYRILLIC CAPITAL LETTER KA}?ü=1&jwt={token}", HOST)
    assert headers["X-Jitsi-Redirect"] == f"/%D0%9A?%C3%BC=1#jwt=%22{token}%22"


async def test_guests_are_not_handed_off(start: Start, clock: Clock) -> None:
    sidecar = await start(pages=Pages(handoff=Handoff([KEY], clock)), allow_empty_token=True)
    answered, headers, _ = await sidecar.nginx("/standup", HOST)
    assert (answered, "Set-Cookie" in headers) == (200, False)


async def test_without_the_option_nothing_is_handed_off(start: Start) -> None:
    sidecar = await start()
    assert await status(sidecar, f"/standup?jwt={mint()}", HOST) == (200, "")
    assert await status(sidecar, "/standup", HOST, cookie()) == (401, "token-missing")
