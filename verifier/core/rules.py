"""Jitsi's verdict on a token and a room, read downwards in Jitsi's own order.

Follows jitsi/jitsi-meet ``resources/prosody-plugins`` as of late 2026: ``check_token`` is
``process_and_verify_token`` (``token/util.lib.lua``) and ``verify`` (``luajwtjitsi.lib.lua``),
``check_room`` is ``verify_room``. ``_check_form`` is ours and last, so that it never hides one of
Jitsi's own answers: it refuses what upstream's Lua lets through, or crashes on, only because it
never looked. Where Lua would raise, this denies.

What cannot be seen from beside Prosody: whether the room exists and what its owner configured
(``AccessRequest.room_exists`` and ``room_requires_authentication`` carry it where Prosody asks),
stanza preparation (the address is taken as it stands), and modules that change a session after
its token was verified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from verifier.core import jws
from verifier.core.claims import ABSENT, Claims, TokenHeader, is_number
from verifier.core.decision import AccessRequest, Allow, Decision, DenialCode, Deny
from verifier.core.irregular import read_irregular
from verifier.core.jws import Token
from verifier.core.keys import JITSI_ALGORITHMS, KeyLookup, KeySet, VerificationKey
from verifier.core.policy import Policy
from verifier.core.room_patterns import PatternRefusal, match_room
from verifier.core.rooms import Jid, parse_jid, split_tenant

Recorder = Callable[[str, Any, Any], None]
"""Told of each step, before it is judged: its name, what is expected and what was found."""

Revoked = Callable[[AccessRequest, Token | None, float, Recorder], Deny | None]
"""Refuses what has been taken back: a request, its token (None for a guest), the time, and whom to
tell of the step."""

STEPS: Final = (
    "token",
    "header",
    "key id",
    "algorithm family",
    "key",
    "form",
    "type",
    "algorithm",
    "signature",
    "expiry",
    "not before",
    "issuer",
    "audience",
    "room claim",
    "subject",
    "context",
    "revocation",
    "room address",
    "authentication",
    "room",
    "tenant",
    "domain",
    "claim types",
)
"""Every step's name, in the order in which they are taken."""

ANSWERS: Final[dict[DenialCode, tuple[str | None, str | None]]] = {
    DenialCode.TOKEN_MISSING: ("not-allowed", "token required"),
    DenialCode.KEY_ID_MISSING: ("not-allowed", "'kid' claim is missing"),
    DenialCode.ALGORITHM_MISSING: ("not-allowed", "'alg' claim is missing"),
    DenialCode.ALGORITHM_NOT_ALLOWED: ("not-allowed", "Invalid or incorrect alg"),
    DenialCode.KEY_UNKNOWN: ("not-allowed", "could not obtain public key"),
    DenialCode.KEYS_UNAVAILABLE: ("not-allowed", "could not obtain public key"),
    DenialCode.TYPE_NOT_JWT: ("not-allowed", "Invalid typ"),
    DenialCode.SIGNATURE_INVALID: ("not-allowed", "Invalid signature"),
    DenialCode.EXPIRY_MALFORMED: ("not-allowed", "exp must be number"),
    DenialCode.NOT_BEFORE_MALFORMED: ("not-allowed", "nbf must be number"),
    DenialCode.TOKEN_EXPIRED: ("not-allowed", "Not acceptable by exp"),
    DenialCode.TOKEN_NOT_YET_VALID: ("not-allowed", "Not acceptable by nbf"),
    DenialCode.ISSUER_MISSING: ("not-allowed", "'iss' claim is missing"),
    DenialCode.ISSUER_NOT_ACCEPTED: ("not-allowed", "invalid 'iss' claim"),
    DenialCode.AUDIENCE_MISSING: ("not-allowed", "'aud' claim is missing"),
    DenialCode.AUDIENCE_NOT_ACCEPTED: ("not-allowed", "invalid 'aud' claim"),
    DenialCode.ROOM_CLAIM_MISSING: ("not-authorized", "room claim is missing"),
    DenialCode.SUBJECT_MISSING: ("not-authorized", "sub claim is missing"),
    DenialCode.ROOM_ADDRESS_INVALID: ("invalid-room-address", "Room address is invalid"),
    DenialCode.AUTHENTICATION_REQUIRED: ("authentication-required", "Authentication required"),
    DenialCode.SERVER_MISCONFIGURED: ("server-missing-config", "Misconfiguration of server"),
    # The last comparison of verify_room is a bare `false` to its caller.
    DenialCode.ROOM_MISMATCH: (None, None),
    DenialCode.TENANT_MISMATCH: (None, None),
    DenialCode.DOMAIN_MISMATCH: (None, None),
}
"""What Jitsi's plugins answer (error, reason) for each code, where one code has one answer."""

