"""A token laid open: everything but its signature, whatever state it is in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.explanations import GOOD, NOW, signed
from tests.support.tokens import segment, sign
from verifier.explain import TokenView, view_token

HEADER = {"typ": "JWT", "alg": "HS256"}


def test_a_good_token_is_shown_with_times_and_rights() -> None:
    context = {
        "user": {"id": "7", "moderator": "true"},
        "features": {"recording": True, "livestreaming": "true", "sip": False, "x": 1},
    }
    view = view_token(signed(iat=NOW, nbf=NOW + 1, context=context))
    assert (view.header, view.claims) == (
        HEADER,
        GOOD | {"iat": NOW, "nbf": NOW + 1, "context": context},
    )
    assert (view.issued_at, view.not_before, view.expires) == (NOW, NOW + 1, NOW + 3600)
    assert view.moderator is True
    assert view.features == {"recording": True, "livestreaming": True, "sip": False, "x": False}


@pytest.mark.parametrize("cut", ["{0}", "{0}.{1}", "{0}.{1}.", "{0}.{1}.!", "{0}.{1}.a.b.c"])
def test_a_cut_token_shows_what_is_left(cut: str) -> None:
    header, claims, _ = signed().split(".")
    view = view_token(cut.format(header, claims))
    assert view.header == HEADER
    assert view.claims == (GOOD if "." in cut else None)


def test_a_token_that_jitsi_reads_leniently_is_shown() -> None:
    header, claims, signature = signed().split(".")
    assert view_token(f"{header}==.{claims}.{signature}").claims == GOOD


@pytest.mark.parametrize(
    "payload", [b'{"exp":nan}', b'{"a":1e999}', b'{"a":' * 99 + b"1" + b"}" * 99]
)
def test_what_is_no_json_that_every_program_reads_is_not_shown(payload: bytes) -> None:
    view = view_token(f"{segment(HEADER)}.{segment(payload)}.c2ln")
    assert (view.header, view.claims, view.expires) == (HEADER, None, None)


@pytest.mark.parametrize("claim", [None, "1", True, [], {}])
def test_a_time_that_is_no_number_is_none(claim: Any) -> None:
    view = view_token(signed(exp=claim, nbf=claim, iat=claim))
    assert (view.expires, view.not_before, view.issued_at) == (None, None, None)


@pytest.mark.parametrize("context", [None, 5, [], {"features": []}, {"user": "x"}])
def test_a_context_of_another_form_gives_no_rights(context: Any) -> None:
    view = view_token(signed(context=context))
    assert (view.moderator, view.features) == (False, {})


def told(view: TokenView) -> str:
    parts = (view.header, view.claims, view.issued_at, view.not_before, view.expires, view.features)
    return json.dumps(parts, allow_nan=False)


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda raw: f"{segment(raw)}.{segment(raw)}.{segment(raw)}"))
def test_nothing_raises_and_all_of_it_is_json(text: str) -> None:
    assert told(view_token(text))


def test_the_signature_is_not_in_it() -> None:
    token = sign(GOOD)
    assert token.rpartition(".")[2] not in told(view_token(token))
