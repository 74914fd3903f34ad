"""Whether a good token, or none, opens this room: ``verify_room``.

Goes on where ``token_rules`` ends; knows no key and no time.
"""

from __future__ import annotations

from typing import Any, Final

from verifier.rooms.address import Jid, parse_jid, split_tenant
from verifier.rooms.patterns import PatternRefusal, match_room
from verifier.rules import strict
from verifier.rules.model import AccessRequest, DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.rules.steps import PRESENT, REQUIRED, Recorder, deny, not_a, unrecorded
from verifier.tokens.claims import ABSENT, Claims, is_number

_NO_MATCH: Final = (
    "room-name-does-not-match",
    "Room name cannot be matched to the one from token.",
)


def check_room(
    request: AccessRequest,
    claims: Claims | None,
    policy: Policy,
    note: Recorder = unrecorded,
) -> bool | Deny:
    """Judge the room; the truth value says whether the tenants of token and URL differ."""
    if request.room_jid is None:
        return False

    # 9. The address names a room, and where Prosody asked, one that exists.
    jid = parse_jid(request.room_jid)
    note("room address", "room@host", request.room_jid)
    if jid is None or jid.node is None:
        return deny(DenialCode.ROOM_ADDRESS_INVALID, "expected an address that names a room")
    if policy.strict and not strict.is_prepared(jid):
        detail = "expected the address as XMPP prepares it"
        return deny(DenialCode.ROOM_ADDRESS_INVALID, detail)
    if not request.room_exists:
        detail, answer = "no such room", ("room-does-not-exist", "Room does not exist")
        return Deny(DenialCode.ROOM_ADDRESS_INVALID, detail, *answer)

    # 10. Guests enter every room that does not ask for more.
    required = REQUIRED[request.room_requires_authentication]
    note("authentication", required, PRESENT[claims is None])
    if claims is None:
        if request.room_requires_authentication:
            return deny(DenialCode.AUTHENTICATION_REQUIRED, "this room requires a token")
        return False

    # 11. Without domain verification only the name counts: host, tenant and sub are not looked at.
    if not policy.enable_domain_verification and not policy.strict:
        note("room", claims.room, jid.node)
        return _compare_room_only(claims.room, jid.node)
    return _verify_domain(request, claims, jid, policy, note)


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
        # Upstream looks no further; the standards make no exception for tenant and host.
        if not policy.strict:
            return False
        room = target_room

    # 13. A context tenant that is not the URL's is flagged; only some rooms refuse it.
    mismatch = _tenants_differ(claims.context_tenant, request.query_prefix)
    if mismatch and request.room_requires_authentication:
        note("tenant", request.query_prefix, claims.context_tenant)
        return deny(DenialCode.TENANT_MISMATCH, "the token's context names another tenant")

    # 14. The whole address, as the token would have it, is the one that is asked for.
    if not isinstance(claims.subject, str):
        note("domain", "sub to be a string", claims.subject)
        return Deny(DenialCode.CLAIM_MALFORMED, not_a("string", "sub", claims.subject), None)
    subject = ascii_lower(claims.subject)
    if target_tenant is not None:
        tenant = target_tenant if subject == "*" else subject
        if policy.muc_mapper_domain_base is None:
            note("tenant", "muc_mapper_domain_base to be set", ABSENT)
            detail = "tenants need muc_mapper_domain_base"
            return deny(DenialCode.SERVER_MISCONFIGURED, detail)
        expected_node, host = f"[{tenant}]{room}", policy.muc_mapper_domain
    else:
        tenant, expected_node = None, room
        prefix = policy.muc_mapper_domain_prefix
        host = policy.muc_mapper_domain if subject == "*" else f"{prefix}.{subject}"
    same = (expected_node, host) == (node, jid.host)
    # Which part differs: to upstream it is one comparison.
    if not same and room != target_room:
        return deny(DenialCode.ROOM_MISMATCH, "the room claim names another room")
    if target_tenant is not None:
        note("tenant", tenant, target_tenant)
    if not same and tenant != target_tenant:
        return deny(DenialCode.TENANT_MISMATCH, "sub names another tenant")
    note("domain", host, jid.host)
    return mismatch if same else deny(DenialCode.DOMAIN_MISMATCH, "sub names another domain")


def _room_to_check(claims: Claims, target_room: str, policy: Policy) -> str | Deny | None:
    """Give the name that the address must have; None where the token leaves the room open."""
    claimed = claims.room
    if policy.strict and strict.is_stray_pattern(claims, policy):
        reason = "Room claim patterns need asap_require_room_claim"
        return Deny(DenialCode.ROOM_PATTERN_INVALID, reason, "invalid-regex", reason)
    if claimed == "*":
        return target_room
    if claimed is ABSENT:
        return None
    if not isinstance(claimed, str):
        # To Lua, false is no name at all and a number is one that no room has.
        answer = _NO_MATCH if claimed is False else (None, None)
        return Deny(DenialCode.CLAIM_MALFORMED, not_a("string", "room", claimed), *answer)
    if not claims.is_pattern:
        return ascii_lower(claimed)
    matched = match_room(target_room, claimed, policy)
    if isinstance(matched, PatternRefusal):
        detail = f"{matched.reason}: {matched.found}"
        return Deny(DenialCode.ROOM_PATTERN_INVALID, detail, "invalid-regex", matched.reason)
    if matched is None:
        detail = "the room claim's pattern does not match"
        return Deny(DenialCode.ROOM_MISMATCH, detail, *_NO_MATCH)
    return matched


def _tenants_differ(tenant: Any, query_prefix: str | None) -> bool:
    """Compare as upstream: no prefix at all differs from every tenant, even an empty one."""
    if isinstance(tenant, str):
        return ascii_lower(tenant) != query_prefix
    return is_number(tenant)


def _room_expected(claims: Claims) -> Any:
    return f"a match of the pattern {claims.room!r}" if claims.is_pattern else claims.room


def ascii_lower(text: str) -> str:
    """Lower-case as Lua does: ASCII letters only."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