_NO_MATCH: Final = (
    "room-name-does-not-match",
    "Room name cannot be matched to the one from token.",
)
_UNSUPPORTED: Final = "Algorithm not supported"
_PRESENT: Final = {False: "a token", True: "none"}
_REQUIRED: Final = {True: "present", False: "anything"}
_MOST_NAMED: Final = 3  # details stand in headers, which proxies bound
_KINDS: Final = {str: "a string", dict: "an object"}


def _unrecorded(_step: str, _expected: Any, _found: Any) -> None:
    """Record nothing."""


def decide(  # noqa: PLR0913, PLR0917  # four things that a verdict is made of, three for its callers
    request: AccessRequest,
    policy: Policy,
    keys: KeyLookup,
    now: float,
    note: Recorder = _unrecorded,
    read: Token | None = None,
    revoked: Revoked | None = None,
) -> Decision:
    """Judge one request.

    Args:
        request: The token and the room.
        policy: What this host accepts.
        keys: The keys at hand; a ``kid`` that is not among them is ``key-unknown``.
        now: Unix time, seconds.
        note: Told of each step, for explanations; whatever it raises ends the judging.
        read: The token, where it has been taken apart already (``read_token``).
        revoked: Refuses what has been taken back; None where nobody keeps such a list.

    Returns:
        The verdict. Nothing that a token or an address contains makes this raise.
    """
    token = check_token(request, policy, keys, now, note, read)
    if isinstance(token, Deny):
        return token
    # Behind the token, whose signature vouches for what it says; before the room, guests included.
    if revoked is not None and (refused := revoked(request, token, now, note)) is not None:
        return refused
    if token is None:
        mismatch = check_room(request, None, policy, note)
        return mismatch if isinstance(mismatch, Deny) else Allow()
    claims = Claims(token.claims)
    mismatch = check_room(request, claims, policy, note)
    if isinstance(mismatch, Deny):
        key_id = TokenHeader(token.header).key_id
        return replace(mismatch, key_id=key_id if isinstance(key_id, str) else None)
    malformed = _check_form(token, claims, note)
    if malformed is not None:
        return malformed
    return Allow(claims, "owner" if claims.is_moderator else "member", mismatch)


