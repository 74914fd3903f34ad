"""A browser that opens 200 rooms in a day, through nginx: its cookies stay few, and rooms open."""

from __future__ import annotations

from email.message import Message
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, cast
from urllib.request import Request

import pytest

from tests.support.browser import Tab, browser
from tests.support.processes import post
from tests.support.raw_http import Answer
from tests.system.nginx.handoffs import HOST
from tests.system.nginx.sites import FRONT, JITSI, Site, StartSite, mint
from verifier.http.handoff_cookie import MAX_ROOMS

ROOMS = [f"room-{number}" for number in range(200)]


@pytest.fixture(params=[JITSI, FRONT])
def site(request: pytest.FixtureRequest, sites: StartSite) -> Site:
    return sites(request.param, VERIFIER_HANDOFF="true")


class _Received:
    """A response in the form that ``CookieJar`` reads."""

    def __init__(self, answer: Answer) -> None:
        self._headers = answer.headers

    def info(self) -> Message:
        return self._headers


class Browser:
    """A client with the standard library's cookie jar."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.jar = CookieJar()

    def get(self, target: str) -> Answer:
        """Send a request with the jar's cookies, and store those of the response."""
        return self.get_at_once(target)[0]

    def get_at_once(self, *targets: str) -> list[Answer]:
        """Send requests of which none has a cookie that another one sets."""
        requests = [Request(f"https://{HOST}{target}") for target in targets]
        answers = []
        for request, target in zip(requests, targets, strict=True):
            self.jar.add_cookie_header(request)
            sent = request.get_header("Cookie")
            answers.append(self.site.get(target, *([("Cookie", sent)] if sent else [])))
        for request, answer in zip(requests, answers, strict=True):
            self.jar.extract_cookies(cast("Any", _Received(answer)), request)
        return answers

    def enter(self, room: str, **claims: object) -> None:
        """Open a link, and load the page to which it leads."""
        assert self.get(f"/{room}?jwt={mint(room=room, **claims)}").status == 302, room
        assert self.get(f"/{room}").status == 200, room


def test_200_rooms_leave_few_cookies(site: Site) -> None:
    client = Browser(site)
    for room in ROOMS:
        client.enter(room)
        assert len(client.jar) <= MAX_ROOMS
    for room in ROOMS[-MAX_ROOMS:]:
        assert client.get(f"/{room}").status == 200, room
    assert client.get(f"/{ROOMS[-MAX_ROOMS - 1]}").denial == (401, "token-missing")


def test_links_opened_at_once_again_and_again_leave_few_cookies(site: Site) -> None:
    client = Browser(site)
    for first in range(0, len(ROOMS), 10):
        rooms = ROOMS[first : first + 10]
        opened = client.get_at_once(*[f"/{room}?jwt={mint(room=room)}" for room in rooms])
        assert {answer.status for answer in opened} == {302}
        assert {
            answer.status for answer in client.get_at_once(*[f"/{room}" for room in rooms])
        } == {200}
        assert len(client.jar) <= 4 * MAX_ROOMS
    for room in ROOMS[:20]:
        client.enter(room)
    assert len(client.jar) == MAX_ROOMS


def test_page_says_that_the_token_was_revoked(site: Site) -> None:
    client = Browser(site)
    client.enter("standup", context={"user": {"id": "u-1"}})
    body, json_type = b'{"user_id": "u-1"}', {"Content-Type": "application/json"}
    added = post(site.sidecar.admin_port, "/v1/revocations", body, json_type)
    assert added.status == 201
    denied = client.get("/standup")
    assert denied.denial == (403, "revoked")
    assert "withdrawn" in denied.text


async def test_chromium_opens_200_rooms(sites: StartSite, tmp_path: Path) -> None:
    site = sites(JITSI, name="many rooms in a browser", VERIFIER_HANDOFF="true")
    base = f"http://127.0.0.1:{site.nginx.port}"
    async with browser(tmp_path) as tab:
        for room in ROOMS:
            await tab.open(f"{base}/{room}?jwt={mint(room=room)}")
            assert await tab.evaluate("document.title") == "Jitsi Meet", room
        assert await count_cookies(tab) <= MAX_ROOMS
        await tab.open(f"{base}/{ROOMS[-1]}")
        assert await tab.evaluate("document.title") == "Jitsi Meet"


async def count_cookies(tab: Tab) -> int:
    return len((await tab.call("Network.getCookies"))["cookies"])
