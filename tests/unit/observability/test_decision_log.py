from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.support.keys import Keys
from tests.support.rules import KEYS, NOW, POLICY, ROOM, mint
from tests.support.sinks import Everything
from verifier import AccessRequest, Decision, DenialCode, Deny, KeySet, decide
from verifier.decisions.verifier import Verifier
from verifier.log import LOGGER
from verifier.observability.decision_log import DecisionLog
from verifier.observability.sinks import LINES_PER_SECOND, LogContext, LogLines
from verifier.rooms.address import RoomAddress
from verifier.rules.denials import OVERLOADED
from verifier.tokens.jws import token_digest

ASKING = LogContext("auth", 0.001, "r-1")
USER = {"user": {"id": "u-1", "name": "Ada"}}


def told(token: str | None, *, report_only: bool = False, **options: Any) -> dict[str, Any]:
    """Judge a token for ROOM and give what is written down about it."""
    policy, sink = replace(POLICY, **options), Everything()
    request = AccessRequest(token, ROOM)
    verifier = Verifier(policy, Keys(static=tuple(KEYS.static)), lambda: NOW)
    log = DecisionLog([sink], report_only=report_only)
    log.write(log.record(decide(request, policy, KEYS, NOW), request, inputs=verifier), ASKING)
    return dict(sink.taken[0])


def test_an_allow_says_who_enters_where_and_with_which_token() -> None:
    record = told(mint(jti="t-1", context=USER))
    assert record == {"outcome": "allowed", "room": ROOM, "user_id": "u-1", "token_id": "t-1"}


def test_a_token_without_an_id_is_named_by_its_digest() -> None:
    token = mint()
    assert told(token)["token_id"] == f"sha256:{token_digest(token)}"
    assert told(mint(jti=7))["token_id"].startswith("sha256:")


def test_a_denial_names_the_user_only_where_the_signature_vouches_for_the_claims() -> None:
    verified = told(mint(jti="t-1", context=USER, room="other"))
    assert (verified["code"], verified["user_id"]) == (DenialCode.ROOM_MISMATCH, "u-1")
    forged = mint(jti="t-1", context=USER)[:-4] + "AAAA"
    record = told(forged)
    assert record["code"] == DenialCode.SIGNATURE_INVALID
    assert "user_id" not in record
    assert record["token_id"] == f"sha256:{token_digest(forged)}"


def test_a_host_that_is_not_served_vouches_for_no_claims() -> None:
    forged = mint(jti="t-1", context=USER)[:-4] + "AAAA"
    record = json.loads(
        DecisionLog([Everything()]).record(
            Deny(DenialCode.DOMAIN_MISMATCH), AccessRequest(forged, ROOM), inputs=None
        )
    )
    assert "user_id" not in record
    assert record["token_id"] == f"sha256:{token_digest(forged)}"


@pytest.mark.parametrize("code", list(DenialCode))
def test_every_code_can_be_written_down(code: DenialCode) -> None:
    log = DecisionLog([Everything()])
    for token in (None, "", "a.b.c", "\udcff", mint()):
        record = log.record(Deny(code, "why"), AccessRequest(token, ROOM))
        assert json.loads(record)["code"] == code
        assert token is None or len(token) < 8 or token not in record.decode()


def test_a_guest_has_neither_user_nor_token() -> None:
    assert told(None, allow_empty_token=True) == {"outcome": "allowed", "room": ROOM}


def test_the_room_that_a_url_names_comes_with_its_tenant() -> None:
    log = DecisionLog([Everything()])
    address = RoomAddress("standup", "acme")
    record = json.loads(log.record(Deny(DenialCode.DOMAIN_MISMATCH), AccessRequest(None), address))
    assert (record["room"], record["tenant"]) == ("standup", "acme")


def test_what_would_be_denied_is_explained() -> None:
    record = told(mint(iss="stranger"), report_only=True)
    assert record["outcome"] == "would-deny"
    assert (record["step"], record["found"]) == ("issuer", "stranger")
    assert "asap_accepted_issuers" in record["cure"]


def test_an_explanation_holds_no_claim_that_no_signature_vouches_for() -> None:
    record = told(mint(iss="stranger")[:-4] + "AAAA", report_only=True)
    assert (record["code"], record["step"]) == (DenialCode.SIGNATURE_INVALID, "signature")
    assert "JWT_APP_SECRET" in record["cure"]
    assert "stranger" not in json.dumps(record)


def test_that_keys_were_unavailable_is_explained_though_they_may_be_there_by_now() -> None:
    policy = replace(POLICY, key_server=True, signature_algorithm="RS256")
    request = AccessRequest(mint({"kid": "k", "alg": "RS256"}), ROOM)
    denied = decide(request, policy, KeySet(unavailable=True), NOW)
    log = DecisionLog([Everything()], report_only=True)
    verifier = Verifier(policy, Keys(), lambda: NOW)
    record = json.loads(log.record(denied, request, inputs=verifier))
    assert (record["code"], record["step"]) == (DenialCode.KEYS_UNAVAILABLE, "key")
    assert "reachable" in record["cure"]


def test_a_flood_is_not_explained_beyond_what_can_be_logged() -> None:
    now = 5.0
    log = DecisionLog([Everything()], report_only=True, monotonic=lambda: now)
    verifier = Verifier(POLICY, Keys(static=tuple(KEYS.static)), lambda: NOW)
    request = AccessRequest(mint(iss="stranger"), ROOM)
    denied = decide(request, POLICY, KEYS, NOW)

    def explained(count: int) -> int:
        records = [json.loads(log.record(denied, request, inputs=verifier)) for _ in range(count)]
        assert {each["code"] for each in records} == {DenialCode.ISSUER_NOT_ACCEPTED}
        return sum("cure" in each for each in records)

    assert explained(LINES_PER_SECOND + 7) == LINES_PER_SECOND
    now = 6.0
    assert explained(1) == 1


def test_under_overload_no_signature_is_checked_to_explain_it() -> None:
    class Untouched(Keys):
        def __getattribute__(self, name: str) -> Any:
            assert name not in ("static", "known", "unavailable"), f"{name} was looked at"
            return super().__getattribute__(name)

    log = DecisionLog([Everything()], report_only=True)
    verifier = Verifier(POLICY, Untouched(static=tuple(KEYS.static)), lambda: NOW)
    record = json.loads(log.record(OVERLOADED, AccessRequest(mint(), ROOM), inputs=verifier))
    assert (record["outcome"], record["code"]) == ("would-deny", DenialCode.OVERLOADED)


def test_nothing_is_made_for_nobody() -> None:
    assert DecisionLog([]).record(Deny(DenialCode.TOKEN_EXPIRED), AccessRequest(None)) == b""
    allow: Decision = decide(AccessRequest(mint(), ROOM), POLICY, KEYS, NOW)
    assert DecisionLog([LogLines()]).record(allow, AccessRequest(None)) == b""


def test_a_flood_of_denials_is_cut_short_and_its_length_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    now = 5.0
    lines = LogLines(lambda: now)
    record = {"outcome": "denied", "code": "token-expired"}
    for _ in range(LINES_PER_SECOND + 7):
        lines.write(record, ASKING)
    assert [each.message for each in caplog.records] == ["denied"] * LINES_PER_SECOND
    now = 6.0
    caplog.clear()
    lines.write(record, ASKING)
    assert [each.message for each in caplog.records] == ["rate limit: denials not logged", "denied"]
    assert caplog.records[0].__dict__["fields"] == {"count": 7}
