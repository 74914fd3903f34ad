"""Examples show where and what, and never a token, however a link was mangled."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.support.tokens import sign
from verifier.replay.logged_request import LoggedRequest
from verifier.replay.tally import EXAMPLES, Tally, shown_target
from verifier.rooms.url import parse_target
from verifier.rules.model import DenialCode, Deny

TOKEN = sign({"iss": "app", "room": "standup"})
PARTS = TOKEN.split(".")


def shown(text: str) -> str:
    target = parse_target(text)
    assert target is not None
    return shown_target(target)


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        (f"/standup?jwt={TOKEN}&lang=de&secret=s", "/standup?jwt=…"),
        (f"/a/http-bind?room=standup&token={TOKEN}", "/a/http-bind?room=standup&token=…"),
        ("/standup", "/standup"),
        ("/café\x1b[2J", "/caf%C3%A9%1B[2J"),
        (f"/{TOKEN}", "/…"),
        ("/a/eyAiYWxnIjoiSFMyNTYifQ.ewogImlzcyI6ImFwcCJ9.c2ln", "/a/…"),
        ("/a/ewoiYWxnIjoiSFMyNTYifQ.ewogImlzcyI6ImFwcCJ9.c2ln", "/a/…"),
        ("/" + "a" * 500, "/" + "a" * 119 + "…"),
    ],
)
def test_an_example_shows_path_and_room(target: str, seen: str) -> None:
    assert shown(target) == seen


@pytest.mark.parametrize(
    "place", ["/{}", "/a?x={}", "/a%3Fjwt={}", "/a?room={}", "/a;jwt={}", "/a&token={}"]
)
def test_no_place_and_no_encoding_lets_a_token_through(place: str) -> None:
    every = [TOKEN]
    for _ in range(4):
        every.append(quote(every[-1], safe=""))
    every += ["".join(f"%{ord(each):02x}" for each in TOKEN)]
    for written in every:
        out = shown(place.format(written))
        assert not any(part in out for part in (*PARTS, *written.split(".")[:1]))


def test_a_few_examples_of_each_code_are_kept() -> None:
    tally, target = Tally(), parse_target("/a")
    request = LoggedRequest("/a", 5)
    for code in (DenialCode.TOKEN_MISSING, DenialCode.TOKEN_EXPIRED):
        for number in range(10):
            tally.add_example(Deny(code), target, request, "log", number)
    assert {code: len(each) for code, each in tally.examples.items()} == {
        "token-missing": EXAMPLES,
        "token-expired": EXAMPLES,
    }
