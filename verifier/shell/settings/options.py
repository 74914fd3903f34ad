"""Every option there is: its names, its default and what it is for.

One table for the reader, for ``--help`` and for the documentation; it decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from verifier.shell.addresses import TcpAddress
from verifier.shell.settings import kinds
from verifier.shell.settings.kinds import Kind, choice

CONFIG_VARIABLE: Final = "VERIFIER_CONFIG"
"""The environment variable that names the TOML file, where ``--config`` does not."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: Its TOML key, dotted in a table; Prosody's name where Prosody has it.
        env: Its environment variable; None where there is none.
        kind: How it is written.
        default: Its value where nobody gives one; None where it is off or follows from others.
        default_text: The default in words, for documentation.
        help: What it is for, in one line.
    """

    name: str
    env: str | None
    kind: Kind
    default: Any
    default_text: str
    help: str

    @property
    def file_name(self) -> str | None:
        """The TOML key that names a file with this secret; None if it is no secret."""
        return f"{self.name}_file" if self.kind.secret else None

    @property
    def file_env(self) -> str | None:
        """The environment variable that names a file with this secret; None if it is none."""
        return f"{self.env}_FILE" if self.kind.secret else None


OPTIONS: Final = (
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
    Option(
        "listen",
        "VERIFIER_LISTEN",
        kinds.ADDRESSES,
        (TcpAddress("127.0.0.1", 8090),),
        "127.0.0.1:8090",
        "Where proxies ask: HOST:PORT, [IPV6]:PORT or unix:/path, one or several.",
    ),
    Option(
        "admin_listen",
        "VERIFIER_ADMIN_LISTEN",
        kinds.ADDRESS,
        TcpAddress("127.0.0.1", 8091),
        "127.0.0.1:8091",
        "Where metrics, health, keys and explain are served.",
    ),
    Option(
        "admin_token",
        "VERIFIER_ADMIN_TOKEN",
        kinds.BEARER_TOKEN,
        None,
        "none",
        "Guards the admin address; required where others than this machine reach it.",
    ),
    Option(
        "workers",
        "VERIFIER_WORKERS",
        kinds.WORKERS,
        1,
        "1",
        "How many processes answer, 1 to 64; at most one for each core that is free for them.",
    ),
    Option(
        "token_cookie",
        "VERIFIER_TOKEN_COOKIE",
        kinds.COOKIE_NAME,
        None,
        "off",
        "The cookie to take a token from where neither query nor header has one.",
    ),
    Option(
        "decision_ttl",
        "VERIFIER_DECISION_TTL",
        kinds.UP_TO_A_DAY,
        30,
        "30",
        "The longest time, seconds, that an allow may be cached.",
    ),
    Option(
        "decision_cache_size",
        "VERIFIER_DECISION_CACHE_SIZE",
        kinds.UP_TO_A_MILLION,
        50_000,
        "50000",
        "How many answers are kept in memory, of 1 KB each in the mean; 0 for none.",
    ),
    Option(
        "revocation_store",
        "VERIFIER_REVOCATION_STORE",
        kinds.STORE,
        "memory:",
        "memory:",
        "Where revocations and uses are kept: memory: until the end, sqlite:///path, redis://host.",
    ),
    Option(
        "single_use",
        "VERIFIER_SINGLE_USE",
        choice("off", "jti"),
        "off",
        "off",
        "Whether a token opens its room once only: jti, by its jti and iss claims.",
    ),
    Option(
        "single_use_window",
        "VERIFIER_SINGLE_USE_WINDOW",
        kinds.UP_TO_A_DAY,
        60,
        "60",
        "For how long, seconds, a one-use token goes on opening its room after its first entry.",
    ),
    Option(
        "log_format",
        "VERIFIER_LOG_FORMAT",
        choice("json", "console"),
        None,
        "console on a terminal, else json",
        "How log lines are written: json or console.",
    ),
    Option(
        "log_level",
        "VERIFIER_LOG_LEVEL",
        choice("debug", "info", "warning", "error"),
        "info",
        "info",
        "The least level that is logged: debug, info, warning or error.",
    ),
    Option(
        "audit_log",
        "VERIFIER_AUDIT_LOG",
        kinds.AUDIT_LOG,
        None,
        "off",
        "Where each decision is recorded: stdout, syslog or the absolute path of a file.",
    ),
    Option(
        "tracing",
        "VERIFIER_TRACING",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether OpenTelemetry spans are sent; needs jitsi-verifier[otel].",
    ),
    Option(
        "key_fetch_timeout",
        "VERIFIER_KEY_FETCH_TIMEOUT",
        kinds.UP_TO_A_MINUTE,
        5.0,
        "5",
        "The longest wait, seconds, for a key that must be fetched first.",
    ),
    Option(
        "key_grace",
        "VERIFIER_KEY_GRACE",
        kinds.SECONDS,
        5400.0,
        "5400",
        "How long, seconds, a key works after it has gone from its document.",
    ),
    Option(
        "key_stale_grace",
        "VERIFIER_KEY_STALE_GRACE",
        kinds.SECONDS,
        86400.0,
        "86400",
        "How long, seconds, known keys work while their source fails.",
    ),
    Option(
        "key_lookup_rate",
        "VERIFIER_KEY_LOOKUP_RATE",
        kinds.POSITIVE,
        10.0,
        "10",
        "How many unknown key ids a second may be looked up.",
    ),
    Option(
        "rules",
        "VERIFIER_RULES",
        kinds.choice("jitsi", "strict"),
        "jitsi",
        "jitsi",
        "Whose rules judge: Jitsi's own, or those and the standards' where Jitsi does not look.",
    ),
    Option(
        "mode",
        "VERIFIER_MODE",
        kinds.choice("enforce", "report-only"),
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
    Option(
        "strict_hosts",
        "VERIFIER_STRICT_HOSTS",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether hosts without a [hosts] table of their own are refused.",
    ),
    Option(
        "bypass",
        "VERIFIER_BYPASS",
        kinds.NETWORKS,
        (),
        "none",
        "Networks of service participants (Jibri, Jigasi) that proxies let in without a token.",
    ),
    Option(
        "trusted_proxies",
        "VERIFIER_TRUSTED_PROXIES",
        kinds.PROXIES,
        (),
        "none",
        "Networks whose X-Real-IP is believed, for bypass; unix stands for unix sockets.",
    ),
    Option(
        "denied_redirect_url",
        "VERIFIER_DENIED_REDIRECT_URL",
        kinds.REDIRECT,
        None,
        "none",
        "Where refused readers are sent: https, behind the host also {code}, {room} and {url}.",
    ),
    Option(
        "handoff",
        "VERIFIER_HANDOFF",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether tokens leave the URLs of pages: into the fragment, with a cookie for reloads.",
    ),
    Option(
        "handoff_secret",
        "VERIFIER_HANDOFF_SECRET",
        kinds.BEARER_TOKEN,
        None,
        "the first shared secret",
        "What the hand-off's cookies are signed with; required where there is no shared secret.",
    ),
)
"""All options, in the order in which they are documented."""
