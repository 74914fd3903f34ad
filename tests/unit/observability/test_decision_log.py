from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.support.keys import Keys
from tests.support.rules import KEYS, NOW, POLICY, ROOM, mint
from tests.support.sinks import RecordingSink
from verifier import AccessRequest, Decision, DenialCode, Deny, KeySet, decide
from verifier.decisions.verifier import Verifier
from verifier.log import LOGGER
from verifier.observability.decision_log import DecisionLog
from verifier.observability.sinks import LINES_PER_SECOND, LogContext, LogLines
from verifier.rooms.address import RoomAddress
from verifier.rules.denials import OVERLOADED
from verifier.rules.model import CODES_AFTER_SIGNATURE
from verifier.rules.policy import OperatorPolicy
from verifier.tokens.jws import token_digest

CONTEXT = LogContext("auth", 0.001, "r-1")
USER = {"user": {"id": "u-1", "name": "Ada"}}


def recorded(
    token: str | None, *, report_only: bool = False, personal_data: bool = True, **options: Any
) -> dict[str, Any]:
    """Decide about a token for ROOM, and return the record of the decision."""
    policy, sink = replace(POLICY, **options), RecordingSink()
    request = AccessRequest(token, ROOM)
    verifier = Verifier(policy, Keys(static=tuple(KEYS.static)), lambda: NOW)
    log = DecisionLog([sink], report_only=report_only, personal_data=personal_data)
    log.write(log.record(decide(request, policy, KEYS, NOW), request, inputs=verifier), CONTEXT)
    return dict(sink.records[0])


def test_allow_record_names_user_room_and_token() -> None:
    record = recorded(mint(jti="t-1", context=USER))
    user = {"user_id": "u-1", "user_name": "Ada"}
    assert record == {"outcome": "allowed", "room": ROOM, "token_id": "t-1"} | user


def test_token_without_jti_is_named_by_its_digest() -> None:
    token = mint()
    assert recorded(token)["token_id"] == f"sha256:{token_digest(token)}"
    assert recorded(mint(jti=7))["token_id"].startswith("sha256:")


def test_denial_names_user_only_with_verified_signature() -> None:
    verified = recorded(mint(jti="t-1", context=USER, room="other"))
    assert (verified["code"], verified["user_id"]) == (DenialCode.ROOM_MISMATCH, "u-1")
    assert (verified["user_name"], verified["token_id"]) == ("Ada", "t-1")
    assert (verified["expected"], verified["found"]) == ("other", "standup")
    forged = mint(jti="t-1", context=USER)[:-4] + "AAAA"
    record = recorded(forged)
    assert record["code"] == DenialCode.SIGNATURE_INVALID
    assert not {"user_id", "user_name"} & record.keys()
    assert "Ada" not in json.dumps(record)
    assert record["token_id"] == f"sha256:{token_digest(forged)}"


def test_users_are_left_out_without_personal_data() -> None:
    record = recorded(mint(jti="t-1", context=USER, room="other"), personal_data=False)
    assert (record["code"], record["token_id"]) == (DenialCode.ROOM_MISMATCH, "t-1")
    assert record["found"] == "standup"
    assert not {"user_id", "user_name"} & record.keys()


def test_no_value_of_a_user_without_personal_data() -> None:
    token = mint(context={"user": {"id": ["ada@example.org"]}})
    policy = OperatorPolicy(require_user_id=True)
    for personal_data in (True, False):
        record = recorded(token, personal_data=personal_data, operator_policy=policy)
        assert record["code"] == DenialCode.POLICY_USER_ID_MISSING
        assert ("ada@example.org" in json.dumps(record)) is personal_data


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ({"id": 7, "name": "Ada"}, {"user_id": 7, "user_name": "Ada"}),
        ({"id": {"a": 1}, "name": 5}, {}),
        ({"id": "u" * 2_000, "name": "A" * 2_000}, {"user_id": "u" * 200, "user_name": "A" * 200}),
    ],
    ids=["number", "other types", "long texts"],
)
def test_claims_of_users_are_bounded(user: dict[str, Any], shown: dict[str, Any]) -> None:
    record = recorded(mint(jti="t" * 2_000, context={"user": user}))
    assert {name: record[name] for name in ("user_id", "user_name") if name in record} == shown
    assert record["token_id"] == "t" * 200


