from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from verifier.http.identity import identity_headers
from verifier.rules.model import Allow
from verifier.tokens.claims import Claims


def header(value: Any) -> str:
    return identity_headers(Allow(Claims({"iss": value})), None)["X-Jitsi-Issuer"]


def features(value: Any) -> str:
    claims = Claims({"context": {"features": value}})
    return identity_headers(Allow(claims), None)["X-Jitsi-Features"]


@given(st.text(min_size=1, max_size=100) | st.text(st.characters(max_codepoint=127), min_size=1))
@example("".join(map(chr, range(128))))
@example("-")
@example("Ada Łovelace, 100 % 愛")
def test_text_is_percent_encoded_as_utf8(text: str) -> None:
    assert header(text) == ("%2D" if text == "-" else quote(text, safe="@:/~"))
    assert unquote(header(text)) == text
    assert features({text: True}) == quote(text, safe="@:/~")


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("", "-"),
        (None, "-"),
        (True, "-"),
        ([], "-"),
        ({"a": 1}, "-"),
        (7, "7"),
        (-0.5, "-0.5"),
        ("x" * 1_024, "x" * 1_024),
        ("x" * 1_025, "-"),
        ("é" * 170, "%C3%A9" * 170),
        ("é" * 171, "-"),
    ],
)
def test_other_values_are_sent_as_these(value: Any, sent: str) -> None:
    assert header(value) == sent
