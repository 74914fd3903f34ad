from __future__ import annotations

from dataclasses import replace

import jwt
import pytest

from verifier.tokens.claims import Claims
from verifier.tokens.mint import TokenSpec, claims_of, sign

NOW = 1_750_000_000
SECRET = "a-secret-of-more-than-thirty-two-bytes"
SPEC = TokenSpec(room="standup", issuer="app", audience="jitsi", subject="*", lifetime=60)


def test_minimal_token_has_no_context() -> None:
    assert claims_of(SPEC, NOW + 0.7) == {
        "iss": "app",
        "aud": "jitsi",
        "sub": "*",
        "room": "standup",
        "iat": NOW,
        "exp": NOW + 60,
    }


def test_user_and_features_are_in_the_context() -> None:
    spec = replace(
        SPEC, user_id="7", user_name="Ada", user_email="a@b.c", features=("recording", "live")
    )
    assert claims_of(spec, NOW)["context"] == {
        "user": {"id": "7", "name": "Ada", "email": "a@b.c"},
        "features": {"recording": True, "live": True},
    }


def test_moderator_has_both_claims() -> None:
    claims = claims_of(replace(SPEC, moderator=True), NOW)
    assert claims["context"]["user"] == {"moderator": True, "affiliation": "owner"}
    assert Claims(claims).is_moderator


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_other_libraries_accept_the_signature(algorithm: str) -> None:
    key = "k" * 64
    token = sign(claims_of(SPEC, 4e9), key.encode(), algorithm, "kid-1")
    payload = jwt.decode(token, key, [algorithm], audience="jitsi", options={"verify_iat": False})
    assert payload["room"] == "standup"
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": algorithm, "kid": "kid-1"}


def test_only_a_shared_secret_signs() -> None:
    for algorithm in ("RS256", "EdDSA", "none"):
        with pytest.raises(ValueError, match="shared secret"):
            sign({}, SECRET.encode(), algorithm)
