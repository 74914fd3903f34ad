"""The two switches of jicofo.conf in all notations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.check_config.jicofo import read_jicofo, read_jicofo_properties
from verifier.check_config.lua_values import Unknown


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


@pytest.mark.parametrize(
    ("text", "auto_owner"),
    [
        ("jicofo.conference.enable-auto-owner = ${owner}", Unknown),
        ("jicofo.conference.enable-auto-owner = ${?OWNER}", Unknown),
        ("owner = false\njicofo.conference.enable-auto-owner = ${owner}", False),
        ("jicofo.conference.enable-auto-owner = ${owner}\nowner = off", False),
        ("a = ${b}\nb = true\njicofo { conference.enable-auto-owner = ${a} }", True),
        ("a = ${b}\nb = ${a}\njicofo { conference.enable-auto-owner = ${a} }", Unknown),
        ("jicofo.conference.enable-auto-owner = x${owner}", Unknown),
        ("jicofo.conference { enable-auto-owner = false, enable-auto-owner = ${?NONE} }", False),
        ("jicofo.conference { enable-auto-owner = ${?NONE}\n x = 1 }", None),
        ("jicofo.conference { enable-auto-owner = false, enable-auto-owner = ${?ON} }", True),
        ("jicofo.conference { enable-auto-owner = ${ON} }", True),
        ("jicofo.conference { enable-auto-owner = ${NONE} }", Unknown),
    ],
)
def test_substitutions_are_followed(text: str, auto_owner: bool | type[Unknown] | None) -> None:
    variables: dict[str, str | Unknown | None] = {"ON": "true", "NONE": None}

    def lookup(name: str) -> str | Unknown | None:
        return variables.get(name, Unknown("not known here"))

    found = read_jicofo(text, "jicofo.conf", lookup).auto_owner
    assert isinstance(found, Unknown) if auto_owner is Unknown else found is auto_owner


@pytest.mark.parametrize(
    ("text", "auto_owner", "authentication"),
    [
        ("org.jitsi.jicofo.auth.URL=XMPP:m.test", None, True),
        ("# org.jitsi.jicofo.auth.URL=XMPP:m.test", None, None),
        ("org.jitsi.jicofo.DISABLE_AUTO_OWNER = true\n", False, None),
        ("org.jitsi.jicofo.DISABLE_AUTO_OWNER=false", True, None),
    ],
)
def test_older_properties_are_read(
    text: str,
    auto_owner: bool | None,
    authentication: bool | None,  # parameters
) -> None:
    found = read_jicofo_properties(text, "sip-communicator.properties")
    assert (found.auto_owner, found.authentication) == (auto_owner, authentication)


@given(st.text("{}[]=:,\n\"'#/ ajicofo.-", max_size=60))
def test_any_text_is_read(text: str) -> None:
    read_jicofo(text, "jicofo.conf")
