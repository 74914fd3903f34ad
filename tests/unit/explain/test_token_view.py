"""The decoded content of good, truncated and malformed tokens, without the signature."""

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


def test_good_token_shows_times_and_rights() -> None:
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
def test_truncated_token_shows_remaining_parts(cut: str) -> None:
    header, claims, _ = signed().split(".")
    view = view_token(cut.format(header, claims))
    assert view.header == HEADER
    assert view.claims == (GOOD if "." in cut else None)


def test_leniently_read_token_is_shown() -> None:
    header, claims, signature = signed().split(".")
    assert view_token(f"{header}==.{claims}.{signature}").claims == GOOD


@pytest.mark.parametrize(
    "payload", [b'{"exp":nan}', b'{"a":1e999}', b'{"a":' * 99 + b"1" + b"}" * 99]
)
def test_payload_that_strict_json_cannot_express_is_hidden(payload: bytes) -> None:
    view = view_token(f"{segment(HEADER)}.{segment(payload)}.c2ln")
    assert (view.header, view.claims, view.expires) == (HEADER, None, None)


@pytest.mark.parametrize("claim", [None, "1", True, [], {}])
def test_time_that_is_not_a_number_is_none(claim: Any) -> None:
    view = view_token(signed(exp=claim, nbf=claim, iat=claim))
    assert (view.expires, view.not_before, view.issued_at) == (None, None, None)


@pytest.mark.parametrize("context", [None, 5, [], {"features": []}, {"user": "x"}])
def test_malformed_context_gives_no_rights(context: Any) -> None:
    view = view_token(signed(context=context))
    assert (view.moderator, view.features) == (False, {})


def as_json(view: TokenView) -> str:
    parts = (view.header, view.claims, view.issued_at, view.not_before, view.expires, view.features)
    return json.dumps(parts, allow_nan=False)


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda raw: f"{segment(raw)}.{segment(raw)}.{segment(raw)}"))
def test_any_text_has_a_view_in_json(text: str) -> None:
    assert as_json(view_token(text))


def test_signature_is_not_in_the_view() -> None:
    token = sign(GOOD)
    assert token.rpartition(".")[2] not in as_json(view_token(token))
