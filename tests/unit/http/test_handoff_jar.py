"""A browser that opens many rooms: the number of its hand-off cookies is bounded."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

import pytest
from multidict import CIMultiDict

from tests.support.handoff import HOST, KEY, Clock
from tests.support.sidecar import NOW, Sidecar, Start, mint
from verifier.http.handoff import DROP_COOKIES, Handoff
from verifier.http.handoff_cookie import MAX_ROOMS, CookieScope
from verifier.http.pages import Pages


class Jar:
    """The cookies of one browser, in the order in which it sends them: the oldest first."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    @property
    def header(self) -> tuple[str, str]:
        """The ``Cookie`` header."""
        return ("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))

    def store(self, headers: CIMultiDict[str]) -> None:
        """Apply the cookies of a response; a replaced cookie keeps its place, as in browsers."""
        names = ("Set-Cookie", *DROP_COOKIES)
        for header in [header for name in names for header in headers.getall(name, [])]:
            ((name, morsel),) = SimpleCookie(header).items()
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sidecar(start: Start, clock: Clock) -> Sidecar:
    return await start(pages=Pages(handoff=Handoff([KEY], clock)))


def scope(room: str) -> CookieScope:
    return CookieScope("meet.example.org", None, room)


async def enter(sidecar: Sidecar, jar: Jar, room: str, **claims: Any) -> None:
    """Open a link, and load the page to which it leads."""
    uri = f"/{room}?jwt={mint(room=room, **claims)}"
    status, headers, _ = await sidecar.nginx(uri, HOST, jar.header)
    assert (status, "Set-Cookie" in headers) == (401, True)
    jar.store(headers)
    assert await opens(sidecar, jar, room)


async def opens(sidecar: Sidecar, jar: Jar, room: str) -> bool:
    return (await sidecar.nginx(f"/{room}", HOST, jar.header))[0] == 200


async def test_a_browser_keeps_the_rooms_that_it_opened_last(
    sidecar: Sidecar, clock: Clock
) -> None:
    jar, rooms = Jar(), [f"room-{number}" for number in range(200)]
    for room in rooms:
        clock.now += 1
        await enter(sidecar, jar, room, exp=NOW + 600)
        assert len(jar.cookies) <= MAX_ROOMS
        assert len(jar.header[1]) <= 2_500
    assert [room for room in rooms if await opens(sidecar, jar, room)] == rooms[-MAX_ROOMS:]


async def test_a_room_that_was_opened_again_is_not_the_oldest(
    sidecar: Sidecar, clock: Clock
) -> None:
    jar = Jar()
    for number in range(MAX_ROOMS):
        clock.now += 1
        await enter(sidecar, jar, f"room-{number}", exp=NOW + 600)
    for room in ("room-0", "new"):
        clock.now += 1
        await enter(sidecar, jar, room, exp=NOW + 600)
    assert await opens(sidecar, jar, "room-0")
    assert not await opens(sidecar, jar, "room-1")


async def test_opening_one_room_again_deletes_nothing(sidecar: Sidecar, clock: Clock) -> None:
    jar = Jar()
    for number in (*range(MAX_ROOMS), *[3] * 20):
        clock.now += 1
        await enter(sidecar, jar, f"room-{number}", exp=NOW + 600)
    assert len(jar.cookies) == MAX_ROOMS


async def test_two_links_opened_at_once_both_work(sidecar: Sidecar, clock: Clock) -> None:
    jar = Jar()
    for number in range(MAX_ROOMS):
        clock.now += 1
        await enter(sidecar, jar, f"room-{number}", exp=NOW + 600)
    answers = [
        await sidecar.nginx(f"/{room}?jwt={mint(room=room)}", HOST, jar.header)
        for room in ("one", "two")
    ]
    for _, headers, _ in answers:
        with_dropped = dict(jar.cookies)
        jar.store(headers)
        assert len(jar.cookies) <= len(with_dropped) + 1
    assert await opens(sidecar, jar, "one")
    assert await opens(sidecar, jar, "two")
    assert not await opens(sidecar, jar, "room-0")


@pytest.mark.parametrize("together", [2, 10])
async def test_links_opened_at_once_again_and_again_stay_bounded(
    sidecar: Sidecar, clock: Clock, together: int
) -> None:
    jar = Jar()
    for burst in range(40):
        clock.now += 1
        rooms = [f"room-{burst}-{number}" for number in range(together)]
        cookies = jar.header
        answers = [
            await sidecar.nginx(f"/{room}?jwt={mint(room=room, exp=NOW + 600)}", HOST, cookies)
            for room in rooms
        ]
        for _, headers, _ in answers:
            jar.store(headers)
        for room in rooms:
            assert await opens(sidecar, jar, room)
        assert len(jar.header[1]) < 6_000
    for number in range(40):
        clock.now += 1
        await enter(sidecar, jar, f"room-{number}", exp=NOW + 600)
    assert len(jar.cookies) == MAX_ROOMS


async def test_cookies_that_this_program_has_not_made_are_deleted_first(sidecar: Sidecar) -> None:
    jar = Jar()
    jar.cookies = {f"__Host-jitsi-{number:016x}": "1.x" for number in range(MAX_ROOMS)}
    jar.cookies |= {"session": "a", "__Host-jitsi-more": "b", "__Host-other": "c"}
    await enter(sidecar, jar, "standup")
    assert len([name for name in jar.cookies if name.startswith("__Host-jitsi-0")]) == MAX_ROOMS - 1
    assert jar.cookies.keys() >= {"session", "__Host-jitsi-more", "__Host-other"}


async def test_other_proxies_get_two_set_cookie_headers(sidecar: Sidecar) -> None:
    jar = Jar()
    jar.cookies = {f"__Host-jitsi-{number:016x}": "x" for number in range(MAX_ROOMS)}
    forwarded = {
        "Host": "meet.example.org",
        "X-Forwarded-Host": "meet.example.org",
        "X-Forwarded-Uri": f"/standup?jwt={mint()}",
        "X-Jitsi-Handoff": "1",
    }
    status, headers = await forward_auth(sidecar, forwarded, jar)
    assert (status, DROP_COOKIES[0] in headers) == (303, False)
    assert len(headers.getall("Set-Cookie")) == 2
    jar.store(headers)
    assert len(jar.cookies) == MAX_ROOMS
    assert await opens(sidecar, jar, "standup")


async def test_other_proxies_get_every_deletion(sidecar: Sidecar) -> None:
    jar = Jar()
    jar.cookies = {f"__Host-jitsi-{number:016x}": "x" for number in range(MAX_ROOMS + 15)}
    forwarded = {
        "Host": "meet.example.org",
        "X-Forwarded-Host": "meet.example.org",
        "X-Forwarded-Uri": f"/standup?jwt={mint()}",
        "X-Jitsi-Handoff": "1",
    }
    jar.store((await forward_auth(sidecar, forwarded, jar))[1])
    assert len(jar.cookies) == MAX_ROOMS
    assert await opens(sidecar, jar, "standup")


async def forward_auth(
    sidecar: Sidecar, fields: Mapping[str, str], jar: Jar
) -> tuple[int, CIMultiDict[str]]:
    status, headers, _ = await sidecar.ask(
        "/forward-auth", *fields.items(), jar.header, allow_redirects=False
    )
    return status, headers
