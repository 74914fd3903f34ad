from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.sidecar import NOW, FakeKeys, Sidecar, Start, mint
from verifier.http.pages import Pages
from verifier.keys.sources.base import Missing

LOGIN = "https://login.example.org/?why={code}&room={room}&to={url}"
HOST = ("Host", "meet.example.org")


@pytest.fixture
async def sidecar(start: Start) -> Sidecar:
    return await start(pages=Pages(LOGIN))


async def redirect(sidecar: Sidecar, uri: str) -> dict[str, str] | None:
    _, headers, _ = await sidecar.nginx(uri, HOST)
    if "X-Jitsi-Redirect" not in headers:
        return None
    query = parse_qs(urlsplit(headers["X-Jitsi-Redirect"]).query, keep_blank_values=True)
    return {name: value for name, (value,) in query.items()}


async def test_a_denied_reader_is_redirected(sidecar: Sidecar) -> None:
    status, headers, _ = await sidecar.nginx("/Acme/StandUp?lang=de", HOST)
    assert (status, headers["X-Jitsi-Denial"]) == (401, "token-missing")
    assert headers["X-Jitsi-Redirect"] == (
        "https://login.example.org/?why=token-missing&room=standup"
        "&to=https%3A%2F%2Fmeet.example.org%2FAcme%2FStandUp%3Flang%3Dde"
    )


@pytest.mark.parametrize("parameter", ["jwt", "token", "%6Awt", "toke%6e"])
async def test_the_redirect_holds_no_token(sidecar: Sidecar, parameter: str) -> None:
    token = mint(exp=NOW - 1)
    found = await redirect(sidecar, f"/standup?a=1&{parameter}={token}&b=2")
    assert found == {
        "why": "token-expired",
        "room": "standup",
        "to": "https://meet.example.org/standup?a=1&b=2",
    }


async def test_the_redirect_names_the_room_as_its_claim_does(sidecar: Sidecar) -> None:
    found = await redirect(sidecar, "/%D0%9A?jwt=x")
    assert found is not None
    assert (found["why"], found["room"]) == ("token-malformed", "%d0%ba")
    assert found["to"] == "https://meet.example.org/%D0%9A"


async def test_the_redirect_has_no_room_for_an_invalid_address(sidecar: Sidecar) -> None:
    found = await redirect(sidecar, f"/a/b/c?jwt={mint()}")
    assert found is not None
    assert (found["why"], found["room"]) == ("room-address-invalid", "")


@pytest.mark.parametrize(
    "path",
    ["/standup%3Fjwt={}", "/standup&jwt={}", "/standup%25253Fjwt={}", "/{}", "/a?u=jwt%3D{}"],
)
async def test_a_misplaced_token_is_not_in_the_redirect(sidecar: Sidecar, path: str) -> None:
    _, headers, _ = await sidecar.nginx(path.format(mint(exp=1)), HOST)
    assert headers["X-Jitsi-Redirect"].endswith("&room=&to=")


async def test_a_host_in_the_path_stays_a_path(sidecar: Sidecar) -> None:
    found = await redirect(sidecar, "//evil.example")
    assert found is not None
    assert found["to"] == "https://meet.example.org/evil.example"


@pytest.mark.parametrize("uri", ["/http-bind?room=standup", "/acme/xmpp-websocket?room=standup"])
async def test_signalling_is_not_redirected(sidecar: Sidecar, uri: str) -> None:
    assert await redirect(sidecar, uri) is None


async def test_an_allow_is_not_redirected(sidecar: Sidecar) -> None:
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={mint()}", HOST)
    assert (status, "X-Jitsi-Redirect" in headers) == (200, False)


async def test_an_outage_is_not_redirected(start: Start) -> None:
    sidecar = await start(
        pages=Pages(LOGIN),
        keys=FakeKeys(Missing.UNAVAILABLE),
        key_server=True,
        signature_algorithm="RS256",
    )
    token = mint({"kid": "k", "alg": "RS256"})
    status, headers, _ = await sidecar.nginx(f"/standup?jwt={token}", HOST)
    assert (status, "X-Jitsi-Redirect" in headers) == (503, False)


async def test_a_redirect_too_long_for_buffers_is_left_out(sidecar: Sidecar) -> None:
    assert await redirect(sidecar, f"/standup?a={'b' * 3_000}") is not None
    assert await redirect(sidecar, f"/standup?a={'b' * 5_000}") is None


async def test_without_the_option_there_is_no_redirect(start: Start) -> None:
    assert await redirect(await start(), "/standup") is None
