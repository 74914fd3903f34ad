"""Which rules judge besides Jitsi's: strict ones, and the house's."""

from __future__ import annotations

from typing import Final

from verifier.config import kinds
from verifier.config.kinds import choice
from verifier.config.options.option import Option

RULES: Final = (
    Option(
        "rules",
        "VERIFIER_RULES",
        choice("jitsi", "strict"),
        "jitsi",
        "jitsi",
        "Whose rules judge: Jitsi's own, or those and the standards' where Jitsi does not look.",
    ),
    Option(
        "mode",
        "VERIFIER_MODE",
        choice("enforce", "report-only"),
        "enforce",
        "enforce",
        "What a denial does: enforce refuses, report-only lets in, counts and logs.",
    ),
    Option(
        "leeway",
        "VERIFIER_LEEWAY",
        kinds.SECONDS,
        0,
        "0",
        "Seconds that clocks may differ by for exp and nbf; Jitsi itself has none.",
    ),
    Option(
        "policy.forbid_wildcard_room",
        "VERIFIER_POLICY_FORBID_WILDCARD_ROOM",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether tokens for every room are refused: room is *, or is not there.",
    ),
    Option(
        "policy.forbid_wildcard_sub",
        "VERIFIER_POLICY_FORBID_WILDCARD_SUB",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether tokens for every tenant are refused: sub is *.",
    ),
    Option(
        "policy.forbid_room_patterns",
        "VERIFIER_POLICY_FORBID_ROOM_PATTERNS",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether tokens whose room is a pattern are refused.",
    ),
    Option(
        "policy.max_token_lifetime",
        "VERIFIER_POLICY_MAX_TOKEN_LIFETIME",
        kinds.POSITIVE,
        None,
        "none",
        "The longest lifetime, seconds: exp less iat, or less now where there is no iat.",
    ),
    Option(
        "policy.require_jti",
        "VERIFIER_POLICY_REQUIRE_JTI",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether a token must have a jti.",
    ),
    Option(
        "policy.require_expiry",
        "VERIFIER_POLICY_REQUIRE_EXPIRY",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether a token must have an exp.",
    ),
    Option(
        "policy.require_user_id",
        "VERIFIER_POLICY_REQUIRE_USER_ID",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether a token must have a context.user.id.",
    ),
    Option(
        "policy.moderators_create_rooms",
        "VERIFIER_POLICY_MODERATORS_CREATE_ROOMS",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether only moderators open a room that nobody is in; mod_jitsi_verifier_muc asks.",
    ),
)
