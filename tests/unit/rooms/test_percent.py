"""Percent-decoding, compared with Python's."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.rooms.percent import percent_decoded

_PIECES = [
    *("%41", "%c3", "%a9", "%C3%A9", "%ff", "%00", "%0a", "%3D", "%25", "%", "%4", "%zz"),
    *("=", "=41", "a", "é", "\U0001f600", "\n", "\r", "=\n", " ", "+", "_", "."),
]


@given(st.lists(st.sampled_from(_PIECES), max_size=9).map("".join))
def test_text_is_decoded_as_by_unquote(text: str) -> None:
    assert percent_decoded(text) == unquote(text, errors="surrogateescape")
    assert percent_decoded(text, "replace") == unquote(text)


@given(st.lists(st.sampled_from(_PIECES), max_size=9).map("".join))
def test_strict_decoding_raises_as_unquote(text: str) -> None:
    try:
        expected = unquote(text, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            percent_decoded(text, "strict")
    else:
        assert percent_decoded(text, "strict") == expected


@pytest.mark.parametrize("text", ["%41\udcff", "%" * 257, "%41" + "%zz" * 257])
def test_surrogates_and_many_broken_escapes_stay(text: str) -> None:
    assert percent_decoded(text) == text


def test_some_broken_escapes_stay_and_others_are_decoded() -> None:
    assert percent_decoded("%41" + "%" * 256) == "A" + "%" * 256
