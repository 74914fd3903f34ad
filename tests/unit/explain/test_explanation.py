"""An explanation is the verdict's own story: same code, same order, and no token in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import pytest

from tests.conformance.case import CaseKeys, judge, policy_of, request_of
from tests.support.paths import VECTORS
from verifier.decisions.explaining import explain_request
from verifier.explain import Explanation, explain, explain_ambiguity, unwrap
from verifier.explain.suggestions import SUGGESTIONS
from verifier.keys.model import KeySet
from verifier.rules.engine import decide
from verifier.rules.model import STEPS, AccessRequest, Decision, DenialCode, Deny
from verifier.rules.policy import OperatorPolicy, Policy

LONG_ENOUGH = 12
"""A shorter segment may stand in a sentence by chance."""


@dataclass(frozen=True)
class Told:
    case: dict[str, Any]
    decision: Decision
    explanation: Explanation

    @property
    def id(self) -> str:
        found: str = self.case["id"]
        return found


@pytest.fixture(scope="module")
def told() -> list[Told]:
    return asyncio.run(tell_all())


async def tell_all() -> list[Told]:
    cases = [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]
    return [Told(case, await judge(case), await explained(case)) for case in cases]


async def explained(case: dict[str, Any]) -> Explanation:
    policy = policy_of(case["config"])
    return await explain_request(request_of(case, policy), policy, CaseKeys(case), case["now"])


def denials(told: list[Told]) -> Iterator[tuple[Told, Deny]]:
    for one in told:
        if isinstance(one.decision, Deny):
            yield one, one.decision


def test_every_recorded_case_is_explained_with_the_service_s_own_verdict(told: list[Told]) -> None:
    for one in told:
        code = one.decision.code if isinstance(one.decision, Deny) else None
        assert (one.explanation.allowed, one.explanation.code) == (code is None, code), one.id


def test_exactly_the_last_step_taken_of_a_denial_fails_and_carries_the_cure(
    told: list[Told],
) -> None:
    for one, _ in denials(told):
        results = [step.result for step in one.explanation.steps]
        failed = results.index("fail")
        assert results[:failed] == ["pass"] * failed, one.id
        assert results[failed + 1 :] == ["not-reached"] * len(results[failed + 1 :]), one.id
        cures = [step.cure for step in one.explanation.steps]
        assert [cure is not None for cure in cures] == [
            place == failed for place in range(len(cures))
        ]


def test_all_steps_of_an_allow_pass(told: list[Told]) -> None:
    allowed = [one for one in told if one.explanation.allowed]
    assert allowed
    for one in allowed:
        assert {step.result for step in one.explanation.steps} == {"pass"}, one.id


def test_steps_stand_in_the_rules_order(told: list[Told]) -> None:
    for one in told:
        names = [step.name for step in one.explanation.steps]
        assert names == sorted(set(names), key=STEPS.index), one.id


def test_a_cure_is_one_sentence(told: list[Told]) -> None:
    for one, _ in denials(told):
        (cure,) = filter(None, (step.cure for step in one.explanation.steps))
        assert cure[0].isupper(), (one.id, cure)
        assert cure.endswith("."), (one.id, cure)
        assert "\n" not in cure
        assert "None" not in cure, (one.id, cure)


def test_prosody_s_words_are_those_that_were_recorded(told: list[Told]) -> None:
    for one, denial in denials(told):
        said = one.explanation.prosody
        assert (said.error, said.reason) == denial.answer, one.id
    assert all(
        (one.explanation.prosody.error, one.explanation.prosody.reason) == (None, None)
        for one in told
        if one.explanation.allowed
    )


def test_no_explanation_holds_the_token_or_its_signature(told: list[Told]) -> None:
    for one in told:
        token = one.case["token"] or ""
        dump = json.dumps(asdict(one.explanation), ensure_ascii=False)
        for secret in (token, token.rpartition(".")[2]):
            assert len(secret) < LONG_ENOUGH or secret not in dump, one.id


def test_no_explanation_holds_a_secret(told: list[Told]) -> None:
    for one in told:
        secret = one.case["config"].get("app_secret")
        if secret is not None and len(secret) >= LONG_ENOUGH:
            assert secret not in json.dumps(asdict(one.explanation)), one.id


def test_an_explanation_has_the_shape_of_the_contract(told: list[Told]) -> None:
    for one in told:
        dump = json.loads(json.dumps(asdict(one.explanation)))
        assert set(dump) == {"allowed", "code", "steps", "prosody", "notes"}
        assert set(dump["prosody"]) == {"error", "reason"}
        assert all(isinstance(note, str) for note in dump["notes"])
        for step in dump["steps"]:
            assert set(step) == {"name", "result", "expected", "found", "cure"}
            for name in ("expected", "found", "cure"):
                assert step[name] is None or step[name].isprintable(), (one.id, step)


def test_every_denial_code_has_a_cure() -> None:
    assert set(SUGGESTIONS) == set(DenialCode)


def test_the_recorder_changes_no_verdict(told: list[Told]) -> None:
    for one in told:
        policy = policy_of(one.case["config"])
        request, keys = request_of(one.case, policy), CaseKeys(one.case)
        silent = decide(request, policy, keys, one.case["now"])
        code = silent.code if isinstance(silent, Deny) else None
        assert explain(request, policy, keys, one.case["now"]).code == code, one.id


def test_steps_that_this_question_does_not_ask_are_left_out() -> None:
    explanation = explain(AccessRequest(None), Policy(), KeySet(), 0)
    names = [step.name for step in explanation.steps]
    assert explanation.code == "token-missing"
    assert not {"key id", "key", "room", "tenant", "domain"}.intersection(names)


def test_steps_that_would_have_come_are_named() -> None:
    policy = Policy(key_server=True, signature_algorithm="RS256", muc_mapper_domain_base="a.b")
    request = AccessRequest(None, "[tenant]room@conference.a.b")
    told = explain(request, policy, KeySet(), 0, revoked=lambda *_: None)
    asked = [step.name for step in told.steps]
    assert asked == [name for name in STEPS if not name.startswith("policy: ")]


def test_steps_of_the_house_are_named_where_it_asks_for_them() -> None:
    every: dict[str, Any] = dict.fromkeys((rule.name for rule in fields(OperatorPolicy)), True)
    policy = Policy(operator_policy=OperatorPolicy(**every))
    for new in (False, True):
        steps = explain(AccessRequest("x", creates_room=new), policy, KeySet(), 0).steps
        asked = [step.name for step in steps if step.name.startswith("policy: ")]
        assert asked == [name for name in STEPS if name.startswith("policy: ")][: 8 if new else 7]
    one = Policy(operator_policy=OperatorPolicy(require_jti=True))
    names = [step.name for step in explain(AccessRequest("x"), one, KeySet(), 0).steps]
    assert [name for name in names if name.startswith("policy: ")] == ["policy: jti"]


def test_what_nobody_knows_to_be_revoked_is_no_step() -> None:
    told = explain(AccessRequest(None), Policy(), KeySet(), 0)
    assert "revocation" not in [step.name for step in told.steps]


def test_an_ambiguous_request_fails_before_all_rules() -> None:
    explanation = explain_ambiguity("two tokens that differ")
    assert explanation.code == "ambiguous-request"
    assert [step.result for step in explanation.steps] == ["fail", *["not-reached"] * len(STEPS)]
    assert explanation.steps[0].found == "two tokens that differ"
    assert explanation.steps[0].cure is not None


@pytest.mark.parametrize(
    "wrapped",
    [
        "Bearer a.b.c",
        "bearer  a.b.c",
        "Authorization: Bearer a.b.c",
        '"a.b.c"',
        "'a.b.c'",
        '"Bearer a.b.c"',
        ' Bearer "a.b.c" \n',
    ],
)
def test_a_token_is_unwrapped_with_a_note(wrapped: str) -> None:
    token, note = unwrap(wrapped)
    assert token == "a.b.c"
    assert note is not None
    assert "would refuse" in note


@pytest.mark.parametrize("bare", ["a.b.c", " a.b.c\n", "", '"', "Bearer", '"a.b.c', "a b"])
def test_what_has_no_wrapping_has_only_its_outer_blanks_taken_off(bare: str) -> None:
    assert unwrap(bare) == (bare.strip(), None)


def test_wrapping_that_nobody_would_write_is_left_on() -> None:
    token, note = unwrap('"' * 60_000)
    assert token == '"' * (60_000 - 8)
    assert note is not None
