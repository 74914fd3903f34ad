"""The two switches of jicofo.conf in all notations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.check_config.jicofo import read_jicofo


@pytest.mark.parametrize(
    ("text", "auto_owner", "authentication"),
    [
        ("", None, None),
        ("jicofo.conference.enable-auto-owner = false", False, None),
        ("jicofo { conference { enable-auto-owner: true } }", True, None),
        ('jicofo.conference { "enable-auto-owner" = "false" }', False, None),
        ("jicofo {\n conference: {\n  enable-auto-owner = false, x = 1\n }\n}", False, None),
        ("jicofo {\n conference =\n {\n enable-auto-owner =\n false\n}}", False, None),
        ("jicofo { # {\n // }\n authentication { enabled = on } }", None, True),
        ("conference { enable-auto-owner = false }", None, None),
        ("jicofo { x { conference { enable-auto-owner = false } } }", None, None),
        ("jicofo { # conference { enable-auto-owner = false }\n}", None, None),
        (
            'jicofo { a = "x } # y", b = [ 1, { c = 2 } ], authentication.enabled = no }',
            None,
            False,
        ),
        (
            "jicofo { conference { enable-auto-owner=1, enable-auto-owner=no } }",
            False,
            None,
        ),
        ("jicofo { url = https://a/b\n conference { enable-auto-owner = false } }", False, None),
    ],
)
def test_switches_are_found(
    text: str,
    auto_owner: bool | None,
    authentication: bool | None,  # parameters
) -> None:
    jicofo = read_jicofo(text, "jicofo.conf")
    assert (jicofo.auto_owner, jicofo.authentication) == (auto_owner, authentication)


@given(st.text("{}[]=:,\n\"'#/ ajicofo.-", max_size=60))
def test_any_text_is_read(text: str) -> None:
    read_jicofo(text, "jicofo.conf")
