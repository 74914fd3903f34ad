"""The claims of a minted token that no option names follow from the configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.cli.mint import default_audience, default_issuer, default_subject
from verifier.keys.formats import parse_secret
from verifier.keys.model import KeySet
from verifier.rooms.address import room_name
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, Allow
from verifier.rules.policy import Policy
from verifier.tokens.mint import TokenSpec, claims_of, sign

NOW = 1_750_000_000
SECRET = "a-secret-of-more-than-thirty-two-bytes"
KEY = parse_secret(SECRET)


def test_defaults_are_accepted_values() -> None:
    policy = Policy(asap_accepted_issuers=("*", "a"), asap_accepted_audiences=("*", "b"))
    assert (default_issuer(policy, "app"), default_audience(policy)) == ("a", "b")
    anything = Policy(asap_accepted_issuers=("*",))
    assert (default_issuer(anything, "app"), default_audience(anything)) == ("app", "jitsi")


@pytest.mark.parametrize(
    ("policy", "tenant", "subject"),
    [
        (Policy(enable_domain_verification=False), None, "*"),
        (Policy(enable_domain_verification=False), "acme", "acme"),
        (Policy(muc_mapper_domain_base="m.j", muc_mapper_domain="conference.m.j"), None, "m.j"),
        (Policy(muc_mapper_domain_base="m.j", muc_mapper_domain="conference.m.j"), "acme", "acme"),
        # Only the wildcard opens rooms of another MUC domain, or of one with capitals.
        (Policy(muc_mapper_domain_base="m.j", muc_mapper_domain="rooms.m.j"), None, "*"),
        (Policy(muc_mapper_domain_base="M.j", muc_mapper_domain="conference.M.j"), None, "*"),
    ],
)
def test_subject_follows_tenant_and_domain(
    policy: Policy, tenant: str | None, subject: str
) -> None:
    assert default_subject(policy, tenant) == subject


@given(
    room=st.text(min_size=1, max_size=20),
    tenant=st.none() | st.sampled_from(["acme", "müller", "a_b"]),
    verified=st.booleans(),
    domain=st.sampled_from(["conference.meet.jitsi", "muc.meet.jitsi", "conference.Meet.jitsi"]),
    issuers=st.sampled_from([("app",), ("*",), ("*", "other")]),
    audiences=st.sampled_from([("*",), ("one", "two")]),
)
def test_rules_allow_tokens_with_the_defaults(
    *,
    room: str,
    tenant: str | None,
    verified: bool,
    domain: str,
    issuers: tuple[str, ...],
    audiences: tuple[str, ...],
) -> None:
    policy = Policy(
        asap_accepted_issuers=issuers,
        asap_accepted_audiences=audiences,
        enable_domain_verification=verified,
        muc_mapper_domain_base="meet.jitsi",
        muc_mapper_domain=domain,
    )
    form = room_name(room) or "standup"
    spec = TokenSpec(
        lifetime=60,
        room=form,
        issuer=default_issuer(policy, "app"),
        audience=default_audience(policy),
        subject=default_subject(policy, tenant),
    )
    token = sign(claims_of(spec, NOW), SECRET.encode(), "HS256")
    node = form if tenant is None else f"[{tenant}]{form}"
    request = AccessRequest(token, f"{node}@{domain}", tenant or "")
    assert isinstance(decide(request, policy, KeySet((KEY,)), NOW), Allow)
