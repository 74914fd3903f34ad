"""An explanation has the decision's code, the rules' order, and no token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import pytest

from tests.conformance.case import CaseKeys, decide_case, policy_of, request_of
from tests.support.paths import VECTORS
from tests.support.rules import KEYS, NOW, POLICY, ROOM, mint
from verifier.decisions.explaining import explain_request
from verifier.explain import Explanation, explain, explain_ambiguity
from verifier.explain.explanation import POLICY_OPTIONS
from verifier.explain.suggestions import SUGGESTIONS
from verifier.keys.model import KeySet
from verifier.rules.engine import decide
from verifier.rules.model import STEPS, AccessRequest, Decision, DenialCode, Deny
from verifier.rules.policy import OperatorPolicy, Policy

LONG_ENOUGH = 12
"""A shorter segment may be a part of a sentence by chance."""


@dataclass(frozen=True)
class ExplainedCase:
    """A conformance vector with its decision and its explanation."""

    vector: dict[str, Any]
    decision: Decision
    explanation: Explanation

    @property
    def id(self) -> str:
        found: str = self.vector["id"]
        return found


@pytest.fixture(scope="module")
def cases() -> list[ExplainedCase]:
    return asyncio.run(explain_all())


async def explain_all() -> list[ExplainedCase]:
    vectors = [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]
    return [
        ExplainedCase(vector, await decide_case(vector), await explain_vector(vector))
        for vector in vectors
    ]


async def explain_vector(vector: dict[str, Any]) -> Explanation:
    policy = policy_of(vector["config"])
    request = request_of(vector, policy)
    return await explain_request(request, policy, CaseKeys(vector), vector["now"])


def denials(cases: list[ExplainedCase]) -> Iterator[tuple[ExplainedCase, Deny]]:
    for case in cases:
        if isinstance(case.decision, Deny):
            yield case, case.decision


def test_each_policy_step_is_paired_with_its_option() -> None:
    options = {field.name for field in fields(OperatorPolicy)}
    assert set(POLICY_OPTIONS.values()) == options
    assert list(POLICY_OPTIONS) == [name for name in STEPS if name.startswith("policy: ")]
    for step, option in POLICY_OPTIONS.items():
        value: Any = 60 if option == "max_token_lifetime" else True
        policy = replace(POLICY, operator_policy=OperatorPolicy(**{option: value}))
        request = AccessRequest(mint(), ROOM, creates_room=True)
        steps = [found.name for found in explain(request, policy, KEYS, NOW).steps]
        assert [name for name in steps if name.startswith("policy: ")] == [step]


@pytest.mark.slow
def test_explanation_has_the_services_decision(cases: list[ExplainedCase]) -> None:
    for case in cases:
        code = case.decision.code if isinstance(case.decision, Deny) else None
        assert (case.explanation.allowed, case.explanation.code) == (code is None, code), case.id


@pytest.mark.slow
def test_only_the_last_step_of_a_denial_fails(cases: list[ExplainedCase]) -> None:
    for case, _ in denials(cases):
        results = [step.result for step in case.explanation.steps]
        failed = results.index("fail")
        assert results[:failed] == ["pass"] * failed, case.id
        assert results[failed + 1 :] == ["not-reached"] * len(results[failed + 1 :]), case.id
        suggestions = [step.cure for step in case.explanation.steps]
        assert [suggestion is not None for suggestion in suggestions] == [
            position == failed for position in range(len(suggestions))
        ]


def test_all_steps_of_an_allowed_request_pass(cases: list[ExplainedCase]) -> None:
    allowed = [case for case in cases if case.explanation.allowed]
    assert allowed
    for case in allowed:
        assert {step.result for step in case.explanation.steps} == {"pass"}, case.id


def test_steps_are_in_the_rules_order(cases: list[ExplainedCase]) -> None:
    for case in cases:
        names = [step.name for step in case.explanation.steps]
        assert names == sorted(set(names), key=STEPS.index), case.id


def test_suggestion_is_one_line_of_sentences(cases: list[ExplainedCase]) -> None:
    for case, _ in denials(cases):
        (suggestion,) = filter(None, (step.cure for step in case.explanation.steps))
        assert suggestion[0].isupper(), (case.id, suggestion)
        assert suggestion.endswith("."), (case.id, suggestion)
        assert "\n" not in suggestion
        assert "None" not in suggestion, (case.id, suggestion)


def test_prosodys_answer_is_the_recorded_one(cases: list[ExplainedCase]) -> None:
    for case, denial in denials(cases):
        prosody = case.explanation.prosody
        assert (prosody.error, prosody.reason) == denial.answer, case.id
    assert all(
        (case.explanation.prosody.error, case.explanation.prosody.reason) == (None, None)
        for case in cases
        if case.explanation.allowed
    )


@pytest.mark.slow
def test_explanation_contains_no_token_or_signature(cases: list[ExplainedCase]) -> None:
    for case in cases:
        token = case.vector["token"] or ""
        dump = json.dumps(asdict(case.explanation), ensure_ascii=False)
        for secret in (token, token.rpartition(".")[2]):
            assert len(secret) < LONG_ENOUGH or secret not in dump, case.id


def test_explanation_contains_no_secret(cases: list[ExplainedCase]) -> None:
    for case in cases:
        secret = case.vector["config"].get("app_secret")
        if secret is not None and len(secret) >= LONG_ENOUGH:
            assert secret not in json.dumps(asdict(case.explanation)), case.id


@pytest.mark.slow
def test_explanation_has_the_agreed_json_members(cases: list[ExplainedCase]) -> None:
    for case in cases:
        dump = json.loads(json.dumps(asdict(case.explanation)))
        assert set(dump) == {"allowed", "code", "steps", "prosody", "notes"}
        assert set(dump["prosody"]) == {"error", "reason"}
        assert all(isinstance(note, str) for note in dump["notes"])
        for step in dump["steps"]:
            assert set(step) == {"name", "result", "expected", "found", "cure"}
            for name in ("expected", "found", "cure"):
                assert step[name] is None or step[name].isprintable(), (case.id, step)


def test_every_denial_code_has_a_suggestion() -> None:
    assert set(SUGGESTIONS) == set(DenialCode)


@pytest.mark.slow
def test_recorder_changes_no_decision(cases: list[ExplainedCase]) -> None:
    for case in cases:
        policy = policy_of(case.vector["config"])
        request, keys = request_of(case.vector, policy), CaseKeys(case.vector)
        unrecorded = decide(request, policy, keys, case.vector["now"])
        code = unrecorded.code if isinstance(unrecorded, Deny) else None
        assert explain(request, policy, keys, case.vector["now"]).code == code, case.id


def test_steps_that_do_not_apply_are_left_out() -> None:
    explanation = explain(AccessRequest(None), Policy(), KeySet(), 0)
    names = [step.name for step in explanation.steps]
    assert explanation.code == "token-missing"
    assert not {"key id", "key", "room", "tenant", "domain"}.intersection(names)


def test_steps_that_were_not_reached_are_named() -> None:
    policy = Policy(key_server=True, signature_algorithm="RS256", muc_mapper_domain_base="a.b")
    request = AccessRequest(None, "[tenant]room@conference.a.b")
    explanation = explain(request, policy, KeySet(), 0, revoked=lambda *_: None)
    names = [step.name for step in explanation.steps]
    assert names == [name for name in STEPS if not name.startswith("policy: ")]


def test_policy_steps_are_named_if_configured() -> None:
    every: dict[str, Any] = dict.fromkeys((rule.name for rule in fields(OperatorPolicy)), True)
    policy = Policy(operator_policy=OperatorPolicy(**every))
    all_names = [name for name in STEPS if name.startswith("policy: ")]
    for new, expected in ((False, all_names[:-1]), (True, all_names)):
        steps = explain(AccessRequest("x", creates_room=new), policy, KeySet(), 0).steps
        assert [step.name for step in steps if step.name.startswith("policy: ")] == expected
    one = Policy(operator_policy=OperatorPolicy(require_jti=True))
    names = [step.name for step in explain(AccessRequest("x"), one, KeySet(), 0).steps]
    assert [name for name in names if name.startswith("policy: ")] == ["policy: jti"]


def test_unknown_revocations_are_not_a_step() -> None:
    explanation = explain(AccessRequest(None), Policy(), KeySet(), 0)
    assert "revocation" not in [step.name for step in explanation.steps]


def test_ambiguous_request_fails_before_all_rules() -> None:
    explanation = explain_ambiguity("two tokens that differ")
    assert explanation.code == "ambiguous-request"
    assert [step.result for step in explanation.steps] == ["fail", *["not-reached"] * len(STEPS)]
    assert explanation.steps[0].found == "two tokens that differ"
    assert explanation.steps[0].cure is not None
