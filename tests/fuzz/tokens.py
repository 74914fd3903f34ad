"""Compact tokens: raw bytes, or signed here, so that the steps after the signature are reached."""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import cache
from typing import Final

from tests.fuzz.harness import Harness
from tests.fuzz.keys import NOW, OTHER_SECRET, is_signed, public_pem, rsa_key, signed
from tests.support.tokens import SECRET, segment
from verifier.keys.formats import parse_secret
from verifier.keys.model import KeySet
from verifier.keys.model import VerificationKey as Key
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, Allow, Decision
from verifier.rules.policy import Policy

_CLAIMS: Final = {"iss": "app", "aud": "jitsi", "sub": "*", "room": "*", "exp": NOW + 60}
_HEADER: Final = b'{"typ":"JWT","alg":"HS256"}'
_RS_HEADER: Final = b'{"typ":"JWT","alg":"RS256","kid":"k"}'
POLICY: Final = Policy(
    asap_accepted_issuers=("app",),
    muc_mapper_domain_base="meet.example.org",
    muc_mapper_domain="conference.meet.example.org",
)
_RS_POLICY: Final = Policy(
    asap_accepted_issuers=("*",), signature_algorithm="RS256", enable_domain_verification=False
)
_ROOM: Final = "[acme]standup@conference.meet.example.org"
KEYS: Final = KeySet(static=[parse_secret(SECRET)])


@cache
def rs_keys() -> KeySet:
    """Return the public key under the key id ``k``."""
    material = rsa_key().public_key()
    return KeySet(by_id={"k": Key("k", frozenset({"RS256"}), material, "asap")})


def _token(data: bytes) -> tuple[str, bool, bool]:
    """Return a token, whether it is for the public key, and whether it must be denied."""
    kind, rest = data[:1], data[1:]
    header, _, claims = rest.partition(b"\n")
    if kind == b"s":
        return signed(header, claims, "HS256", SECRET.encode()), False, False
    if kind == b"f":
        return signed(header, claims, "HS256", OTHER_SECRET.encode()), False, True
    if kind == b"r":
        return signed(header, claims, "RS256", rsa_key()), True, False
    if kind == b"c":  # the public key in the place of a secret
        confused = signed(header, claims, "HS256", b"x").rpartition(".")[0]
        return f"{confused}.{_hmac_by_public_key(confused)}", True, True
    return rest.decode("latin-1"), kind < b"m", False


def _hmac_by_public_key(signing_input: str) -> str:
    return segment(hmac.digest(public_pem().encode(), signing_input.encode(), hashlib.sha256))


_signed_tokens: dict[bytes, tuple[str, bool, bool]] = {}


def _token_of(data: bytes) -> tuple[str, bool, bool]:
    """Return the token of an input, signed once: signing is no part of the measured time."""
    if data not in _signed_tokens:
        _signed_tokens.clear()
        _signed_tokens[data] = _token(data)
    return _signed_tokens[data]


def run(data: bytes) -> Decision:
    """Decide the request with the input's token."""
    token, by_public_key, _ = _token_of(data)
    request = AccessRequest(token, _ROOM, "acme")
    if by_public_key:
        return decide(request, _RS_POLICY, rs_keys(), NOW)
    return decide(request, POLICY, KEYS, NOW)


def check_result(data: bytes, decision: Decision) -> None:
    """Assert that only tokens are allowed whose signature PyJWT accepts."""
    token, by_public_key, refused = _token_of(data)
    if not isinstance(decision, Allow):
        assert not any(part in decision.detail for part in token.split(".") if len(part) > 24)
        return
    assert not refused
    assert is_signed(token, "RS256" if by_public_key else "HS256")
    assert decision.claims is not None
    assert decision.expires_at is None or decision.expires_at > NOW
    json.dumps(decision.session)


def _seed(kind: str, header: bytes = _HEADER, **claims: object) -> bytes:
    return kind.encode() + header + b"\n" + json.dumps(_CLAIMS | claims).encode()


HARNESS: Final = Harness(
    run,
    check_result,
    [
        _seed("s"),
        _seed("f"),
        _seed("r", _RS_HEADER),
        _seed("c", _RS_HEADER),
        _seed("c", b'{"typ":"JWT","alg":"HS256","kid":"k"}'),
        _seed("s", nbf=NOW - 1, iat=NOW, room="standup", sub="acme"),
        _seed("s", room="^st.-p$", context={"room": {"regex": True}, "user": {"moderator": True}}),
        _seed("s", context={"user": {"id": 1, "affiliation": "owner"}, "features": {"a": "true"}}),
        b"tabc.def.ghi",
        b"aeyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.e30.",
    ],
    longest=17_000,
)
