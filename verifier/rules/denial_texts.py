"""What each denial code means and what to do about it, in plain words.

For people: ``docs/denial-codes.md`` is made from this table. Options and claims are in backticks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from verifier.rules.model import DenialCode


@dataclass(frozen=True, slots=True)
class DenialText:
    """The words for one denial code.

    Attributes:
        meaning: What was found wrong.
        cure: What to change.
        check: What to look at first; empty if the inspector shows all.
    """

    meaning: str
    cure: str
    check: str = ""


DENIAL_TEXTS: Final[dict[DenialCode, DenialText]] = {
    DenialCode.AMBIGUOUS_REQUEST: DenialText(
        "The original request can be read in two ways, or not at all: two tokens that differ, a "
        "parameter that is there twice, more than 128 parameters, or an original-request header "
        "that is missing or doubled.",
        "Send one token. Let the proxy set one original-request header; in nginx, pass "
        "`$request_uri`.",
        "The `detail` of the response says what was found.",
    ),
    DenialCode.TOKEN_MISSING: DenialText(
        "The request has no token, and guests are not allowed.",
        "Send the token as `?jwt=`, or set `allow_empty_token`.",
        "Whether the link has `?jwt=`: what stands behind `#` never reaches a proxy. Crawlers "
        "have no token either.",
    ),
    DenialCode.TOKEN_MALFORMED: DenialText(
        "The token is not three unpadded base64url segments of strict JSON, or its header has "
        "`crit` or `zip`.",
        "Make the token with a JWT library. Do not cut or re-encode it.",
        "Whether a mail program, a template or a shell has cut the link off or changed it.",
    ),
    DenialCode.KEY_ID_MISSING: DenialText(
        "A key URL is configured, and the `kid` in the token's header is missing or no string.",
        "Sign with a `kid` in the header.",
    ),
    DenialCode.ALGORITHM_MISSING: DenialText(
        "The token's header has no `alg`.",
        "Make the token with a JWT library.",
    ),
    DenialCode.ALGORITHM_NOT_ALLOWED: DenialText(
        "The `alg` in the token's header is not the configured `signature_algorithm`.",
        "Sign with the configured algorithm. A token cannot choose its algorithm.",
        "`alg` in the token's header. Without `signature_algorithm`, RS256 is expected if there"
        " is a key URL, else HS256.",
    ),
    DenialCode.KEY_UNKNOWN: DenialText(
        "No key source has a key with this `kid`.",
        "Publish the key, or correct the `kid`.",
        "`/v1/keys` on the admin address lists the keys, and the entries that are not used.",
    ),
    DenialCode.KEYS_UNAVAILABLE: DenialText(
        "The key source does not answer now.",
        "Let the verifier's machine reach the key source. No restart is needed.",
        "`/readyz` on the admin address names the source and the error.",
    ),
    DenialCode.TYPE_NOT_JWT: DenialText(
        "The `typ` in the token's header is not exactly `JWT`.",
        "Set `typ` to `JWT`.",
    ),
    DenialCode.SIGNATURE_INVALID: DenialText(
        "None of the configured keys made this signature.",
        "Use the same secret on both sides.",
        "`jitsi-verifier check-config --prosody FILE` compares the fingerprints of the secrets. Is "
        "the secret base64 on one side only?",
    ),
    DenialCode.EXPIRY_MALFORMED: DenialText(
        "The `exp` claim is not a number.",
        "Set `exp` to Unix seconds, as a JSON number.",
    ),
    DenialCode.NOT_BEFORE_MALFORMED: DenialText(
        "The `nbf` claim is not a number.",
        "Set `nbf` to Unix seconds, as a JSON number.",
    ),
    DenialCode.TOKEN_EXPIRED: DenialText(
        "The time in `exp` has passed.",
        "Make a new token, or correct the clock that is wrong.",
        "Whether the link is old. If it is new, compare the clocks: `timedatectl` on both "
        "machines.",
    ),
    DenialCode.TOKEN_NOT_YET_VALID: DenialText(
        "The time in `nbf` is in the future.",
        "Correct the clock that is wrong, or set an earlier `nbf`.",
        "The clocks of the issuer and of the verifier: `timedatectl` on both machines.",
    ),
    DenialCode.ISSUER_MISSING: DenialText(
        "The token has no `iss` claim.",
        "Set `iss` to the value of `app_id`.",
        "Whether `iss` stands within another claim.",
    ),
    DenialCode.ISSUER_NOT_ACCEPTED: DenialText(
        "The `iss` claim is not in `asap_accepted_issuers`.",
        "Set `iss` to the value of `app_id`, or add it to `asap_accepted_issuers`.",
    ),
    DenialCode.AUDIENCE_MISSING: DenialText(
        "The token has no `aud` claim.",
        "Set `aud` to one of `asap_accepted_audiences`.",
    ),
    DenialCode.AUDIENCE_NOT_ACCEPTED: DenialText(
        "The `aud` claim is not in `asap_accepted_audiences`. A list never is, because Jitsi "
        "compares it as a whole; only strict rules look into it.",
        "Use one string, or accept `*`.",
    ),
    DenialCode.ROOM_CLAIM_MISSING: DenialText(
        "The token has no `room` claim.",
        "Set `room` to the room's name, or to `*` for every room.",
        "Whether `room` stands within another claim, such as `context`.",
    ),
    DenialCode.SUBJECT_MISSING: DenialText(
        "The token has no `sub` claim.",
        "Set `sub` to the tenant, to the XMPP domain, or to `*`.",
        "Whether `sub` stands within another claim.",
    ),
    DenialCode.CLAIM_MALFORMED: DenialText(
        "A claim has a JSON type that Jitsi's modules do not expect.",
        "Write the claim in the type that is expected.",
        "The `detail` of the response names the claim and its type.",
    ),
    DenialCode.POLICY_WILDCARD_ROOM: DenialText(
        "The `room` claim is `*` or missing, and `policy.forbid_wildcard_room` is on.",
        "Name one room in `room`.",
    ),
    DenialCode.POLICY_WILDCARD_SUB: DenialText(
        "The `sub` claim is `*`, and `policy.forbid_wildcard_sub` is on.",
        "Set `sub` to the tenant or to the XMPP domain.",
    ),
    DenialCode.POLICY_ROOM_PATTERN: DenialText(
        "The `room` claim is a pattern, and `policy.forbid_room_patterns` is on.",
        "Name one room in `room`, and remove `context.room.regex`.",
    ),
    DenialCode.POLICY_TOKEN_LIFETIME: DenialText(
        "There are more than `policy.max_token_lifetime` seconds between `iat` (or the current "
        "time) and `exp`, or there is no `exp`.",
        "Set an earlier `exp`, and set `iat`.",
    ),
    DenialCode.POLICY_JTI_MISSING: DenialText(
        "The token has no `jti` claim, and `policy.require_jti` or `single_use` is on.",
        "Set `jti` to a string that no other token has.",
    ),
    DenialCode.POLICY_EXPIRY_MISSING: DenialText(
        "The token has no `exp` claim, and `policy.require_expiry` or `single_use` is on.",
        "Set `exp`.",
    ),
    DenialCode.POLICY_USER_ID_MISSING: DenialText(
        "The token has no `context.user.id`, and `policy.require_user_id` is on.",
        "Set `context.user.id`.",
    ),
    DenialCode.POLICY_MODERATOR_REQUIRED: DenialText(
        "The room is empty, and `policy.moderators_create_rooms` is on. Only Prosody "
        "knows whether a room is empty.",
        "Let a moderator open the room.",
    ),
    DenialCode.REVOKED: DenialText(
        "The token, its user, issuer or key, the room or the tenant was revoked.",
        "Undo the revocation with `jitsi-verifier revoke --undo`, or make a new token.",
        "`jitsi-verifier revocations` lists the revocations and their reasons.",
    ),
    DenialCode.ROOM_ADDRESS_INVALID: DenialText(
        "The URL does not name a room.",
        "Use `/room` for pages; add `?room=` to signalling URLs.",
        "Whether a slash or a blank stands behind the room's name.",
    ),
    DenialCode.AUTHENTICATION_REQUIRED: DenialText(
        "The room does not accept guests.",
        "Send a token.",
    ),
    DenialCode.ROOM_PATTERN_INVALID: DenialText(
        "The `room` claim is not a Lua pattern, or the pattern is too complex.",
        "Correct the pattern. `token_regex_max_quantifiers` and `token_regex_room_max_length` are "
        "its limits.",
    ),
    DenialCode.ROOM_MISMATCH: DenialText(
        "The token is for another room.",
        "Make a token for this room, or open the room of the token. Write `room` in the form that "
        "the web client sends: lower case, percent-encoded.",
        "Whether the link is for another room, or the claim has another form than the room in "
        "the link.",
    ),
    DenialCode.TENANT_MISMATCH: DenialText(
        "The `sub` claim is not the tenant.",
        "Set `sub` to the tenant.",
        "Whether the proxy keeps the tenant: nginx must pass on `$request_uri`, not `$uri`.",
    ),
    DenialCode.DOMAIN_MISMATCH: DenialText(
        "The `sub` claim is not the XMPP domain; or `strict_hosts` is on, and the host has no "
        "`[hosts]` table.",
        "Set `sub` to the XMPP domain, which is not the public host name. Give the host a table.",
        "`sub` in the token, and `muc_mapper_domain_base`.",
    ),
    DenialCode.TOKEN_ALREADY_USED: DenialText(
        "`single_use` is on, and the token has opened its room before.",
        "Make a new token for each person and visit.",
        "Whether a link preview or a mail scanner has opened the link.",
    ),
    DenialCode.SERVER_MISCONFIGURED: DenialText(
        "The room has a tenant, and `muc_mapper_domain_base` is not configured.",
        "Set `muc_mapper_domain_base` (`XMPP_DOMAIN`).",
    ),
    DenialCode.OVERLOADED: DenialText(
        "Too many tokens wait for the check of their signature.",
        "Limit requests in the proxy (nginx: `limit_req`), add `workers`, and find out which "
        "clients send the tokens.",
    ),
    DenialCode.STORE_UNAVAILABLE: DenialText(
        "The revocations have not been read since the start, or the store cannot say whether a "
        "single-use token was used.",
        "Let the verifier reach the store. No restart is needed.",
        "`/readyz` on the admin address and `revocation store unavailable` in the log name the "
        "error.",
    ),
}
"""The words for each code, in the order in which the codes are checked."""
