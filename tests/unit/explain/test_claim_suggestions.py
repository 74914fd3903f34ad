"""Suggestions about claims: one sentence for each mistake."""

from __future__ import annotations

import json

import pytest

from tests.support.explanations import GOOD, NOW, check_suggestion, signed
from tests.support.tokens import sign


def test_another_issuer_differs_from_a_misspelt_one() -> None:
    other = signed(iss="https://keycloak.example.org/realms/main")
    found = check_suggestion(
        "issuer-not-accepted", other, '"app"', "another", "JWT_ACCEPTED_ISSUERS"
    )
    assert "to the letter" not in found
    check_suggestion("issuer-not-accepted", signed(iss="App "), "to the letter")
    check_suggestion("issuer-not-accepted", signed(iss=["app"]), "one string", '"app"')
    check_suggestion("issuer-missing", signed(iss=...), "Put iss", '"app"')


def test_audience_list_names_keycloak_and_both_solutions() -> None:
    words = ("one string", '"jitsi"', "list", "Keycloak", "account", "JWT_ACCEPTED_AUDIENCES", "*")
    check_suggestion("audience-not-accepted", signed(aud=["jitsi", "account"]), *words)
    check_suggestion("audience-not-accepted", signed(aud="my_app"), '"jitsi"', '"my_app"')
    check_suggestion("audience-not-accepted", signed(aud="*"), "only in the configuration")
    check_suggestion("audience-not-accepted", signed(aud=5), "one string")
    check_suggestion("audience-missing", signed(aud=...), "Put aud", '"jitsi"')


def test_numeric_string_is_repeated_as_a_number() -> None:
    check_suggestion("expiry-malformed", signed(exp=f"{NOW}"), f"number, {NOW},", "string")
    check_suggestion("expiry-malformed", signed(exp="2026-01-01T00:00:00Z"), "seconds since 1970")
    check_suggestion("expiry-malformed", signed(exp=None), "leave it out")
    check_suggestion("not-before-malformed", signed(nbf=f"{NOW}"), "nbf", f"number, {NOW},")


def test_expired_token_shows_time_and_age() -> None:
    check_suggestion(
        "token-expired", signed(exp=NOW - 10_800), "3 h ago", "2025-06-15 12:06:40 UTC"
    )
    check_suggestion("token-expired", signed(exp=NOW - 30), "30 s ago", "clocks", "no leeway")
    check_suggestion(
        "token-expired", signed(exp=3600), "lifetime", "1970-01-01 01:00:00 UTC", "present time"
    )
    check_suggestion("token-expired", signed(exp=-1e30), "expired")


def test_early_token_differs_from_clock_skew_and_milliseconds() -> None:
    check_suggestion("token-not-yet-valid", signed(nbf=NOW + 20), "clock", "20 s", "no leeway")
    check_suggestion("token-not-yet-valid", signed(nbf=NOW + 90_000), "Wait", "25 h")
    check_suggestion("token-not-yet-valid", signed(nbf=NOW * 1000), "milliseconds", "1000")


def test_missing_claim_is_written_out() -> None:
    check_suggestion(
        "room-claim-missing", signed(room=...), '"standup"', '"*"', "JWT_REQUIRE_ROOM_CLAIM"
    )
    check_suggestion(
        "room-claim-missing", signed(room=..., context={"room": "standup"}), "beside context"
    )
    check_suggestion("subject-missing", signed(sub=...), '"meet.jitsi"', '"*"')
    check_suggestion("subject-missing", signed(sub=...), '"acme"', room="[acme]standup")
    check_suggestion("subject-missing", signed(sub=...), '"meet.jitsi"', room=None)


def test_claim_of_wrong_type_is_named() -> None:
    check_suggestion(
        "claim-malformed", signed(context={"user": "Ada"}), "context.user", "an object"
    )
    check_suggestion("claim-malformed", signed(context=...), "Put context", context_required=True)
    check_suggestion("claim-malformed", signed(room=5), '"5"', "string")
    check_suggestion("claim-malformed", signed({"kid": 5}), "header", "kid")
    check_suggestion("claim-malformed", signed(sub=5), "sub", "string")
    check_suggestion("claim-malformed", signed(room=""), "Name the room", room=None)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("1750003600000", ("in milliseconds", "seconds: 1750003600.")),
        ("2025-06-15T16:06:40Z", ("a date as a string", "1970: 1750003600.")),
        ("2025-06-15T18:06:40+02:00", ("a date as a string", "1970: 1750003600.")),
        ("2025-06-15 16:06:40", ("1970: 1750003600, if this date is in UTC.",)),
        ("Sun, 15 Jun 2025 16:06:40 GMT", ("a date as a string", "1970: 1750003600.")),
        ("24h", ("is a string", "not as a string")),
        ("99999-99-99", ("is a string", "not as a string")),
    ],
)
def test_date_or_milliseconds_are_written_out(value: str, words: tuple[str, ...]) -> None:
    check_suggestion("expiry-malformed", signed(exp=value), *words)
    check_suggestion("not-before-malformed", signed(nbf=value), *words)


@pytest.mark.parametrize(("hours", "shown"), [(1, "1"), (5.5, "5.5"), (9, "9")])
def test_times_of_another_zone_get_a_hint(hours: float, shown: str) -> None:
    away = int(hours * 3600)
    early = signed(iat=NOW - away, nbf=NOW - away, exp=NOW - away + 1800)
    check_suggestion("token-expired", early, f"its times are {shown} h behind")
    check_suggestion("token-not-yet-valid", signed(nbf=NOW + away), f"are {shown} h ahead")
    late = check_suggestion("token-expired", signed(iat=NOW - 2_700 - away, exp=NOW - 900))
    assert "UTC" not in late.partition("Issue a new token.")[2]


def test_exchanged_issuer_and_audience_are_named() -> None:
    token = signed(iss="jitsi", aud="app")
    check_suggestion("issuer-not-accepted", token, "have changed places", 'iss to "app"')


@pytest.mark.parametrize("payload", ["text", [GOOD], json.dumps(GOOD)])
def test_payload_that_is_no_object_is_named(payload: object) -> None:
    check_suggestion("issuer-missing", sign(payload), "payload is no JSON object")


def test_object_that_was_encoded_twice_is_named() -> None:
    token = signed(context=json.dumps({"user": {"id": "7"}}))
    check_suggestion("claim-malformed", token, "context is a string with JSON in it")
