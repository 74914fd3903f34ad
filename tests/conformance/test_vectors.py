from __future__ import annotations

import json
import subprocess
import sys

from tests.conformance.case import decide_case
from tests.support.paths import ROOT, VECTORS
from verifier.rules.model import Allow, DenialCode, Deny

# Tags of what rules = "jitsi" denies although Jitsi allows it by accident, and of what it allows
# because Jitsi intends it; docs/differences-from-jitsi.md explains each tag.
ALWAYS_DENIED = {
    "token-form",
    "json-not-strict",
    "json-duplicate-key",
    "json-invalid-utf8",
    "json-deep",
    "json-number-range",
    "json-not-object",
    "header-crit",
    "header-zip",
    "header-kid-type",
    "exp-type",
    "nbf-type",
    "iss-type",
    "sub-type",
    "room-type",
    "room-empty",
    "context-type",
    "pattern-quantifier-count-evaded",
    "pattern-position-capture",
}
# The tag is context-type, and the value is [], which is the same empty table as {} to Jitsi.
EMPTY_LISTS = {f"context-00{number}" for number in (77, 78, 79, 80, 82, 83, 86)}
ALWAYS_ALLOWED = {"aud-type", "iat-type", "host-not-checked", "weak-secret"}


def test_every_recorded_decision_is_reproduced() -> None:
    command = [sys.executable, "-m", "tests.conformance", str(VECTORS)]
    root = ROOT
    finished = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    last = finished.stdout.splitlines()[-1]
    assert (finished.returncode, last) == (0, "3536 passed, 0 failed"), finished.stdout[-2000:]


async def test_each_leniency_tag_has_one_decision() -> None:
    seen: dict[str, set[bool]] = {}
    for line in VECTORS.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        tags = case["expect"].get("may_deny", [])
        # The configuration refuses an empty secret.
        if not tags or case["config"].get("app_secret") == "":
            continue
        allowed = isinstance(await decide_case(case), Allow)
        if case["id"] in EMPTY_LISTS:
            assert allowed, case["id"]
        elif ALWAYS_DENIED.intersection(tags):
            assert not allowed, case["id"]
        elif ALWAYS_ALLOWED.issuperset(tags):
            assert allowed, case["id"]
        for tag in tags:
            seen.setdefault(tag, set()).add(allowed)
    assert ALWAYS_ALLOWED.issubset(seen)
    # A pattern that matches is no accident, so that this tag has both decisions.
    assert seen["pattern-with-room-claim-optional"] == {True, False}
    # No case has json-not-object, nbf-type or room-empty as its only tag.
    assert len(ALWAYS_DENIED.intersection(seen)) >= 16


async def test_only_key_cases_are_denied_as_unavailable() -> None:
    for line in VECTORS.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        decision = await decide_case(case)
        if isinstance(decision, Deny) and decision.code is DenialCode.KEYS_UNAVAILABLE:
            assert case["category"] in {"keys", "tenant-sub", "fuzz-claims", "pair", "triple"}