def check_token(  # noqa: PLR0913, PLR0917  # as above
    request: AccessRequest,
    policy: Policy,
    keys: KeyLookup,
    now: float,
    note: Recorder = _unrecorded,
    read: Token | None = None,
) -> Token | Deny | None:
    """Judge the token alone; None stands for a guest, where guests are allowed."""
    # 1. An empty string is a token, and a malformed one.
    note("token", _REQUIRED[not policy.allow_empty_token], _PRESENT[request.token is None])
    if request.token is None:
        if policy.allow_empty_token:
            return None
        return _deny(DenialCode.TOKEN_MISSING, "expected a token")
    token = read_token(request.token) if read is None else read

    # 2. With a key server the key comes first: header, kid, alg, and only then the token.
    named = _find_key(token, policy, keys, note) if policy.key_server else keys
    if isinstance(named, Deny):
        return named

    # 3. Three segments; header and payload are JSON; typ, alg and signature.
    refused = _check_signature(token, policy, named, note)
    if refused is not None:
        return refused
    claims = Claims(token.claims)
    key_id = TokenHeader(token.header).key_id

    # 4. Both times' types, then both times; `now >= exp` is expired. Jitsi knows no leeway.
    expiry, not_before = claims.expiry, claims.not_before
    note("expiry", "a number of seconds in the future, or absent", expiry)
    if _is_set(expiry) and not is_number(expiry):
        return _deny(DenialCode.EXPIRY_MALFORMED, _not_a("number", "exp", expiry), key_id)
    if _is_set(not_before) and not is_number(not_before):
        note("not before", "a number of seconds in the past, or absent", not_before)
        return _deny(DenialCode.NOT_BEFORE_MALFORMED, _not_a("number", "nbf", not_before), key_id)
    if _is_set(expiry) and now >= expiry + policy.leeway:
        return _deny(DenialCode.TOKEN_EXPIRED, f"expired {now - expiry:.0f} s ago", key_id)
    note("not before", "a number of seconds in the past, or absent", not_before)
    if _is_set(not_before) and now < not_before - policy.leeway:
        detail, until = f"valid in {not_before - now:.0f} s", not_before - policy.leeway
        return replace(_deny(DenialCode.TOKEN_NOT_YET_VALID, detail, key_id), until=until)

    # 5. iss: absent is refused even where every issuer is accepted.
    note("issuer", policy.asap_accepted_issuers, claims.issuer)
    if claims.issuer is ABSENT:
        return _deny(DenialCode.ISSUER_MISSING, "expected an iss claim", key_id)
    if not _accepted(claims.issuer, policy.asap_accepted_issuers):
        detail = _none_of("iss", policy.asap_accepted_issuers, claims.issuer)
        return _deny(DenialCode.ISSUER_NOT_ACCEPTED, detail, key_id)

    # 6. aud: likewise; a list equals no string, so it passes only under the wildcard.
    note("audience", policy.asap_accepted_audiences, claims.audience)
    if claims.audience is ABSENT:
        return _deny(DenialCode.AUDIENCE_MISSING, "expected an aud claim", key_id)
    if not _accepted(claims.audience, policy.asap_accepted_audiences):
        detail = _none_of("aud", policy.asap_accepted_audiences, claims.audience)
        return _deny(DenialCode.AUDIENCE_NOT_ACCEPTED, detail, key_id)

    # 7. room and sub are there; what they say is compared later.
    note("room claim", _REQUIRED[policy.asap_require_room_claim], claims.room)
    if claims.room is ABSENT and policy.asap_require_room_claim:
        return _deny(DenialCode.ROOM_CLAIM_MISSING, "expected a room claim", key_id)
    note("subject", _REQUIRED[True], claims.subject)
    if claims.subject is ABSENT:
        return _deny(DenialCode.SUBJECT_MISSING, "expected a sub claim", key_id)

    # 8. Some sessions demand a context.
    note("context", _REQUIRED[request.context_required], claims.context)
    if claims.context is ABSENT and request.context_required:
        reason = "jwt missing required context claim"
        return _deny(DenialCode.CLAIM_MALFORMED, "expected a context claim", key_id, reason)
    return token


def check_room(
    request: AccessRequest,
    claims: Claims | None,
    policy: Policy,
    note: Recorder = _unrecorded,
) -> bool | Deny:
    """Judge the room; the truth value says whether the tenants of token and URL differ."""
    if request.room_jid is None:
        return False

    # 9. The address names a room, and where Prosody asked, one that exists.
    jid = parse_jid(request.room_jid)
    note("room address", "room@host", request.room_jid)
    if jid is None or jid.node is None:
        return _deny(DenialCode.ROOM_ADDRESS_INVALID, "expected an address that names a room")
    if not request.room_exists:
        detail, answer = "no such room", ("room-does-not-exist", "Room does not exist")
        return Deny(DenialCode.ROOM_ADDRESS_INVALID, detail, *answer)

    # 10. Guests enter every room that does not ask for more.
    required = _REQUIRED[request.room_requires_authentication]
    note("authentication", required, _PRESENT[claims is None])
    if claims is None:
        if request.room_requires_authentication:
            return _deny(DenialCode.AUTHENTICATION_REQUIRED, "this room requires a token")
        return False

    # 11. Without domain verification only the name counts: host, tenant and sub are not looked at.
    if not policy.enable_domain_verification:
        note("room", claims.room, jid.node)
        return _compare_room_only(claims.room, jid.node)
    return _verify_domain(request, claims, jid, policy, note)


