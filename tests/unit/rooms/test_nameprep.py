"""The quick check of prepared texts, compared with Python's preparation."""

from __future__ import annotations

import sys
from encodings.idna import nameprep
from stringprep import in_table_a1
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.rooms.nameprep import is_prepared

# Letters of all scripts, marks, letters written from right to left, and prohibited ones.
_LETTERS: Final = st.one_of(
    st.characters(),
    st.sampled_from(
        "a1-éßςσΣİ\u0301\u0316\u0345\u05d0\u0627\u0661\u1100\u1161\u11a8\uac00\u200d\ufdfa"
    ),
    st.characters(max_codepoint=0x2FFF),
)


def _stays(text: str) -> bool:
    try:
        return nameprep(text) == text
    except UnicodeError:
        return False


@given(st.text(_LETTERS, max_size=8))
def test_text_is_prepared_if_nameprep_leaves_it(text: str) -> None:
    assert is_prepared(text) is _stays(text)
    known = "".join(letter for letter in text if not in_table_a1(letter))
    assert is_prepared(text, ignores_unassigned=True) is _stays(known)


@given(st.text(st.sampled_from("a\u0301\u0316\u0345\u05b0éא中"), min_size=60, max_size=140))
def test_long_text_is_prepared_if_nameprep_leaves_it(text: str) -> None:
    assert is_prepared(text) is _stays(text)


@pytest.mark.slow
def test_each_letter_is_prepared_if_nameprep_leaves_it() -> None:
    letters = map(chr, range(sys.maxunicode + 1))
    assert [letter for letter in letters if is_prepared(letter) is not _stays(letter)] == []