def test_forged_tokens_take_no_explanations_from_good_ones() -> None:
    log = DecisionLog([RecordingSink()], monotonic=lambda: 5.0)
    verifier = Verifier(POLICY, Keys(static=tuple(KEYS.static)), lambda: NOW)

    def record(token: str) -> dict[str, Any]:
        request = AccessRequest(token, ROOM)
        denied = decide(request, POLICY, KEYS, NOW)
        return dict(json.loads(log.record(denied, request, inputs=verifier)))

    forged = [record(mint()[:-4] + "AAAA") for _ in range(LINES_PER_SECOND + 1)]
    assert "found" not in forged[-1]
    assert record(mint(room="other"))["found"] == "standup"


def test_only_denials_after_the_signature_record_claims() -> None:
    # The codes are in the order of checking; "overloaded" means that there was no check.
    codes = list(DenialCode)
    after = codes[codes.index(DenialCode.EXPIRY_MALFORMED) :]
    assert {*after} - {DenialCode.OVERLOADED} == CODES_AFTER_SIGNATURE


def test_unknown_host_records_no_claims() -> None:
    forged = mint(jti="t-1", context=USER)[:-4] + "AAAA"
    record = json.loads(
        DecisionLog([RecordingSink()]).record(
            Deny(DenialCode.DOMAIN_MISMATCH), AccessRequest(forged, ROOM), inputs=None
        )
    )
    assert "user_id" not in record
    assert record["token_id"] == f"sha256:{token_digest(forged)}"


@pytest.mark.parametrize("code", list(DenialCode))
def test_every_denial_code_has_a_record_without_the_token(code: DenialCode) -> None:
    log = DecisionLog([RecordingSink()])
    for token in (None, "", "a.b.c", "\udcff", mint()):
        record = log.record(Deny(code, "why"), AccessRequest(token, ROOM))
        assert json.loads(record)["code"] == code
        assert token is None or len(token) < 8 or token not in record.decode()


def test_guest_record_has_neither_user_nor_token() -> None:
    assert recorded(None, allow_empty_token=True) == {"outcome": "allowed", "room": ROOM}


def test_record_has_room_and_tenant_of_url() -> None:
    log = DecisionLog([RecordingSink()])
    address = RoomAddress("standup", "acme")
    record = json.loads(log.record(Deny(DenialCode.DOMAIN_MISMATCH), AccessRequest(None), address))
    assert (record["room"], record["tenant"]) == ("standup", "acme")


def test_would_deny_record_contains_failed_step() -> None:
    record = recorded(mint(iss="stranger"), report_only=True)
    assert record["outcome"] == "would-deny"
    assert (record["step"], record["found"]) == ("issuer", "stranger")
    assert "asap_accepted_issuers" in record["cure"]


def test_explanation_contains_no_unverified_claim() -> None:
    record = recorded(mint(iss="stranger")[:-4] + "AAAA", report_only=True)
    assert (record["code"], record["step"]) == (DenialCode.SIGNATURE_INVALID, "signature")
    assert "JWT_APP_SECRET" in record["cure"]
    assert "stranger" not in json.dumps(record)


def test_keys_unavailable_is_explained_after_keys_have_arrived() -> None:
    policy = replace(POLICY, key_server=True, signature_algorithm="RS256")
    request = AccessRequest(mint({"kid": "k", "alg": "RS256"}), ROOM)
    denied = decide(request, policy, KeySet(unavailable=True), NOW)
    log = DecisionLog([RecordingSink()], report_only=True)
    verifier = Verifier(policy, Keys(), lambda: NOW)
    record = json.loads(log.record(denied, request, inputs=verifier))
    assert (record["code"], record["step"]) == (DenialCode.KEYS_UNAVAILABLE, "key")
    assert "reachable" in record["cure"]


