"""Steps 26 to 30: whether a good token, or no token, opens this room; Jitsi's ``verify_room``.

This module knows no key and no time. ``access_request`` and ``jid_request`` build the request about
a room.
"""

from __future__ import annotations

from typing import Any, Final

from verifier.rooms.address import Jid, RoomAddress, ascii_lower, parse_jid, room_jid, split_tenant
from verifier.rooms.patterns import PatternRefusal, match_room
from verifier.rules import strict
from verifier.rules.denials import deny, not_a
from verifier.rules.model import REQUIRED, AccessRequest, DenialCode, Deny, Recorder, no_record
from verifier.rules.policy import Policy
from verifier.tokens.claims import ABSENT, Claims, is_number

_NO_MATCH: Final = (
    "room-name-does-not-match",
    "Room name cannot be matched to the one from token.",
)

NOT_PREPARED: Final = "not-prepared"
"""Cause of ``room-address-invalid``: XMPP would prepare the address first (strict rules)."""
CONTEXT_TENANT: Final = "context-tenant"
"""Cause of ``tenant-mismatch``: ``context.tenant`` is not the URL's tenant."""
PATTERNS_DISABLED: Final = "disabled"
"""Cause of ``room-pattern-invalid``: ``token_regex_enabled`` is off."""
ROOM_IS_OPTIONAL: Final = "room-is-optional"
"""Cause of ``room-pattern-invalid``: Jitsi would not require that the pattern matches."""


def check_room(
    request: AccessRequest,
    claims: Claims | None,
    policy: Policy,
    record: Recorder = no_record,
) -> bool | Deny:
    """Take steps 26 to 30.

    Returns:
        The denial, or else whether the tenants of token and URL differ.
    """
    if request.room_jid is None:
        return False

    # 26. room address. It names a room and, if Prosody asks, a room that exists.
    jid = parse_jid(request.room_jid)
    record("room address", "room@host", request.room_jid)
    if jid is None or jid.node is None:
        return deny(DenialCode.ROOM_ADDRESS_INVALID, "expected an address that names a room")
    if policy.strict and not strict.is_prepared(jid):
        detail = "expected the address as XMPP prepares it"
        return deny(DenialCode.ROOM_ADDRESS_INVALID, detail, cause=NOT_PREPARED)
    if not request.room_exists:
        detail, answer = "no such room", ("room-does-not-exist", "Room does not exist")
        return Deny(DenialCode.ROOM_ADDRESS_INVALID, detail, *answer)

    # 27. authentication. Guests enter every room that does not require it.
    required = REQUIRED[request.room_requires_authentication]
    record("authentication", required, "none" if claims is None else "a token")
    if claims is None:
        if request.room_requires_authentication:
            return deny(DenialCode.AUTHENTICATION_REQUIRED, "this room requires a token")
        return False

    # 28. room. Without domain verification Jitsi ignores host, tenant and sub.
    if not policy.enable_domain_verification and not policy.strict:
        record("room", claims.room, jid.node)
        return _compare_room_only(claims.room, jid.node)
    return _verify_domain(request, claims, jid, policy, record)


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
    record: Recorder,
) -> bool | Deny:
    """Compare room, tenant and host, as Jitsi does with ``enable_domain_verification``."""
    # 28. room. The name to compare with is the claim, or what its pattern matched.
    node = jid.node or ""
    target_tenant, target_room = split_tenant(node)
    record("room", _room_expected(claims), target_room)
    room = _room_to_check(claims, target_room, policy)
    if isinstance(room, Deny):
        return room
    if room is None:
        # Jitsi compares nothing else then; strict rules still compare tenant and host.
        if not policy.strict:
            return False
        room = target_room

    # 29. tenant. A context tenant that is not the URL's is flagged; only some rooms deny it.
    mismatch = _tenants_differ(claims.context_tenant, request.query_prefix)
    if mismatch and request.room_requires_authentication:
        record("tenant", request.query_prefix, claims.context_tenant)
        detail = "the token's context names another tenant"
        return deny(DenialCode.TENANT_MISMATCH, detail, cause=CONTEXT_TENANT)

    # 30. domain. The whole address, as the token would have it, has to be the requested one.
    # To Lua a number is a string: it is compared, and equals no tenant and no domain.
    is_text = isinstance(claims.subject, str) or is_number(claims.subject)
    if is_text and target_tenant is not None and policy.muc_mapper_domain_base is None:
        record("tenant", "muc_mapper_domain_base to be set", ABSENT)
        return deny(DenialCode.SERVER_MISCONFIGURED, "tenants need muc_mapper_domain_base")
    if not isinstance(claims.subject, str):
        record("domain", "sub to be a string", claims.subject)
        detail = not_a("string", "sub", claims.subject)
        return Deny(DenialCode.CLAIM_MALFORMED, detail, None, cause="sub")
    subject = ascii_lower(claims.subject)
    if target_tenant is not None:
        tenant = target_tenant if subject == "*" else subject
        expected_node, host = f"[{tenant}]{room}", policy.muc_mapper_domain
    else:
        tenant, expected_node = None, room
        prefix = policy.muc_mapper_domain_prefix
        host = policy.muc_mapper_domain if subject == "*" else f"{prefix}.{subject}"
    same = (expected_node, host) == (node, jid.host)
    # Jitsi makes one comparison; the code says which part of the address differs.
    if not same and room != target_room:
        return deny(DenialCode.ROOM_MISMATCH, "the room claim names another room")
    if target_tenant is not None:
        record("tenant", tenant, target_tenant)
    if not same and tenant != target_tenant:
        return deny(DenialCode.TENANT_MISMATCH, "sub names another tenant")
    record("domain", host, jid.host)
    return mismatch if same else deny(DenialCode.DOMAIN_MISMATCH, "sub names another domain")


