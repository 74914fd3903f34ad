"""Whether a token is good: ``process_and_verify_token``, then ``luajwtjitsi``'s ``verify``.

Knows no room. The numbers of the steps go on in ``room_rules``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from verifier.keys.model import JITSI_ALGORITHMS, KeyLookup, KeySet, VerificationKey
from verifier.rules import strict
from verifier.rules.model import AccessRequest, DenialCode, Deny
from verifier.rules.operator_policy import check_new_room
from verifier.rules.policy import Policy
from verifier.rules.steps import (
    ANSWERS,
    PRESENT,
    REQUIRED,
    Recorder,
    deny,
    not_a,
    unrecorded,
)
from verifier.tokens import jws
from verifier.tokens.claims import ABSENT, Claims, TokenHeader, is_number
from verifier.tokens.jws import Token
from verifier.tokens.lenient_jws import read_leniently

_UNSUPPORTED: Final = "Algorithm not supported"
_MOST_NAMED: Final = 3  # details stand in headers, which proxies bound


def check_token(  # noqa: PLR0913, PLR0917  # as above
    request: AccessRequest,
    policy: Policy,
    keys: KeyLookup,
    now: float,
    note: Recorder = unrecorded,
    read: Token | None = None,
) -> Token | Deny | None:
    """Judge the token alone; None stands for a guest, where guests are allowed."""
    # 1. An empty string is a token, and a malformed one.
    note("token", REQUIRED[not policy.allow_empty_token], PRESENT[request.token is None])
    if request.token is None:
        return _check_guest(request, policy, note)
    token = read_token(request.token) if read is None else read

    # 2. With a key server the key comes first: header, kid, alg, and only then the token.
    named = _find_key(token, policy, keys, now, note) if policy.key_server else keys
    if isinstance(named, Deny):
        return named

    # 3. Three segments; header and payload are JSON; typ, alg and signature.
    refused = _check_signature(token, policy, named, now, note)
    if refused is not None:
        return refused
    claims = Claims(token.claims)
    key_id = TokenHeader(token.header).key_id

    # 4. Both times' types, then both times; `now >= exp` is expired. Jitsi knows no leeway.
    expiry, not_before = claims.expiry, claims.not_before
    note("expiry", "a number of seconds in the future, or absent", expiry)
    if _is_set(expiry) and not is_number(expiry):
        return deny(DenialCode.EXPIRY_MALFORMED, not_a("number", "exp", expiry), key_id)
    if _is_set(not_before) and not is_number(not_before):
        note("not before", "a number of seconds in the past, or absent", not_before)
        return deny(DenialCode.NOT_BEFORE_MALFORMED, not_a("number", "nbf", not_before), key_id)
    if _is_set(expiry) and now >= expiry + policy.leeway:
        return deny(DenialCode.TOKEN_EXPIRED, f"expired {now - expiry:.0f} s ago", key_id)
    note("not before", "a number of seconds in the past, or absent", not_before)
    if _is_set(not_before) and now < not_before - policy.leeway:
        detail, until = f"valid in {not_before - now:.0f} s", not_before - policy.leeway
        return replace(deny(DenialCode.TOKEN_NOT_YET_VALID, detail, key_id), until=until)

    # 5. iss: absent is refused even where every issuer is accepted.
    note("issuer", policy.asap_accepted_issuers, claims.issuer)
    if claims.issuer is ABSENT:
        return deny(DenialCode.ISSUER_MISSING, "expected an iss claim", key_id)
    if not _accepted(claims.issuer, policy.asap_accepted_issuers):
        detail = _none_of("iss", policy.asap_accepted_issuers, claims.issuer)
        return deny(DenialCode.ISSUER_NOT_ACCEPTED, detail, key_id)

    # 6. aud: likewise; to Jitsi a list equals no string, so it passes only under the wildcard.
    note("audience", policy.asap_accepted_audiences, claims.audience)
    if claims.audience is ABSENT:
        return deny(DenialCode.AUDIENCE_MISSING, "expected an aud claim", key_id)
    accepts = strict.accepts_audience if policy.strict else _accepted
    if not accepts(claims.audience, policy.asap_accepted_audiences):
        detail = _none_of("aud", policy.asap_accepted_audiences, claims.audience)
        return deny(DenialCode.AUDIENCE_NOT_ACCEPTED, detail, key_id)

    # 7. room and sub are there; what they say is compared later.
    note("room claim", REQUIRED[policy.asap_require_room_claim], claims.room)
    if claims.room is ABSENT and policy.asap_require_room_claim:
        return deny(DenialCode.ROOM_CLAIM_MISSING, "expected a room claim", key_id)
    note("subject", REQUIRED[True], claims.subject)
    if claims.subject is ABSENT:
        return deny(DenialCode.SUBJECT_MISSING, "expected a sub claim", key_id)

    # 8. Some sessions demand a context.
    note("context", REQUIRED[request.context_required], claims.context)
    if claims.context is ABSENT and request.context_required:
        reason = "jwt missing required context claim"
        return deny(DenialCode.CLAIM_MALFORMED, "expected a context claim", key_id, reason)
    return token


def read_token(token: str) -> Token:
    """Take a token apart, strictly or else as Jitsi's decoders do; checks nothing."""
    try:
        return jws.read(token)
    except jws.MalformedError as error:
        return read_leniently(token, str(error))


