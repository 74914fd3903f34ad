"""Steps 2 to 16 and 31: whether a token is good, whatever room it is for.

Follows Jitsi's ``process_and_verify_token`` and ``luajwtjitsi``'s ``verify``; ``engine`` says in
which order. Each function that checks returns the denial, or None to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Any, Final

from verifier.keys.model import JITSI_ALGORITHMS, KeyLookup, VerificationKey
from verifier.rules import strict
from verifier.rules.denials import ANSWERS, deny, format_duration, not_a
from verifier.rules.model import REQUIRED, AccessRequest, DenialCode, Deny, Recorder
from verifier.rules.policy import Policy
from verifier.tokens import jws
from verifier.tokens.claims import ABSENT, Claims, is_number
from verifier.tokens.jws import Token
from verifier.tokens.lenient_jws import MAX_BYTES, read_leniently, refuse_unread

_UNSUPPORTED: Final = "Algorithm not supported"
_OTHER_FAMILY: Final = "'kid' claim only support with RS family"
_MAX_WAITING: Final = 2_048  # bytes of a token; JSON in memory can be 25 times as long as written
# Accepted values in one detail. The detail is sent in a header of bounded length.
_MAX_NAMED: Final = 3
_KINDS: Final = {str: "a string", dict: "an object"}

KEY_NOT_USED: Final = "key-not-used"
"""Cause of ``key-unknown``: strict rules do not use the key."""
CONTEXT_REQUIRED: Final = "context-required"
"""Cause of ``claim-malformed``: the session requires a context. Other causes name the claim."""


def read_compact(token: str) -> Token:
    """Read a compact token, strictly or else as Jitsi's decoders do; checks nothing."""
    try:
        return jws.read(token)
    except jws.MalformedError as error:
        return read_leniently(token, str(error))


def read_token(request: AccessRequest) -> Token:
    """Return the request's token, read once, strictly or else as Jitsi's decoders do."""
    if request.read is None:
        request.read = read_compact(request.token or "")
    return request.read


def read_at_once(request: AccessRequest) -> Token | str:
    """Return the request's token, or why it is not strict: then ``read_token`` costs much."""
    if request.read is None:
        token = request.token or ""
        try:
            request.read = jws.read(token)
        except jws.MalformedError as error:
            if len(token) <= MAX_BYTES:
                return str(error)
            request.read = refuse_unread(str(error))
    return request.read


def forget_long_token(request: AccessRequest) -> None:
    """Let a long token be read again, so that many requests that wait do not fill the memory.

    The size of a token that is not strict is bounded by what it costs to read it.
    """
    if request.read and len(request.token or "") > _MAX_WAITING and not request.read.strict_error:
        request.read = None


def check_key_server_header(token: Token, policy: Policy, record: Recorder) -> Deny | None:
    """Take steps 2 to 4: what Jitsi reads of the header before it asks a key server."""
    # 2. header.
    record("header", "a JSON object in base64url", token.strict_error or "such an object")
    if token.first_refusal is not None:
        return deny(DenialCode.TOKEN_MALFORMED, token.strict_error, reason=token.first_refusal)
    header = token.first_header
    key_id, algorithm = header.key_id, header.algorithm
    # 3. key id.
    record("key id", "a string", key_id)
    if not isinstance(key_id, str):
        reason = _answer_to_number(algorithm, policy) if is_number(key_id) else None
        return deny(DenialCode.KEY_ID_MISSING, not_a("string", "kid", key_id), reason=reason)
    # 4. algorithm family.
    record("algorithm family", f"RS, or {policy.accepted_algorithms}", algorithm)
    if not isinstance(algorithm, str):
        return deny(DenialCode.ALGORITHM_MISSING, not_a("string", "alg", algorithm), key_id)
    if _is_other_family(algorithm, policy):
        detail = _expected_algorithm(policy)
        return deny(DenialCode.ALGORITHM_NOT_ALLOWED, detail, key_id, _OTHER_FAMILY)
    return None


def _answer_to_number(algorithm: Any, policy: Policy) -> str | None:
    """Return Jitsi's words for a ``kid`` that is a number.

    To Lua a number is a string. So Jitsi goes on, and asks the key server for a key of this id.
    """
    if not isinstance(algorithm, str):
        return ANSWERS[DenialCode.ALGORITHM_MISSING][1]
    if _is_other_family(algorithm, policy):
        return _OTHER_FAMILY
    return ANSWERS[DenialCode.KEY_UNKNOWN][1]