def _room_to_check(claims: Claims, target_room: str, policy: Policy) -> str | Deny | None:
    """Return the name that the address must have; None if the token leaves the room open."""
    claimed = claims.room
    if policy.strict and strict.is_optional_pattern(claims, policy):
        reason = "Room claim patterns need asap_require_room_claim"
        return Deny(
            DenialCode.ROOM_PATTERN_INVALID, reason, "invalid-regex", reason, cause=ROOM_IS_OPTIONAL
        )
    if claimed == "*":
        return target_room
    if claimed is ABSENT:
        return None
    if not isinstance(claimed, str):
        # To Lua, false is no name at all and a number is one that no room has.
        detail = not_a("string", "room", claimed)
        if claimed is False:
            return Deny(DenialCode.CLAIM_MALFORMED, detail, *_NO_MATCH, cause="room")
        return Deny(DenialCode.CLAIM_MALFORMED, detail, None, cause="room")
    if not claims.is_pattern:
        return ascii_lower(claimed)
    matched = match_room_claim(target_room, claimed, policy)
    if isinstance(matched, PatternRefusal):
        detail = f"{matched.reason}: {matched.found}"
        return Deny(
            DenialCode.ROOM_PATTERN_INVALID,
            detail,
            "invalid-regex",
            matched.reason,
            cause=matched.cause,
        )
    if matched is None:
        detail = "the room claim's pattern does not match"
        return Deny(DenialCode.ROOM_MISMATCH, detail, *_NO_MATCH)
    return matched


def match_room_claim(room: str, pattern: str, policy: Policy) -> str | PatternRefusal | None:
    """Match a room name against a room claim that is a pattern, within the policy's limits.

    Returns:
        What ``string.match`` returns, None if nothing matches, or why the pattern is not matched.
    """
    if not policy.token_regex_enabled:
        return PatternRefusal(
            "Room claim patterns are not enabled", "token_regex_enabled = false", PATTERNS_DISABLED
        )
    return match_room(
        room,
        pattern,
        max_bytes=policy.token_regex_room_max_length,
        max_quantifiers=policy.token_regex_max_quantifiers,
    )


def _tenants_differ(tenant: Any, query_prefix: str | None) -> bool:
    """Compare as Jitsi does: an absent prefix differs from every tenant, even an empty one."""
    if isinstance(tenant, str):
        return ascii_lower(tenant) != query_prefix
    return is_number(tenant)


def _room_expected(claims: Claims) -> Any:
    return f"a match of the pattern {claims.room!r}" if claims.is_pattern else claims.room


def access_request(token: str | None, address: RoomAddress | None, policy: Policy) -> AccessRequest:
    """Return the request to enter the room of a URL.

    Args:
        token: The compact token; None for a guest.
        address: The room that the URL names; None if it names none, which is denied as that.
        policy: Says on which host the rooms are. Without a MUC domain the engine compares no host.
    """
    if address is None:
        return AccessRequest(token, "", "")
    host = policy.muc_mapper_domain or policy.muc_mapper_domain_prefix
    return AccessRequest(token, room_jid(address, host), address.tenant or "")


def jid_request(token: str | None, jid: str) -> AccessRequest:
    """Return the request to enter the room of an XMPP address, with its tenant as the URL's."""
    parts = parse_jid(jid)
    tenant = split_tenant(parts.node)[0] if parts is not None and parts.node else None
    return AccessRequest(token, jid, tenant or "")
