"""What to change about the claims: each mistake its sentence."""

from __future__ import annotations

from tests.support.explanations import NOW, cure, signed


def test_a_token_for_another_issuer_is_told_from_a_misspelt_one() -> None:
    other = signed(iss="https://keycloak.example.org/realms/main")
    found = cure("issuer-not-accepted", other, '"app"', "another", "JWT_ACCEPTED_ISSUERS")
    assert "to the letter" not in found
    cure("issuer-not-accepted", signed(iss="App "), "to the letter")
    cure("issuer-not-accepted", signed(iss=["app"]), "one string", '"app"')
    cure("issuer-missing", signed(iss=...), "Put iss", '"app"')


def test_a_list_of_audiences_names_keycloak_and_both_ways_out() -> None:
    words = ("one string", '"jitsi"', "list", "Keycloak", "account", "JWT_ACCEPTED_AUDIENCES", "*")
    cure("audience-not-accepted", signed(aud=["jitsi", "account"]), *words)
    cure("audience-not-accepted", signed(aud="my_app"), '"jitsi"', '"my_app"')
    cure("audience-not-accepted", signed(aud="*"), "only in the configuration")
    cure("audience-not-accepted", signed(aud=5), "one string")
    cure("audience-missing", signed(aud=...), "Put aud", '"jitsi"')


def test_an_expiry_as_a_string_is_shown_as_the_number_it_should_be() -> None:
    cure("expiry-malformed", signed(exp=f"{NOW}"), f"number, {NOW},", "string")
    cure("expiry-malformed", signed(exp="2026-01-01T00:00:00Z"), "seconds since 1970")
    cure("expiry-malformed", signed(exp=None), "leave it out")
    cure("not-before-malformed", signed(nbf=f"{NOW}"), "nbf", f"number, {NOW},")


def test_an_expired_token_is_told_when_and_how_long_ago() -> None:
    cure("token-expired", signed(exp=NOW - 10_800), "3 h ago", "2025-06-15 12:06:40 UTC")
    cure("token-expired", signed(exp=NOW - 30), "30 s ago", "clocks", "no leeway")
    cure("token-expired", signed(exp=3600), "lifetime", "1970-01-01 01:00:00 UTC", "present time")
    cure("token-expired", signed(exp=-1e30), "expired")


def test_a_token_that_is_not_yet_valid_is_told_from_clock_skew_and_milliseconds() -> None:
    cure("token-not-yet-valid", signed(nbf=NOW + 20), "clock", "20 s", "no leeway")
    cure("token-not-yet-valid", signed(nbf=NOW + 90_000), "Wait", "25 h")
    cure("token-not-yet-valid", signed(nbf=NOW * 1000), "milliseconds", "1000")


def test_a_missing_claim_is_written_out() -> None:
    cure("room-claim-missing", signed(room=...), '"standup"', '"*"', "JWT_REQUIRE_ROOM_CLAIM")
    cure("room-claim-missing", signed(room=..., context={"room": "standup"}), "beside context")
    cure("subject-missing", signed(sub=...), '"meet.jitsi"', '"*"')
    cure("subject-missing", signed(sub=...), '"acme"', room="[acme]standup")
    cure("subject-missing", signed(sub=...), '"meet.jitsi"', room=None)


def test_a_claim_of_the_wrong_type_is_named() -> None:
    cure("claim-malformed", signed(context={"user": "Ada"}), "context.user", "an object")
    cure("claim-malformed", signed(context=...), "Put context", context_required=True)
    cure("claim-malformed", signed(room=5), '"5"', "string")
    cure("claim-malformed", signed({"kid": 5}), "header", "kid")
    cure("claim-malformed", signed(sub=5), "sub", "string")
    cure("claim-malformed", signed(room=""), "Name the room", room=None)
