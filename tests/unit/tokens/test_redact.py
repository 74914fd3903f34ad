from __future__ import annotations

import json
from collections.abc import Callable
from time import process_time
from urllib.parse import quote

import pytest

from tests.support.tokens import segment, sign
from verifier.tokens.redact import hide_tokens, holds_token, may_reveal_token

HEADER = {"alg": "HS256", "typ": "JWT"}
WRITTEN = [
    json.dumps(HEADER),
    json.dumps(HEADER, separators=(",", ":")),
    json.dumps(HEADER, indent=2),
    json.dumps(HEADER, indent="\t"),
    json.dumps(HEADER, indent=1).replace("\n", "\r\n"),
    json.dumps({"1": 1} | HEADER),
    json.dumps({"\xe4": 1} | HEADER, ensure_ascii=False),
    json.dumps({"\u4f60": 1} | HEADER, ensure_ascii=False),
    f"{{\t{json.dumps(HEADER)[1:]}",
    f"{{ {json.dumps(HEADER)[1:]}",
]


@pytest.mark.parametrize("header", WRITTEN)
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_token_is_hidden_however_its_header_is_written(
    header: str, change: Callable[[str], str]
) -> None:
    token = change(f"{segment(header.encode())}.{segment({'room': 'standup'})}.c2lnbmF0dXJl")
    assert hide_tokens(f"no room of this name: {token}") == "no room of this name: [token]"
    assert hide_tokens(f"/--{token}/a") == "/[token]/a"


@pytest.mark.parametrize(
    "name",
    [
        "ewald-und-freunde.treffen-heute",
        "ewan-mcgregor-fans.weekly-standup",
        "eyewitness-reports.conference.example.org",
        "eyes-on-the-prize.conference.example.org",
        "Ewiges-Treffen.Lindenstrasse",
        "eyjafjallajokull",
        "new-eyjafjallajokull.conference.example.org",
        "eyjafjallajokull.conference.example.org",
        "eyewitness-news.example-company.org",
        "eyal-meeting-room",
        "Ewok-Village.weekly-standup",
        "eyjolfur-and-friends",
        "keyjack-conference-room",
        "eyJohnson-room",
        "caf\u00e9%20eyewitness-news",
        "100%",
    ],
)
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_name_is_shown(name: str, change: Callable[[str], str]) -> None:
    assert hide_tokens(change(name)) == change(name)
    assert not may_reveal_token(change(name))


SEGMENTS = [segment(HEADER), segment({"room": "standup"}), "c2lnbmF0dXJl"]
TOKEN = ".".join(SEGMENTS)


@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_lone_header_is_hidden(change: Callable[[str], str]) -> None:
    assert hide_tokens(f"({change(SEGMENTS[0])})") == "([token])"


@pytest.mark.parametrize("change", [str, str.lower, str.upper])
@pytest.mark.parametrize("header", WRITTEN[:6])
def test_cut_off_token_is_hidden(change: Callable[[str], str], header: str) -> None:
    token = change(f"{segment(header.encode())}.{SEGMENTS[1]}.{SEGMENTS[2]}")
    for length in range(12, len(token)):
        assert hide_tokens(token[:length]) == "[token]"


@pytest.mark.parametrize("separator", [".", "..", "\\", "=.", "%2E", "%252e"])
def test_no_segment_is_left_over(separator: str) -> None:
    assert hide_tokens(f"id-{separator.join(SEGMENTS)} a") in {"id-[token] a", "[token] a"}


@pytest.mark.parametrize("change", [str, str.lower, str.upper])
@pytest.mark.parametrize(
    "name", ["my own header member", "na\xefve name of a member", 'a"b\\c d e f g h']
)
def test_signed_token_is_hidden_whatever_its_header_says(
    name: str, change: Callable[[str], str]
) -> None:
    token = change(sign({name: 1}, {name: 1, "alg": "HS256"}))
    assert hide_tokens(f"no room: {token}") == "no room: [token]"
    odd = change(f"{segment({name: 1})}.{segment({name: 1})}.{'c' * 43}")
    assert hide_tokens(f"no room: {odd}, jwt={odd}") == "no room: [token], jwt=[token]"


def test_token_inside_a_word_is_hidden() -> None:
    assert hide_tokens(f"id-{TOKEN}") == "id-[token]"
    assert hide_tokens(f"a{TOKEN}={TOKEN}/b") == "a[token]/b"
    assert hide_tokens(f"{TOKEN} and {TOKEN}", "…") == "… and …"


def test_percent_encoded_token_is_hidden() -> None:
    written = TOKEN
    for _ in range(5):
        written = quote(written, safe="").replace("e", "%65", 1)
        assert hide_tokens(f"/a/{written}?x") == "/a/[token]?x"
        assert holds_token(written)
    assert hide_tokens("".join(f"%{ord(letter):02x}" for letter in TOKEN)) == "[token]"
    assert hide_tokens(f"/a%20b?jwt={TOKEN}&c=%20") == "/a%20b?jwt=[token]&c=%20"


def test_endless_percent_encoding_counts_as_a_token() -> None:
    assert holds_token("%" + "25" * 20 + "41")


@pytest.mark.parametrize("url", ["/a?jwt=b", "/a%3FTOKEN%3Db", "/a%3Fto%256ben%3Db"])
def test_token_parameter_may_reveal_a_token(url: str) -> None:
    assert may_reveal_token(url)
    assert not holds_token(url)


def test_url_with_many_beginnings_may_reveal_a_token() -> None:
    url = "/" + "/".join(f"eyjaf{number:03}" for number in range(40))
    assert may_reveal_token(url)
    assert may_reveal_token(quote(quote(url, safe=""), safe=""))
    assert not may_reveal_token(url[:200])


def test_text_with_many_beginnings_is_hidden_from_a_number_on() -> None:
    words = [f"eyjaf{number:03}" for number in range(18)]
    assert hide_tokens(" ".join(words[:16])) == " ".join(words[:16])
    assert hide_tokens(" ".join(words)) == " ".join((*words[:16], "[token]", "[token]"))
    assert hide_tokens(f"{' '.join(words[:15])} {TOKEN} {words[15]}").endswith("[token] [token]")


def test_spelling_of_each_byte_is_searched_on_its_own() -> None:
    # In every spelling, one letter would have to be both upper and lower case.
    assert hide_tokens("eylhzzn2dcp3t") == "[token]"


@pytest.mark.slow
@pytest.mark.parametrize("part", ["eyj", "eyjhywfh", "eyJhIjoi-", "ewo", "-", "%25", "a%", "eyJ."])
def test_long_texts_take_linear_time(part: str) -> None:
    def seconds(length: int) -> float:
        text, begin = (part * length)[:length], process_time()
        hide_tokens(text)
        may_reveal_token(text)
        return process_time() - begin

    seconds(1_000)
    short = min(seconds(8_000) for _ in range(3))
    assert min(seconds(64_000) for _ in range(3)) < 30 * short + 0.01


def test_token_among_many_broken_escapes_may_be_revealed() -> None:
    token = "%65yJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
    for broken in (0, 10, 256, 257, 4_000):
        assert may_reveal_token("https://meet.example.org/a?x=" + "%" * broken + "&y=" + token)
        assert holds_token("%" * broken + "&y=" + token + "\ud800")
    assert not may_reveal_token("https://meet.example.org/a?x=" + "%" * 256)
