"""Docker Compose's forms of variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.check_config.interpolation import interpolate

VARIABLES = {"A": "1", "EMPTY": "", "LONG": "x" * 60_000}


@pytest.mark.parametrize(
    ("text", "result", "unset", "malformed"),
    [
        ("a $A b ${A}c", "a 1 b 1c", [], False),
        ("$$A $${A}", "$A ${A}", [], False),
        ("${B:-d} ${EMPTY:-d} ${EMPTY-d} ${A:-d}", "d d  1", [], False),
        ("${B:-${C:-${A}}} ${B-x:y-z}", "1 x:y-z", [], False),
        ("${A:+yes}${EMPTY:+yes}${EMPTY+set}${B+set}", "yesset", [], False),
        ("${A:?must} ${B:?must}", "1 ", ["B"], False),
        ("$B ${B}", " ", ["B", "B"], False),
        ("pa$ $1 100$", "pa$ $1 100$", [], False),
        ("${ ${A", "${ ${A", [], True),
        ("${A:-", "1", [], True),
        ("$LONG$LONG", "x" * 60_000, [], True),
    ],
)
def test_forms_are_those_of_compose(
    text: str,
    result: str,
    unset: list[str],
    malformed: bool,
) -> None:
    found = interpolate(text, VARIABLES.get)
    assert (found.text, found.unset, found.malformed) == (result, unset, malformed)


@given(st.text("${}:-+?AB ", max_size=80))
def test_any_text_is_read(text: str) -> None:
    interpolate(text, VARIABLES.get)


@pytest.mark.parametrize("part", ["${A:-", "${B:-", "$", "${", "$A"])
def test_nesting_is_bounded(part: str) -> None:
    interpolate(part * 50_000, VARIABLES.get)