def _find_key(token: Token, policy: Policy, keys: KeyLookup, note: Recorder) -> KeySet | Deny:
    """Upstream's key-server prologue: header, ``kid``, ``alg``, key."""
    note("header", "a JSON object in base64url", token.irregularity or "such an object")
    if token.prologue_refusal is not None:
        return _deny(DenialCode.TOKEN_MALFORMED, token.irregularity, reason=token.prologue_refusal)
    header = TokenHeader(token.prologue_header)
    key_id, algorithm = header.key_id, header.algorithm
    note("key id", "a string", key_id)
    if not isinstance(key_id, str):
        return _deny(DenialCode.KEY_ID_MISSING, _not_a("string", "kid", key_id))
    note("algorithm family", f"RS, or {policy.signature_algorithm}", algorithm)
    if not isinstance(algorithm, str):
        return _deny(DenialCode.ALGORITHM_MISSING, _not_a("string", "alg", algorithm), key_id)
    if not algorithm.startswith("RS") and not _pinned_beyond_jitsi(algorithm, policy):
        detail, reason = _algorithm(policy), "'kid' claim only support with RS family"
        return _deny(DenialCode.ALGORITHM_NOT_ALLOWED, detail, key_id, reason)
    key = keys.known(key_id)
    note("key", "a key for this key id", "known" if key else "unknown")
    if key is None:
        code = DenialCode.KEYS_UNAVAILABLE if keys.unavailable else DenialCode.KEY_UNKNOWN
        return _deny(code, "no key for this key id", key_id)
    return KeySet(static=(key,))


def _check_signature(token: Token, policy: Policy, keys: KeyLookup, note: Recorder) -> Deny | None:
    """Upstream's ``luajwtjitsi.verify`` up to the signature."""
    note(
        "form",
        "three base64url segments, two of them JSON objects",
        token.irregularity or "all three",
    )
    if token.refusal is not None:
        return _deny(DenialCode.TOKEN_MALFORMED, token.irregularity, reason=token.refusal)
    header = TokenHeader(token.header)
    key_id, pinned = header.key_id, policy.signature_algorithm
    unsupported = None if pinned in JITSI_ALGORITHMS else _UNSUPPORTED

    # RFC 7519 would let typ be absent, or lower case.
    note("type", "JWT", header.type)
    if header.type != "JWT":
        return _deny(DenialCode.TYPE_NOT_JWT, "expected typ to be JWT", key_id)
    note("algorithm", pinned, header.algorithm)
    if header.algorithm is ABSENT:
        reason = unsupported or ANSWERS[DenialCode.ALGORITHM_NOT_ALLOWED][1]
        return _deny(DenialCode.ALGORITHM_MISSING, _algorithm(policy), key_id, reason)
    if header.algorithm != pinned:
        return _deny(DenialCode.ALGORITHM_NOT_ALLOWED, _algorithm(policy), key_id, unsupported)

    candidates = _candidates(keys, key_id)
    note("signature", pinned, len(candidates))
    if not candidates:
        return _deny(DenialCode.KEY_UNKNOWN, "no key for this key id", key_id)
    if not any(key.verify(pinned, token.signing_input, token.signature) for key in candidates):
        detail = f"no configured key made this {pinned} signature"
        return _deny(DenialCode.SIGNATURE_INVALID, detail, key_id, unsupported)
    return None


def _compare_room_only(claimed: Any, node: str) -> bool | Deny:
    if claimed is ABSENT or claimed == "*":
        return False
    if isinstance(claimed, str):
        lowered = ascii_lower(claimed)
        if node == lowered or node.endswith("]" + lowered):
            return False
    answer = ("room-mismatch", "Room does not match the room from token")
    return Deny(DenialCode.ROOM_MISMATCH, "the room claim names another room", *answer)


