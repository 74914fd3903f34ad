"""What is taken for a token, and what is not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.tokens import segment
from verifier.tokens.redact import hide_tokens

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
def test_a_token_is_hidden_however_its_header_is_written(
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
    ],
)
def test_a_name_is_shown(name: str) -> None:
    assert hide_tokens(name) == name