def find_named_key(
    token: Token, policy: Policy, keys: KeyLookup, now: float, record: Recorder
) -> Sequence[VerificationKey] | Deny:
    """Take step 5: return the keys of a key server that the token's ``kid`` names.

    Several keys have one ``kid`` only if each is for other algorithms.
    """
    # 5. key.
    key_id = token.first_header.key_id
    key = keys.get(key_id)
    record("key", "a key for this key id", "known" if key else "unknown")
    if key is None:
        code = DenialCode.KEYS_UNAVAILABLE if keys.unavailable else DenialCode.KEY_UNKNOWN
        return deny(code, "no key for this key id", key_id)
    candidates: Sequence[VerificationKey] = key.all
    if policy.strict:
        candidates, unused = strict.used_keys(candidates, now)
        if not candidates:
            record("key", "a key that is used", unused)
            detail = f"the key is not used: {unused}"
            return deny(DenialCode.KEY_UNKNOWN, detail, key_id, cause=KEY_NOT_USED)
    return candidates


def check_form(token: Token, policy: Policy, record: Recorder) -> Deny | None:
    """Take steps 6 to 8: the token's form, ``typ`` and ``alg``."""
    # 6. form.
    record(
        "form",
        "three base64url segments, two of them JSON objects",
        token.strict_error or "all three",
    )
    if token.refusal is not None:
        return deny(DenialCode.TOKEN_MALFORMED, token.strict_error, reason=token.refusal)
    header = token.header
    key_id, pinned = header.key_id, policy.signature_algorithm

    # 7. type. RFC 7519 would let typ be absent, or lower case.
    record("type", "JWT", header.type)
    if header.type != "JWT":
        return deny(DenialCode.TYPE_NOT_JWT, "expected typ to be JWT", key_id)

    # 8. algorithm.
    algorithm = header.algorithm
    record("algorithm", policy.accepted_algorithms if policy.strict else pinned, algorithm)
    if algorithm is ABSENT:
        reason = _unsupported(policy) or ANSWERS[DenialCode.ALGORITHM_NOT_ALLOWED][1]
        return deny(DenialCode.ALGORITHM_MISSING, _expected_algorithm(policy), key_id, reason)
    if algorithm != pinned and algorithm not in policy.other_algorithms:
        detail, reason = _expected_algorithm(policy), _unsupported(policy)
        return deny(DenialCode.ALGORITHM_NOT_ALLOWED, detail, key_id, reason)
    return None


def find_static_keys(
    token: Token, policy: Policy, keys: KeyLookup, now: float, record: Recorder
) -> Sequence[VerificationKey] | Deny:
    """Begin step 9 without a key server: return the static keys, and the key that ``kid`` names."""
    key_id, unused = token.header.key_id, ""
    named = keys.get(key_id) if isinstance(key_id, str) else None
    candidates = keys.static if named is None else (*keys.static, *named.all)
    if policy.strict:
        candidates, unused = strict.used_keys(candidates, now)
    if candidates:
        return candidates
    record("signature", token.header.algorithm, 0)
    if unused:
        detail = f"the key is not used: {unused}"
        return deny(DenialCode.KEY_UNKNOWN, detail, key_id, cause=KEY_NOT_USED)
    return deny(DenialCode.KEY_UNKNOWN, "no key for this key id", key_id)


def check_signature(
    token: Token,
    policy: Policy,
    algorithm: str,
    candidates: Sequence[VerificationKey],
    record: Recorder,
) -> Deny | None:
    """Finish step 9: check whether one of the candidates made the signature."""
    # 9. signature. Each key serves its own kind of algorithm only: a public key is never taken for
    # a shared secret.
    record("signature", algorithm, len(candidates))
    for key in candidates:
        if key.verify(algorithm, token.signing_input, token.signature):
            return None
    detail = f"no configured key made this {algorithm} signature"
    return deny(DenialCode.SIGNATURE_INVALID, detail, token.header.key_id, _unsupported(policy))