def test_explanations_are_limited_to_the_log_rate() -> None:
    now = 5.0
    log = DecisionLog([RecordingSink()], report_only=True, monotonic=lambda: now)
    verifier = Verifier(POLICY, Keys(static=tuple(KEYS.static)), lambda: NOW)
    request = AccessRequest(mint(iss="stranger"), ROOM)
    denied = decide(request, POLICY, KEYS, NOW)

    def explained(count: int) -> int:
        records = [json.loads(log.record(denied, request, inputs=verifier)) for _ in range(count)]
        assert {record["code"] for record in records} == {DenialCode.ISSUER_NOT_ACCEPTED}
        return sum("cure" in record for record in records)

    assert explained(LINES_PER_SECOND + 7) == LINES_PER_SECOND
    now = 6.0
    assert explained(1) == 1


def test_overload_is_recorded_without_checking_a_signature() -> None:
    class UnreadableKeys(Keys):
        def __getattribute__(self, name: str) -> Any:
            assert name not in ("static", "known", "unavailable"), f"{name} was read"
            return super().__getattribute__(name)

    log = DecisionLog([RecordingSink()], report_only=True)
    verifier = Verifier(POLICY, UnreadableKeys(static=tuple(KEYS.static)), lambda: NOW)
    record = json.loads(log.record(OVERLOADED, AccessRequest(mint(), ROOM), inputs=verifier))
    assert (record["outcome"], record["code"]) == ("would-deny", DenialCode.OVERLOADED)


def test_no_record_is_made_if_no_sink_wants_it() -> None:
    assert DecisionLog([]).record(Deny(DenialCode.TOKEN_EXPIRED), AccessRequest(None)) == b""
    allow: Decision = decide(AccessRequest(mint(), ROOM), POLICY, KEYS, NOW)
    assert DecisionLog([LogLines()]).record(allow, AccessRequest(None)) == b""


def test_log_rate_limit_reports_number_of_omitted_denials(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    now = 5.0
    lines = LogLines(lambda: now)
    record = {"outcome": "denied", "code": "token-expired"}
    for _ in range(LINES_PER_SECOND + 7):
        lines.write(record, CONTEXT)
    assert [record.message for record in caplog.records] == ["denied"] * LINES_PER_SECOND
    now = 6.0
    caplog.clear()
    lines.write(record, CONTEXT)
    assert [record.message for record in caplog.records] == [
        "rate limit: denials not logged",
        "denied",
    ]
    assert caplog.records[0].__dict__["fields"] == {"count": 7}


def test_flood_of_one_kind_hides_no_line_of_another(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    lines = LogLines(lambda: 5.0)
    for record in (
        {"outcome": "denied", "code": "token-missing"},
        {"outcome": "denied", "code": "signature-invalid"},
        {"outcome": "denied", "code": "signature-invalid", "keep_alive": True},
    ):
        for _ in range(LINES_PER_SECOND + 7):
            lines.write(record, CONTEXT)
        caplog.clear()
    lines.write({"outcome": "denied", "code": "room-mismatch"}, CONTEXT)
    assert [record.message for record in caplog.records] == ["denied"]


def test_guesses_are_logged_among_requests_without_a_token(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    lines = LogLines(lambda: 5.0)
    for _ in range(LINES_PER_SECOND + 7):
        lines.write({"outcome": "denied", "code": "token-missing"}, CONTEXT)
    caplog.clear()
    lines.write({"outcome": "denied", "code": "signature-invalid"}, CONTEXT)
    assert [record.message for record in caplog.records] == ["denied"]
