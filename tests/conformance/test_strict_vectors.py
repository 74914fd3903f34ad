"""Every recorded case under both sets of rules: what strict rules deny and allow in addition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.conformance.case import CaseKeys, decide_case, policy_of, problems, request_of
from tests.support.paths import VECTORS
from verifier.config import ConfigError, load
from verifier.decisions.verifier import Verifier, wait_for_decision
from verifier.rules.model import Allow, Decision

# A list in aud with one accepted value; Jitsi accepts no list.
ALLOWED_MORE: Final = {"audience-0075"}
# A token without an optional room claim opens every tenant. The case has no tag, because Jitsi
# intends this. Strict rules always compare tenant and host.
DENIED_MORE: Final = {"room-claim-type-0093"}
# The options for which strict rules refuse a configuration that Jitsi's rules accept.
REASONS: Final = ("enable_domain_verification", "muc_mapper_domain_base", "app_secret")
OF_KEYS: Final = frozenset(
    {"jwk-use", "jwk-alg", "jwk-kty", "jwk-duplicate-kid", "jwk-form", "pem-form"}
)


class StrictKeys(CaseKeys):
    """The keys of a case as the verifier's own sources read them, not as Jitsi does."""

    def document(self) -> Any:
        return self.case["jwks"]

    def key(self, body: str) -> str | None:
        return body


def cases() -> Iterator[dict[str, Any]]:
    for line in VECTORS.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if "uncertain" not in case:
            yield case


async def decide_strictly(case: dict[str, Any]) -> Decision:
    policy = replace(policy_of(case["config"]), strict=True)
    # Key material on which Jitsi crashes is read alike under both rules (see
    # tests/unit/keys/test_formats.py), so that only cases about keys need the verifier's sources.
    about_keys = OF_KEYS.intersection(case["expect"].get("may_deny", []))
    keys = StrictKeys(case) if about_keys else CaseKeys(case)
    verifier = Verifier(policy, keys, lambda: case["now"])
    return await wait_for_decision(verifier.verify(request_of(case, policy)))


@cache
def options_refused(config: str, rules: str) -> frozenset[str]:
    """Return the options for which these rules refuse a configuration."""
    given = {**json.loads(config), "rules": rules}
    if "allow_empty_token" in given:
        given["allow_empty_token"] = given["allow_empty_token"] in (True, "true")
    # A JSON value is also a TOML value.
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in given.items())
    try:
        load({}, Path("/verifier.toml"), read_file=lambda _path: text.encode())
    except ConfigError as error:
        return frozenset(problem.option for problem in error.problems)
    return frozenset()


def served(case: dict[str, Any], rules: str) -> bool:
    return not options_refused(json.dumps(case["config"]), rules)


def test_strict_rules_refuse_configurations_for_three_reasons() -> None:
    found: set[str] = set()
    for case in cases():
        if served(case, "jitsi"):
            refused = options_refused(json.dumps(case["config"]), "strict")
            assert len(refused) <= 1, case["id"]
            found |= refused
    assert found == set(REASONS)


async def test_strict_rules_deny_every_leniency() -> None:
    denied: set[str] = set()
    for case in cases():
        tags = set(case["expect"].get("may_deny", []))
        # The configuration refuses a short secret; no rule checks it again.
        if tags == {"weak-secret"}:
            assert not served(case, "strict"), case["id"]
        elif tags:
            assert not isinstance(await decide_strictly(case), Allow), case["id"]
            denied |= tags
    assert len(denied) >= 25


async def test_strict_rules_allow_more_only_with_an_audience_list() -> None:
    allowed_more = set()
    for case in cases():
        strictly = served(case, "strict") and isinstance(await decide_strictly(case), Allow)
        if strictly and not isinstance(await decide_case(case), Allow):
            allowed_more.add(case["id"])
    assert allowed_more == ALLOWED_MORE


async def test_other_strict_decisions_are_jitsis() -> None:
    denied_more, compared = set(), 0
    for case in cases():
        if case["expect"]["decision"] != "allow" or case["expect"].get("may_deny"):
            continue
        if not served(case, "strict"):
            assert options_refused(json.dumps(case["config"]), "strict") <= set(REASONS)
            continue
        decision = await decide_strictly(case)
        if isinstance(decision, Allow):
            assert problems(case, decision) == [], case["id"]
            compared += 1
        else:
            denied_more.add(case["id"])
    assert denied_more == DENIED_MORE
    assert compared > 600