def check_times(
    claims: Claims, policy: Policy, now: float, key_id: Any, record: Recorder
) -> Deny | None:
    """Take steps 10 and 11: ``exp`` and ``nbf``; Jitsi checks both types, then both times."""
    # 10. expiry. `now >= exp` is expired. Jitsi knows no leeway.
    expiry, not_before = claims.expiry, claims.not_before
    ends, begins = _is_set(expiry), _is_set(not_before)
    record("expiry", "a number of seconds in the future, or absent", expiry)
    if ends and not is_number(expiry):
        return deny(DenialCode.EXPIRY_MALFORMED, not_a("number", "exp", expiry), key_id)
    if begins and not is_number(not_before):
        record("not before", "a number of seconds in the past, or absent", not_before)
        return deny(DenialCode.NOT_BEFORE_MALFORMED, not_a("number", "nbf", not_before), key_id)
    if ends and now >= expiry + policy.leeway:
        detail = f"expired {format_duration(now - expiry)} ago"
        figures = _expiry_figures(claims, now)
        return deny(DenialCode.TOKEN_EXPIRED, detail, key_id, figures=figures)
    # 11. not before.
    record("not before", "a number of seconds in the past, or absent", not_before)
    if begins and now < not_before - policy.leeway:
        detail, until = f"valid in {format_duration(not_before - now)}", not_before - policy.leeway
        return deny(DenialCode.TOKEN_NOT_YET_VALID, detail, key_id, until=until)
    return None


def _expiry_figures(claims: Claims, now: float) -> str:
    """Return how long ago a token has expired, as ``luajwtjitsi`` writes it."""
    expiry, issued_at = float(claims.expiry), claims.issued_at
    figures = f"{_lua_number(floor(now) - expiry)} sec since expired"
    if issued_at is None:
        return figures
    return f"{figures}, valid for:{_lua_number(expiry - float(issued_at))} sec"


def _lua_number(value: float) -> str:
    """Return a number as ``tostring`` of Lua 5.4 writes it."""
    text = f"{value:.14g}"
    return f"{text}.0" if text.removeprefix("-").isdecimal() else text


def check_parties(claims: Claims, policy: Policy, key_id: Any, record: Recorder) -> Deny | None:
    """Take steps 12 and 13: the token's issuer and audience."""
    # 12. issuer. An absent iss is denied even if every issuer is accepted.
    record("issuer", policy.asap_accepted_issuers, claims.issuer)
    if claims.issuer is ABSENT:
        return deny(DenialCode.ISSUER_MISSING, "expected an iss claim", key_id)
    if not _accepted(claims.issuer, policy.asap_accepted_issuers):
        detail = _none_of("iss", policy.asap_accepted_issuers, claims.issuer)
        return deny(DenialCode.ISSUER_NOT_ACCEPTED, detail, key_id)
    # 13. audience. To Jitsi a list equals no string, so that it passes only under the wildcard.
    record("audience", policy.asap_accepted_audiences, claims.audience)
    if claims.audience is ABSENT:
        return deny(DenialCode.AUDIENCE_MISSING, "expected an aud claim", key_id)
    accepts = strict.accepts_audience if policy.strict else _accepted
    if not accepts(claims.audience, policy.asap_accepted_audiences):
        detail = _none_of("aud", policy.asap_accepted_audiences, claims.audience)
        return deny(DenialCode.AUDIENCE_NOT_ACCEPTED, detail, key_id)
    return None


def check_required_claims(
    claims: Claims, policy: Policy, request: AccessRequest, key_id: Any, record: Recorder
) -> Deny | None:
    """Take steps 14 to 16: claims that have to be present; later steps compare their values."""
    # 14. room claim.
    record("room claim", REQUIRED[policy.asap_require_room_claim], claims.room)
    if claims.room is ABSENT and policy.asap_require_room_claim:
        return deny(DenialCode.ROOM_CLAIM_MISSING, "expected a room claim", key_id)
    # 15. subject.
    record("subject", REQUIRED[True], claims.subject)
    if claims.subject is ABSENT:
        return deny(DenialCode.SUBJECT_MISSING, "expected a sub claim", key_id)
    # 16. context. Only some sessions require one.
    record("context", REQUIRED[request.context_required], claims.context)
    if claims.context is ABSENT and request.context_required:
        reason = "jwt missing required context claim"
        detail, cause = "expected a context claim", CONTEXT_REQUIRED
        return deny(DenialCode.CLAIM_MALFORMED, detail, key_id, reason, cause=cause)
    return None


