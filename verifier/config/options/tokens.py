"""Whose tokens are good, for which rooms: the options that Jitsi has, under Prosody's names."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from verifier.config import kinds
from verifier.config.options.option import Option

TOKENS: Final = (
    Option("app_id", "JWT_APP_ID", kinds.TEXT, None, "required", "The application's id."),
    Option(
        "app_secret",
        "JWT_APP_SECRET",
        kinds.SECRETS,
        (),
        "none",
        "Shared secrets: the first signs, all verify. With an RS algorithm, public keys in PEM.",
    ),
    Option(
        "asap_key_server",
        "JWT_ASAP_KEYSERVER",
        kinds.URL_BASE,
        None,
        "none",
        "Where <sha256 of the key id>.pem is fetched.",
    ),
    Option(
        "cache_keys_url",
        "JWT_CACHE_KEYS_URL",
        kinds.URL,
        None,
        "none",
        "A JWKS, or a JSON map of key ids to certificates or PEM keys.",
    ),
    Option(
        "public_keys",
        None,
        kinds.KEY_TABLE,
        MappingProxyType({}),
        "none",
        "A table of key ids, each with a PEM text or the path of a PEM, JWK or JWKS file.",
    ),
    Option(
        "signature_algorithm",
        "JWT_SIGN_TYPE",
        kinds.PINNED,
        None,
        "RS256 with a key URL or only public keys, else HS256",
        "The one algorithm that tokens are signed with; with strict rules several, mint's first.",
    ),
    Option(
        "asap_accepted_issuers",
        "JWT_ACCEPTED_ISSUERS",
        kinds.STRINGS,
        None,
        "[app_id]",
        "Accepted iss claims; * accepts any.",
    ),
    Option(
        "asap_accepted_audiences",
        "JWT_ACCEPTED_AUDIENCES",
        kinds.STRINGS,
        ("*",),
        '["*"]',
        "Accepted aud claims; * accepts any, a list too.",
    ),
    Option(
        "asap_require_room_claim",
        "JWT_REQUIRE_ROOM_CLAIM",
        kinds.BOOLEAN,
        True,
        "true",
        "Whether a token must have a room claim.",
    ),
    Option(
        "allow_empty_token",
        "JWT_ALLOW_EMPTY",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether guests come in without a token.",
    ),
    Option(
        "enable_domain_verification",
        "JWT_ENABLE_DOMAIN_VERIFICATION",
        kinds.BOOLEAN,
        None,
        "true if muc_mapper_domain_base is known, else false",
        "Whether the sub claim is compared with tenant and domain.",
    ),
    Option(
        "muc_mapper_domain_base",
        "XMPP_DOMAIN",
        kinds.HOST,
        None,
        "none",
        "The deployment's XMPP domain.",
    ),
    Option(
        "muc_mapper_domain_prefix",
        None,
        kinds.HOST,
        None,
        "conference; with XMPP_MUC_DOMAIN its first label",
        "The first label of the MUC domain.",
    ),
    Option(
        "muc_mapper_domain",
        "XMPP_MUC_DOMAIN",
        kinds.HOST,
        None,
        "prefix.base",
        "The MUC domain, where rooms are.",
    ),
    Option(
        "token_regex_enabled",
        None,
        kinds.BOOLEAN,
        True,
        "true",
        "Whether context.room.regex makes the room claim a pattern.",
    ),
    Option(
        "token_regex_room_max_length",
        None,
        kinds.WHOLE_NUMBER,
        128,
        "128",
        "The longest room name, bytes, that is matched against a pattern.",
    ),
    Option(
        "token_regex_max_quantifiers",
        None,
        kinds.WHOLE_NUMBER,
        3,
        "3",
        "The most quantifiers that a pattern may have.",
    ),
)