def _verify_domain(
    request: AccessRequest,
    claims: Claims,
    jid: Jid,
    policy: Policy,
    note: Recorder,
) -> bool | Deny:
    """Compare room, tenant and host as upstream does with ``enable_domain_verification``."""
    # 12. Which name to compare with: the claim, or what its pattern matched.
    node = jid.node or ""
    target_tenant, target_room = split_tenant(node)
    note("room", _room_expected(claims), target_room)
    room = _room_to_check(claims, target_room, policy)
    if isinstance(room, Deny):
        return room
    if room is None:
        return False

    # 13. A context tenant that is not the URL's is flagged; only some rooms refuse it.
    mismatch = _tenants_differ(claims.context_tenant, request.query_prefix)
    if mismatch and request.room_requires_authentication:
        note("tenant", request.query_prefix, claims.context_tenant)
        return _deny(DenialCode.TENANT_MISMATCH, "the token's context names another tenant")

    # 14. The whole address, as the token would have it, is the one that is asked for.
    if not isinstance(claims.subject, str):
        note("domain", "sub to be a string", claims.subject)
        return Deny(DenialCode.CLAIM_MALFORMED, _not_a("string", "sub", claims.subject), None)
    subject = ascii_lower(claims.subject)
    if target_tenant is not None:
        tenant = target_tenant if subject == "*" else subject
        if policy.muc_mapper_domain_base is None:
            note("tenant", "muc_mapper_domain_base to be set", ABSENT)
            detail = "tenants need muc_mapper_domain_base"
            return _deny(DenialCode.SERVER_MISCONFIGURED, detail)
        expected_node, host = f"[{tenant}]{room}", policy.muc_mapper_domain
    else:
        tenant, expected_node = None, room
        prefix = policy.muc_mapper_domain_prefix
        host = policy.muc_mapper_domain if subject == "*" else f"{prefix}.{subject}"
    same = (expected_node, host) == (node, jid.host)
    # Which part differs: to upstream it is one comparison.
    if not same and room != target_room:
        return _deny(DenialCode.ROOM_MISMATCH, "the room claim names another room")
    if target_tenant is not None:
        note("tenant", tenant, target_tenant)
    if not same and tenant != target_tenant:
        return _deny(DenialCode.TENANT_MISMATCH, "sub names another tenant")
    note("domain", host, jid.host)
    return mismatch if same else _deny(DenialCode.DOMAIN_MISMATCH, "sub names another domain")


def _room_to_check(claims: Claims, target_room: str, policy: Policy) -> str | Deny | None:
    """Give the name that the address must have; None where the token leaves the room open."""
    claimed = claims.room
    if claimed == "*":
        return target_room
    if claimed is ABSENT:
        return None
    if not isinstance(claimed, str):
        # To Lua, false is no name at all and a number is one that no room has.
        answer = _NO_MATCH if claimed is False else (None, None)
        return Deny(DenialCode.CLAIM_MALFORMED, _not_a("string", "room", claimed), *answer)
    if not is_pattern(claims):
        return ascii_lower(claimed)
    matched = match_room(target_room, claimed, policy)
    if isinstance(matched, PatternRefusal):
        detail = f"{matched.reason}: {matched.found}"
        return Deny(DenialCode.ROOM_PATTERN_INVALID, detail, "invalid-regex", matched.reason)
    if matched is None:
        detail = "the room claim's pattern does not match"
        return Deny(DenialCode.ROOM_MISMATCH, detail, *_NO_MATCH)
    return matched


