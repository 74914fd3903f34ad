"""Examples show the path and the room, and never a token in any encoding."""

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
    ("target", "expected"),
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
def test_example_shows_path_and_room(target: str, expected: str) -> None:
    assert shown(target) == expected


@pytest.mark.parametrize(
    "form", ["/{}", "/a?x={}", "/a%3Fjwt={}", "/a?room={}", "/a;jwt={}", "/a&token={}"]
)
def test_example_contains_no_token_in_any_encoding(form: str) -> None:
    encoded = [TOKEN]
    for _ in range(4):
        encoded.append(quote(encoded[-1], safe=""))
    encoded += ["".join(f"%{ord(character):02x}" for character in TOKEN)]
    for text in encoded:
        out = shown(form.format(text))
        assert not any(part in out for part in (*PARTS, *text.split(".")[:1]))


def test_few_examples_of_each_code_are_kept() -> None:
    tally, target = Tally(), parse_target("/a")
    request = LoggedRequest("/a", 5)
    for code in (DenialCode.TOKEN_MISSING, DenialCode.TOKEN_EXPIRED):
        for number in range(10):
            tally.add_example(Deny(code), target, request, "log", number)
    assert {code: len(examples) for code, examples in tally.examples.items()} == {
        "token-missing": EXAMPLES,
        "token-expired": EXAMPLES,
    }
