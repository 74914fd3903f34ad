"""Every token and every address can be explained, with the code of the decision."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.explanations import GOOD, KEYS, NOW, PLAIN, POLICY
from tests.support.tokens import sign
from verifier.explain import explain
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, Deny

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["*", "standup", "^stand%a+$", "[", "acme", "meet.jitsi", "true"])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2), max_leaves=4)
NESTED = st.dictionaries(st.sampled_from(["user", "room", "tenant", "regex", "id"]), VALUES)
CONTEXTS = VALUES | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("user", "room", "tenant", "features"), VALUES | NESTED)
)
CLAIMS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("iss", "aud", "sub", "room", "exp", "nbf", "iat"), VALUES)
    | {"context": CONTEXTS, "moderator": VALUES, "user_id": VALUES},
)
ADDRESSES = (
    st.none()
    | st.text(max_size=12)
    | st.sampled_from(["standup", "[acme]standup", "\udcff", "[\udcff]x\udcff"]).map(
        "{}@conference.meet.jitsi".format
    )
    | st.builds("{}@conference.meet.jitsi".format, st.text(st.characters(), max_size=6))
)
POLICIES = st.sampled_from(
    [
        POLICY,
        PLAIN,
        replace(POLICY, key_server=True, signature_algorithm="RS256"),
        replace(POLICY, muc_mapper_domain_base=None, muc_mapper_domain=None),
        replace(PLAIN, allow_empty_token=True, asap_require_room_claim=False),
    ]
)


@settings(deadline=None)
@given(
    claims=CLAIMS,
    header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit"]), VALUES),
    address=ADDRESSES,
    policy=POLICIES,
    closed=st.booleans(),
)
def test_explanation_has_the_decisions_code(
    *,
    claims: dict[str, Any],
    header: dict[str, Any],
    address: str | None,
    policy: Any,
    closed: bool,
) -> None:
    request = AccessRequest(
        sign(GOOD | claims, header), address, "", room_requires_authentication=closed
    )
    decision = decide(request, policy, KEYS, NOW)
    explanation = explain(request, policy, KEYS, NOW)
    assert explanation.code == (decision.code if isinstance(decision, Deny) else None)
    assert all(note.isprintable() for note in explanation.notes)
    assert json.dumps(asdict(explanation)).isascii()


@settings(deadline=None)
@given(text=st.text(st.characters(), max_size=40), address=ADDRESSES, policy=POLICIES)
def test_any_text_as_token_is_explained(text: str, address: str | None, policy: Any) -> None:
    request = AccessRequest(text, address)
    assert not explain(request, policy, KEYS, NOW).allowed