def _check_form(token: Token, claims: Claims, note: Recorder) -> Deny | None:
    """Refuse what upstream lets through only because it never looks."""
    # 15. Strict form; an extension that must be understood (RFC 7515, 4.1.11) is not.
    header = TokenHeader(token.header)
    if token.irregularity:
        note("claim types", "a strict token", token.irregularity)
        return _deny(DenialCode.TOKEN_MALFORMED, token.irregularity)
    for name in ("crit", "zip"):
        if name in token.header:
            note("claim types", f"no {name} in the header", token.header[name])
            return _deny(DenialCode.TOKEN_MALFORMED, f"expected no {name} in the header")
    # 16. JSON types, where a wrong one reaches other modules or is never compared.
    context = claims.context if isinstance(claims.context, dict) else {}
    for name, value, code in (
        ("exp", claims.expiry, DenialCode.EXPIRY_MALFORMED),
        ("nbf", claims.not_before, DenialCode.NOT_BEFORE_MALFORMED),
    ):
        if value is False:
            note("claim types", f"{name} to be a number", value)
            return _deny(code, _not_a("number", name, value), header.key_id)
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
        if value is not ABSENT and not isinstance(value, kind):
            note("claim types", f"{name} to be {_KINDS[kind]}", value)
            detail = f"expected {name} to be {_KINDS[kind]}, found {jws.json_type(value)}"
            return _deny(DenialCode.CLAIM_MALFORMED, detail, header.key_id)
    if claims.room == "":
        note("claim types", "room not to be empty", claims.room)
        return _deny(DenialCode.CLAIM_MALFORMED, "expected room not to be empty", header.key_id)
    note("claim types", "the types that Jitsi's modules read", "those types")
    return None


def read_token(token: str) -> Token:
    """Take a token apart, strictly or else as Jitsi's decoders do; checks nothing."""
    try:
        return jws.read(token)
    except jws.MalformedError as error:
        return read_irregular(token, str(error))


def _is_set(value: Any) -> bool:
    """Tell what is true to Lua: JSON null is, false is not."""
    return value is not ABSENT and value is not False


def ascii_lower(text: str) -> str:
    """Lower-case as Lua does: ASCII letters only."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _deny(code: DenialCode, detail: str, key_id: Any = None, reason: str | None = None) -> Deny:
    """Build a denial with Jitsi's answer to it; ``reason`` where one code has several."""
    error, usual = ANSWERS.get(code, ("not-allowed", None))
    return Deny(code, detail, error, reason or usual, key_id if isinstance(key_id, str) else None)


def _candidates(keys: KeyLookup, key_id: Any) -> Sequence[VerificationKey]:
    named = keys.known(key_id) if isinstance(key_id, str) else None
    return keys.static if named is None else (*keys.static, named)


def _pinned_beyond_jitsi(algorithm: str, policy: Policy) -> bool:
    """PS, ES and EdDSA are ours: allowed with a key server, if the operator pinned them."""
    return algorithm == policy.signature_algorithm and algorithm not in JITSI_ALGORITHMS


def _accepted(claim: Any, accepted: Sequence[str]) -> bool:
    return "*" in accepted or claim in accepted


def is_pattern(claims: Claims) -> bool:
    """Tell whether the token says that its room claim is a Lua pattern."""
    room = claims.context_room
    flag = room.get("regex") if isinstance(room, dict) else None
    return flag is True or flag == "true"


def _tenants_differ(tenant: Any, query_prefix: str | None) -> bool:
    """Compare as upstream: no prefix at all differs from every tenant, even an empty one."""
    if isinstance(tenant, str):
        return ascii_lower(tenant) != query_prefix
    return is_number(tenant)


def _not_a(kind: str, name: str, value: Any) -> str:
    found = "none" if value is ABSENT else jws.json_type(value)
    return f"expected {name} to be a {kind}, found {found}"


def _none_of(name: str, accepted: Sequence[str], value: Any) -> str:
    found = "another string" if isinstance(value, str) else jws.json_type(value)
    more = f" and {len(accepted) - _MOST_NAMED} more" if len(accepted) > _MOST_NAMED else ""
    named = ", ".join(accepted[:_MOST_NAMED])
    return f"expected {name} to be one of {named}{more}; found {found}"


def _algorithm(policy: Policy) -> str:
    return f"expected alg {policy.signature_algorithm}"


def _room_expected(claims: Claims) -> Any:
    return f"a match of the pattern {claims.room!r}" if is_pattern(claims) else claims.room
