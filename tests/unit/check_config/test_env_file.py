"""The forms of a .env file that Docker Compose reads, each as Compose itself reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.check_config.env_file import split_env_file
from verifier.check_config.prosody_config import ProsodyConfig
from verifier.check_config.variables import read_env_file


def read(text: str, **environ: str) -> tuple[dict[str, str], ProsodyConfig]:
    config = ProsodyConfig()
    return read_env_file(text, ".env", environ, config).values, config


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b # c", "b"),
        ("A=b#c", "b#c"),
        ("A=b\t# c", "b\t# c"),
        ("A= # c", "# c"),
        ("  export  A = b  ", "b"),
        ("A: b", "b"),
        ("A=b\r", "b"),
        ("A=it's", "it's"),
        ("A=a\\nb\\", "a\\nb\\"),
        ("A='b' # c", "b"),
        ("A='a\\\\b\\n'", "a\\\\b\\n"),
        ("A='it\\'s $X'", "it's $X"),
        ('A="a\\\\b\\n\\t"', "a\\b\n\t"),
        ('A="\\"it\\\'s\\""', '"it\\\'s"'),
        ('A="pa\\$X \\$\\$ $$X"', "pa$X $$ $X"),
        ('A="\\0101 \\0400 \\101 \\x41"', "A \\0400 \\101 \\x41"),
        ('A="one\ntwo"', "one\ntwo"),
        ("A=$X-${X}-${Y:-d}", "x-x-d"),
        ("A=a$1$", "a$1$"),
        ('A=""', ""),
        ("A=", ""),
        ("A=“b”", "“b”"),
        ("A=b\nA=c", "c"),
    ],
)
def test_form_has_the_value_that_compose_gives(line: str, value: str) -> None:
    values, config = read(f"# first\n\n{line}\nB=1\n", X="x")
    assert values == {"A": value, "B": "1"}
    assert (config.problems, config.not_evaluated) == ([], [])


def test_a_name_alone_is_that_of_the_environment() -> None:
    assert read("A\nB\nC", B="1", C="2")[0] == {"B": "1", "C": "2"}


@pytest.mark.parametrize(
    "line", ["what is this", "'A'=b", "=b", "A B=c", 'A="b', "A='b\\'", "unset A", "A;B=c", "{"]
)
def test_line_that_compose_cannot_read_is_a_problem(line: str) -> None:
    values, config = read(f"B=1\n{line}\nC=2\n")
    assert list(map(str, config.problems)) == [".env:2: a line that is not NAME=VALUE"]
    assert values == {"B": "1", "C": "2"}


@pytest.mark.parametrize(
    ("line", "value", "remark"),
    [
        ("A= # why", "# why", "begins with #, which is no comment there"),
        ("A='b'c", "b", "ends at the closing quotation mark, and not with the line"),
        ('A="b" c', "b", "ends at the closing quotation mark, and not with the line"),
    ],
)
def test_value_that_surprises_is_noted(line: str, value: str, remark: str) -> None:
    values, config = read(f"{line}\nB=1\n")
    assert values == {"A": value, "B": "1"}
    assert list(map(str, config.notes)) == [f".env:1: the value of A {remark}"]


@given(st.text("AB=:'\"\\# \t\r\n$x{}export\u00a0", max_size=60))
def test_any_text_is_read_with_its_lines(text: str) -> None:
    for found in split_env_file(text):
        assert found.line <= text.count("\n") + 1
        assert found.name in text
