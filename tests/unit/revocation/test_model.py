"""The JSON of revocations: what is accepted, and which errors faulty members give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tokens import sign
from verifier.revocation.model import (
    CRITERIA,
    LATEST,
    LONGEST_TEXT,
    BadRevocationError,
    Revocation,
    parse_criteria,
    parse_revocation,
)
from verifier.rooms.url import parse_target
from verifier.tokens.jws import token_digest

NOW = 1_800_000_000
TOKEN = sign({"iss": "app", "exp": NOW + 600})
DAY = 86_400


def parse(**members: Any) -> Revocation:
    return parse_revocation(json.dumps(members).encode(), NOW)


def error_text(**members: Any) -> str:
    with pytest.raises(BadRevocationError) as error:
        parse(**members)
    return str(error.value)


def test_criteria_reason_and_end_are_read() -> None:
    assert parse(jti="a", kid="k", reason="stolen", expires=NOW + 5) == Revocation(
        jti="a", kid="k", reason="stolen", expires=NOW + 5
    )


def test_the_default_duration_is_a_day() -> None:
    assert parse(user_id="u").expires == NOW + DAY


def test_token_is_revoked_by_digest_until_its_end() -> None:
    revocation = parse(token=TOKEN)
    assert revocation == Revocation(token_digest=token_digest(TOKEN), expires=NOW + 600)
    assert TOKEN.rpartition(".")[2] not in revocation.to_json()


def test_the_leeway_extends_the_revocation_of_a_token() -> None:
    raw = json.dumps({"token": TOKEN}).encode()
    assert parse_revocation(raw, NOW, leeway=30).expires == NOW + 630
    late = parse_revocation(raw, NOW + 610, leeway=30)
    assert late.expires == NOW + 630


def test_a_token_without_exp_is_revoked_for_a_day() -> None:
    assert parse(token=sign({"iss": "app"})).expires == NOW + DAY


def test_the_latest_end_is_in_the_year_9999() -> None:
    assert parse(token=sign({"exp": 2**62})).expires == LATEST


def test_a_given_end_takes_precedence_over_the_tokens() -> None:
    assert parse(token=TOKEN, expires=NOW + 7).expires == NOW + 7


@pytest.mark.parametrize("room", ["Stand Up", "stand%20up", "stand%20Up"])
def test_rooms_and_tenants_are_normalized(room: str) -> None:
    found = parse(room=room, tenant="ACME")
    assert (found.room, found.tenant) == ("stand%20up", "acme")


@pytest.mark.parametrize("written", ["R&D", "Team (A)", "A+B", "r%26d"])
def test_room_name_means_the_room_of_its_url(written: str) -> None:
    page = parse_target("/" + written.replace(" ", "%20"))
    assert page is not None
    assert page.address is not None
    assert parse(room=written).room == page.address.room


@pytest.mark.parametrize("form", ["r%26d", "team%20(a)", "*"])
def test_a_normalized_name_stays_unchanged(form: str) -> None:
    assert parse(room=form).room == form


def test_digest_may_have_the_audit_logs_form() -> None:
    digest = token_digest(TOKEN)
    assert parse(token_digest=f"sha256:{digest.upper()}").token_digest == digest


def test_null_means_absent() -> None:
    assert parse(jti="a", room=None, expires=None, token=None) == parse(jti="a")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, "expected at least one of token, jti"),
        ({"reason": "x"}, "expected at least one of token, jti"),
        ({"jit": "a"}, "jit: expected only token, jti"),
        ({"jti": "a", "rooom": "b"}, "rooom: expected only"),
        ({TOKEN: "a"}, "a member: expected only"),
        ({"jti": 5}, "jti: expected a string, found a number"),
        ({"jti": ""}, f"jti: expected 1 to {LONGEST_TEXT} printable characters"),
        ({"jti": "a" * (LONGEST_TEXT + 1)}, "jti: expected 1 to"),
        ({"jti": "a", "reason": "a\nb"}, "reason: expected 1 to"),
        ({"token_digest": "abc"}, "token_digest: expected the SHA-256 of a compact token"),
        ({"room": " " * 2000}, "room: expected 1 to"),
        ({"iss": "a"}, "issued_before: expected it, as iss and issued_before go together"),
        ({"issued_before": 1}, "iss: expected it"),
        ({"iss": "a", "issued_before": "1"}, "issued_before: expected Unix seconds, found a str"),
        ({"iss": "a", "issued_before": NOW * 1000}, "issued_before: expected Unix seconds up to"),
        ({"jti": "a", "expires": NOW}, "expires: expected Unix seconds in the future"),
        ({"jti": "a", "expires": True}, "expires: expected Unix seconds, found a boolean"),
        ({"jti": "a", "expires": -1}, "expires: expected Unix seconds up to"),
        ({"token": 5}, "token: expected a string, found a number"),
        ({"token": "a.b"}, "token: expected three non-empty segments"),
        ({"token": sign({"exp": NOW - 1})}, "token: expected one that has not expired"),
        ({"token": TOKEN, "token_digest": "0" * 64}, "token_digest: expected none beside token"),
    ],
)
def test_an_error_names_the_member_and_what_was_expected(
    members: dict[str, Any], expected: str
) -> None:
    text = error_text(**members)
    assert text.startswith(expected)
    assert TOKEN.rpartition(".")[2] not in text


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"jti": "a", "jti": "b"}', b"\xff", b'{"jti": NaN}'])
def test_only_strict_json_is_accepted(raw: bytes) -> None:
    with pytest.raises(BadRevocationError, match=r"^body: "):
        parse_revocation(raw, NOW)
    with pytest.raises(BadRevocationError, match=r"^body: "):
        parse_criteria(raw)


def test_the_id_depends_on_the_criteria_only() -> None:
    one = parse(jti="a", room="R", reason="x", expires=NOW + 5)
    for other in ({"jti": "a", "room": "r"}, {"room": "r", "jti": "a", "reason": "y"}):
        assert parse_criteria(json.dumps(other).encode()).id == one.id
    assert parse_criteria(b'{"jti": "a"}').id != one.id
    assert parse_criteria(json.dumps({"token": TOKEN}).encode()).id == parse(token=TOKEN).id


def test_5_and_5_0_give_the_same_id() -> None:
    ids = {parse(iss="a", issued_before=time).id for time in (5, 5.0)}
    assert len(ids) == 1


criteria = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("jti", "user_id", "kid"), st.text("aä \u05d0%/@", min_size=1)),
        "room": st.text("aA0ä-", min_size=1),
        "tenant": st.text("aA0-", min_size=1),
    },
).filter(bool)


@given(criteria, st.booleans())
def test_written_json_is_read_again(members: dict[str, str], timed: bool) -> None:
    if timed:
        members |= {"iss": "i", "issued_before": 4}  # type: ignore[dict-item]  # mixed on purpose
    try:
        revocation = parse(**members, reason="why")
    except BadRevocationError:
        return
    assert Revocation.from_json(revocation.to_json()) == revocation
    assert set(revocation.criteria) <= set(CRITERIA)
    # A listed revocation can be undone with the JSON of the list.
    assert parse(**json.loads(revocation.to_json())).id == revocation.id


@given(
    st.dictionaries(
        st.sampled_from([*CRITERIA, "token", "expires", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.lists(st.integers()),
    )
)
def test_any_object_is_a_revocation_or_an_error(members: dict[str, Any]) -> None:
    raw = json.dumps(members).encode()
    try:
        found = parse_revocation(raw, NOW)
    except BadRevocationError:
        return
    assert found.criteria
    assert found.expires > NOW
