"""Every recorded case under both sets of rules: what strict ones refuse more, and allow more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.conformance.case import CaseKeys, judge, policy_of, problems, request_of
from tests.support.paths import VECTORS
from verifier.config import ConfigError, load
from verifier.decisions.verifier import Verifier
from verifier.rules.model import Allow, Decision

# A list in aud, of which one is accepted; to Jitsi a list equals nothing.
ALLOWED_MORE: Final = {"audience-0075"}
# Without a tag, since Jitsi means it: no room claim, where none is needed, opens every tenant.
# Strict rules compare tenant and host always.
DENIED_MORE: Final = {"room-claim-type-0093"}
# Why a configuration that Jitsi's rules serve is refused by strict ones at the start.
REASONS: Final = ("enable_domain_verification", "muc_mapper_domain_base", "app_secret")
OF_KEYS: Final = frozenset(
    {"jwk-use", "jwk-alg", "jwk-kty", "jwk-duplicate-kid", "jwk-form", "pem-form"}
)


class StrictKeys(CaseKeys):
    """The case's key answers, read by the verifier's own sources and not as Jitsi reads them."""

    def document(self) -> Any:
        return self.case["jwks"]

    def key(self, body: str) -> str | None:
        return body


def cases() -> Iterator[dict[str, Any]]:
    for line in VECTORS.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if "uncertain" not in case:
            yield case


async def judge_strictly(case: dict[str, Any]) -> Decision:
    policy = replace(policy_of(case["config"]), strict=True)
    # What the verifier makes of key material that Jitsi crashes on is the same for both rules
    # (tests/unit/keys/test_formats.py), so that only tags about keys are for its own sources.
    about_keys = OF_KEYS.intersection(case["expect"].get("may_deny", []))
    keys = StrictKeys(case) if about_keys else CaseKeys(case)
    verifier = Verifier(policy, keys, lambda: case["now"])
    return await verifier.verify(request_of(case, policy))


@cache
def options_refused(config: str, rules: str) -> frozenset[str]:
    """Name the options for which a configuration is not served under these rules."""
    given = {**json.loads(config), "rules": rules}
    if "allow_empty_token" in given:
        given["allow_empty_token"] = given["allow_empty_token"] in (True, "true")
    # JSON's values are TOML's.
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in given.items())
    try:
        load({}, Path("/verifier.toml"), read_file=lambda _path: text.encode())
    except ConfigError as error:
        return frozenset(problem.option for problem in error.problems)
    return frozenset()


def served(case: dict[str, Any], rules: str) -> bool:
    return not options_refused(json.dumps(case["config"]), rules)


def test_strict_rules_refuse_configurations_for_three_reasons_only() -> None:
    found: set[str] = set()
    for case in cases():
        if served(case, "jitsi"):
            refused = options_refused(json.dumps(case["config"]), "strict")
            assert len(refused) <= 1, case["id"]
            found |= refused
    assert found == set(REASONS)


async def test_strict_rules_deny_whatever_may_be_denied() -> None:
    denied: set[str] = set()
    for case in cases():
        tags = set(case["expect"].get("may_deny", []))
        # A short secret is refused at the start; no rule looks at it again.
        if tags == {"weak-secret"}:
            assert not served(case, "strict"), case["id"]
        elif tags:
            assert not isinstance(await judge_strictly(case), Allow), case["id"]
            denied |= tags
    assert len(denied) >= 25


async def test_strict_rules_allow_nothing_else_than_jitsi_does_but_a_list_in_aud() -> None:
    allowed_more = set()
    for case in cases():
        strictly = served(case, "strict") and isinstance(await judge_strictly(case), Allow)
        if strictly and not isinstance(await judge(case), Allow):
            allowed_more.add(case["id"])
    assert allowed_more == ALLOWED_MORE


async def test_every_other_verdict_is_jitsis_with_the_same_session_and_rights() -> None:
    denied_more, compared = set(), 0
    for case in cases():
        if case["expect"]["decision"] != "allow" or case["expect"].get("may_deny"):
            continue
        if not served(case, "strict"):
            assert options_refused(json.dumps(case["config"]), "strict") <= set(REASONS)
            continue
        decision = await judge_strictly(case)
        if isinstance(decision, Allow):
            assert problems(case, decision) == [], case["id"]
            compared += 1
        else:
            denied_more.add(case["id"])
    assert denied_more == DENIED_MORE
    assert compared > 600
