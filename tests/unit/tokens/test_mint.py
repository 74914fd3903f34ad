"""Minted tokens say what was ordered, and the rules accept their defaults."""

from __future__ import annotations

from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from verifier.keys.formats import parse_secret
from verifier.keys.model import KeySet, bind
from verifier.rooms.address import room_name
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, Allow
from verifier.rules.policy import Policy
from verifier.tokens.claims import Claims
from verifier.tokens.mint import (
    TokenSpec,
    claims_of,
    default_audience,
    default_issuer,
    default_subject,
    sign,
)

NOW = 1_750_000_000
SECRET = "a-secret-of-more-than-thirty-two-bytes"
KEY = parse_secret(SECRET)
ORDER = TokenSpec(room="standup", issuer="app", audience="jitsi", subject="*", lifetime=60)


def test_a_minimal_token_has_no_context() -> None:
    assert claims_of(ORDER, NOW + 0.7) == {
        "iss": "app",
        "aud": "jitsi",
        "sub": "*",
        "room": "standup",
        "iat": NOW,
        "exp": NOW + 60,
    }


def test_user_and_features_stand_where_jitsi_reads_them() -> None:
    order = replace(
        ORDER, user_id="7", user_name="Ada", user_email="a@b.c", features=("recording", "live")
    )
    assert claims_of(order, NOW)["context"] == {
        "user": {"id": "7", "name": "Ada", "email": "a@b.c"},
        "features": {"recording": True, "live": True},
    }


def test_a_moderator_is_one_to_jitsi_and_to_the_affiliation_module() -> None:
    claims = claims_of(replace(ORDER, moderator=True), NOW)
    assert claims["context"]["user"] == {"moderator": True, "affiliation": "owner"}
    assert Claims(claims).is_moderator


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_other_libraries_accept_the_signature(algorithm: str) -> None:
    key = "k" * 64
    token = sign(claims_of(ORDER, 4e9), parse_secret(key), algorithm, "kid-1")
    payload = jwt.decode(token, key, [algorithm], audience="jitsi", options={"verify_iat": False})
    assert payload["room"] == "standup"
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": algorithm, "kid": "kid-1"}


def test_only_a_shared_secret_signs() -> None:
    public = bind(ed25519.Ed25519PrivateKey.generate().public_key(), None, "file")
    for key, algorithm in ((KEY, "RS256"), (public, "EdDSA"), (public, "HS256")):
        with pytest.raises(ValueError, match="shared secret"):
            sign({}, key, algorithm)


def test_defaults_are_what_is_accepted() -> None:
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
        # What prefix and base do not make, and what is in capitals, only the wildcard opens.
        (Policy(muc_mapper_domain_base="m.j", muc_mapper_domain="rooms.m.j"), None, "*"),
        (Policy(muc_mapper_domain_base="M.j", muc_mapper_domain="conference.M.j"), None, "*"),
    ],
)
def test_the_subject_follows_tenant_and_domain(
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
def test_the_rules_accept_what_the_defaults_say(
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
    order = replace(
        ORDER,
        room=form,
        issuer=default_issuer(policy, "app"),
        audience=default_audience(policy),
        subject=default_subject(policy, tenant),
    )
    token = sign(claims_of(order, NOW), KEY, "HS256")
    node = form if tenant is None else f"[{tenant}]{form}"
    request = AccessRequest(token, f"{node}@{domain}", tenant or "")
    assert isinstance(decide(request, policy, KeySet((KEY,)), NOW), Allow)