def _check_guest(request: AccessRequest, policy: Policy, note: Recorder) -> Deny | None:
    """Let guests in where they are allowed; nobody without a token opens a moderators' room.

    Prosody lets guests of other hosts in who are denied here for want of a token alone, so that
    what else they lack comes first.
    """
    refused = None
    if policy.operator_policy is not None:
        refused = check_new_room(policy.operator_policy, request, note, moderator=False)
    if refused is None and not policy.allow_empty_token:
        return deny(DenialCode.TOKEN_MISSING, "expected a token")
    return refused


def _find_key(
    token: Token, policy: Policy, keys: KeyLookup, now: float, note: Recorder
) -> KeySet | Deny:
    """Upstream's key-server prologue: header, ``kid``, ``alg``, key."""
    note("header", "a JSON object in base64url", token.irregularity or "such an object")
    if token.prologue_refusal is not None:
        return deny(DenialCode.TOKEN_MALFORMED, token.irregularity, reason=token.prologue_refusal)
    header = TokenHeader(token.prologue_header)
    key_id, algorithm = header.key_id, header.algorithm
    note("key id", "a string", key_id)
    if not isinstance(key_id, str):
        return deny(DenialCode.KEY_ID_MISSING, not_a("string", "kid", key_id))
    note("algorithm family", f"RS, or {policy.accepted_algorithms}", algorithm)
    if not isinstance(algorithm, str):
        return deny(DenialCode.ALGORITHM_MISSING, not_a("string", "alg", algorithm), key_id)
    if not algorithm.startswith("RS") and not _pinned_beyond_jitsi(algorithm, policy):
        detail, reason = _algorithm(policy), "'kid' claim only support with RS family"
        return deny(DenialCode.ALGORITHM_NOT_ALLOWED, detail, key_id, reason)
    key = keys.get(key_id)
    note("key", "a key for this key id", "known" if key else "unknown")
    if key is None:
        code = DenialCode.KEYS_UNAVAILABLE if keys.unavailable else DenialCode.KEY_UNKNOWN
        return deny(code, "no key for this key id", key_id)
    doubt = strict.doubt_about(key, now) if policy.strict else ""
    if doubt:
        note("key", "a key that is used", doubt)
        return deny(DenialCode.KEY_UNKNOWN, f"the key is not used: {doubt}", key_id)
    return KeySet(static=(key,))


def _check_signature(
    token: Token, policy: Policy, keys: KeyLookup, now: float, note: Recorder
) -> Deny | None:
    """Upstream's ``luajwtjitsi.verify`` up to the signature."""
    note(
        "form",
        "three base64url segments, two of them JSON objects",
        token.irregularity or "all three",
    )
    if token.refusal is not None:
        return deny(DenialCode.TOKEN_MALFORMED, token.irregularity, reason=token.refusal)
    header = TokenHeader(token.header)
    key_id, pinned = header.key_id, policy.signature_algorithm
    unsupported = None if pinned in JITSI_ALGORITHMS else _UNSUPPORTED

    # RFC 7519 would let typ be absent, or lower case.
    note("type", "JWT", header.type)
    if header.type != "JWT":
        return deny(DenialCode.TYPE_NOT_JWT, "expected typ to be JWT", key_id)
    note("algorithm", policy.accepted_algorithms if policy.strict else pinned, header.algorithm)
    if header.algorithm is ABSENT:
        reason = unsupported or ANSWERS[DenialCode.ALGORITHM_NOT_ALLOWED][1]
        return deny(DenialCode.ALGORITHM_MISSING, _algorithm(policy), key_id, reason)
    if header.algorithm != pinned:
        if header.algorithm not in policy.other_algorithms:
            return deny(DenialCode.ALGORITHM_NOT_ALLOWED, _algorithm(policy), key_id, unsupported)
        pinned = header.algorithm

    # Each key serves its own kind of algorithm only: no public key is ever taken for a secret.
    candidates, unused = _candidates(keys, key_id), ""
    if policy.strict:
        candidates, unused = strict.without_doubt(candidates, now)
    note("signature", pinned, len(candidates))
    if not candidates:
        detail = f"the key is not used: {unused}" if unused else "no key for this key id"
        return deny(DenialCode.KEY_UNKNOWN, detail, key_id)
    if not any(key.verify(pinned, token.signing_input, token.signature) for key in candidates):
        detail = f"no configured key made this {pinned} signature"
        return deny(DenialCode.SIGNATURE_INVALID, detail, key_id, unsupported)
    return None


def _candidates(keys: KeyLookup, key_id: Any) -> Sequence[VerificationKey]:
    named = keys.get(key_id) if isinstance(key_id, str) else None
    return keys.static if named is None else (*keys.static, named)


def _pinned_beyond_jitsi(algorithm: str, policy: Policy) -> bool:
    """PS, ES and EdDSA are ours: allowed with a key server, if the operator pinned them."""
    pinned = algorithm == policy.signature_algorithm or algorithm in policy.other_algorithms
    return pinned and algorithm not in JITSI_ALGORITHMS


def _is_set(value: Any) -> bool:
    """Tell what is true to Lua: JSON null is, false is not."""
    return value is not ABSENT and value is not False


def _accepted(claim: Any, accepted: Sequence[str]) -> bool:
    return "*" in accepted or claim in accepted


def _none_of(name: str, accepted: Sequence[str], value: Any) -> str:
    found = "another string" if isinstance(value, str) else jws.json_type(value)
    more = f" and {len(accepted) - _MOST_NAMED} more" if len(accepted) > _MOST_NAMED else ""
    named = ", ".join(accepted[:_MOST_NAMED])
    return f"expected {name} to be one of {named}{more}; found {found}"


def _algorithm(policy: Policy) -> str:
    return f"expected alg {policy.accepted_algorithms}"