def check_claim_types(
    token: Token, claims: Claims, policy: Policy, record: Recorder
) -> Deny | None:
    """Take step 31: deny forms and types that Jitsi accepts because it never checks them."""
    # 31. claim types. First the strict form; an extension that a reader must understand
    # (RFC 7515, 4.1.11) is not understood here.
    header = token.header
    if token.strict_error:
        record("claim types", "a strict token", token.strict_error)
        return deny(DenialCode.TOKEN_MALFORMED, token.strict_error)
    if header.extension:
        expected = f"no {header.extension} in the header"
        record("claim types", expected, header.raw[header.extension])
        return deny(DenialCode.TOKEN_MALFORMED, f"expected {expected}")
    # Then JSON types, where a wrong one reaches other modules or is never compared.
    context = claims.context if isinstance(claims.context, dict) else {}
    if claims.expiry is False:
        record("claim types", "exp to be a number", False)
        detail = not_a("number", "exp", False)
        return deny(DenialCode.EXPIRY_MALFORMED, detail, header.key_id)
    if claims.not_before is False:
        record("claim types", "nbf to be a number", False)
        detail = not_a("number", "nbf", False)
        return deny(DenialCode.NOT_BEFORE_MALFORMED, detail, header.key_id)
    typed = (
        ("kid", header.key_id, str),
        ("iss", claims.issuer, str),
        ("sub", claims.subject, str),
        ("room", claims.room, str),
        ("context", claims.context, dict),
        ("context.user", context.get("user", ABSENT), dict),
        ("context.tenant", context.get("tenant", ABSENT), str),
        ("context.group", context.get("group", ABSENT), str),
        ("context.room", context.get("room", ABSENT), dict),
        ("context.features", context.get("features", ABSENT), dict),
    )
    for name, value, kind in typed:
        # To Jitsi's JSON decoder [] is an empty table, as {} is; PHP writes an empty object as [].
        is_empty = kind is dict and value == [] and not policy.strict
        if value is not ABSENT and not isinstance(value, kind) and not is_empty:
            record("claim types", f"{name} to be {_KINDS[kind]}", value)
            detail = f"expected {name} to be {_KINDS[kind]}, found {jws.json_type(value)}"
            return deny(DenialCode.CLAIM_MALFORMED, detail, header.key_id, cause=name)
    mistyped = strict.mistyped_iat(claims) if policy.strict else None
    if mistyped is not None:
        record("claim types", "iat to be a number", mistyped[1])
        return deny(DenialCode.CLAIM_MALFORMED, mistyped[0], header.key_id, cause="iat")
    if claims.room == "":
        record("claim types", "room not to be empty", claims.room)
        detail = "expected room not to be empty"
        return deny(DenialCode.CLAIM_MALFORMED, detail, header.key_id, cause="room")
    record("claim types", "the types that Jitsi's modules read", "those types")
    return None


def _is_other_family(algorithm: str, policy: Policy) -> bool:
    """Return whether Jitsi refuses an algorithm before it asks a key server, and so do we."""
    return not algorithm.startswith("RS") and not _is_accepted_beyond_jitsi(algorithm, policy)


def _is_accepted_beyond_jitsi(algorithm: str, policy: Policy) -> bool:
    """Return whether the operator accepts an algorithm of ours: PS, ES or EdDSA."""
    pinned = algorithm == policy.signature_algorithm or algorithm in policy.other_algorithms
    return pinned and algorithm not in JITSI_ALGORITHMS


def _is_set(value: Any) -> bool:
    """Return whether a value is true to Lua: JSON null is, false is not."""
    return value is not ABSENT and value is not False


def _accepted(claim: Any, accepted: Sequence[str]) -> bool:
    return "*" in accepted or claim in accepted


def _none_of(name: str, accepted: Sequence[str], value: Any) -> str:
    found = "another string" if isinstance(value, str) else jws.json_type(value)
    more = f" and {len(accepted) - _MAX_NAMED} more" if len(accepted) > _MAX_NAMED else ""
    named = ", ".join(accepted[:_MAX_NAMED])
    return f"expected {name} to be one of {named}{more}; found {found}"


def _expected_algorithm(policy: Policy) -> str:
    return f"expected alg {policy.accepted_algorithms}"


def _unsupported(policy: Policy) -> str | None:
    """Return Jitsi's words for an algorithm that the operator configured and Jitsi lacks."""
    return None if policy.signature_algorithm in JITSI_ALGORITHMS else _UNSUPPORTED
