"""Every option, declared once.

Each class is a topic of the configuration page: its docstring is the topic's title and
introduction. From these declarations follow the names of TOML keys, environment variables and
``_FILE`` variables (``environment``), what a host's table may have (``hosts``), the fields of
``Settings``, the list of ``check-config``, ``serve --help`` and the manual page, the Compose file's
list and ``docs/configuration.md``.

To add an option, add a field here and use it: from ``Settings``, or as a field of the same name in
``Policy``, ``OperatorPolicy`` or ``KeySourceSettings``. Then run ``make docs-generated``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from verifier.config import value_types as types
from verifier.config.addresses import Address, Network, TcpAddress
from verifier.config.option import REQUIRED, Option, option, options_of

__all__ = ["CONFIG_VARIABLE", "DEFAULT_CONFIG", "OPTIONS", "TOPICS", "Option", "Options"]

CONFIG_VARIABLE: Final = "VERIFIER_CONFIG"
"""The environment variable that names the TOML file, where ``--config`` does not."""

DEFAULT_CONFIG: Final = Path("/etc/jitsi-verifier/verifier.toml")
"""The TOML file that is read where nothing names one, if it exists."""

LogFormat: TypeAlias = Literal["json", "console"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
Mode: TypeAlias = Literal["enforce", "report-only"]
Rules: TypeAlias = Literal["jitsi", "strict"]
SingleUse: TypeAlias = Literal["off", "jti"]

# Groups of options that a host's table replaces as a whole.
_KEYS: Final = "keys"
_ISSUERS: Final = "issuers"
_DOMAINS: Final = "domains"

_policy = partial(option, table="policy", per_host=True)


@dataclass(frozen=True, kw_only=True)
class TokenOptions:
    """Tokens and keys.

    Prosody's own options, under Prosody's names: lines can be copied from a Jitsi configuration.
    """

    app_id: str = option(
        "JWT_APP_ID",
        types.TEXT,
        default_text=REQUIRED,
        per_host=True,
        together=_ISSUERS,
        always_shown=True,
        help="The application id that tokens are issued for.",
        example='"my_app"',
    )
    app_secret: tuple[str, ...] = option(
        "JWT_APP_SECRET",
        types.SECRETS,
        (),
        per_host=True,
        together=_KEYS,
        help="Shared secrets: the first one signs, all of them verify.",
        note="""
        With an RS, PS, ES or EdDSA algorithm, these are public keys in PEM instead, as in Prosody.
        The variable has one secret. For a rotation, put two into the file that
        `JWT_APP_SECRET_FILE` names, one a line, or into an array in the configuration file. A line
        break at the end of the value is not part of a secret; blanks are.
        A secret shorter than 32 bytes is weak: a notice at start, an error with
        `rules = "strict"`. An example that documents publish is an error where other machines can
        reach `listen`, else a notice.
        """,
        example='["the secret that signs", "the previous secret"]',
    )
    asap_key_server: str | None = option(
        "JWT_ASAP_KEYSERVER",
        types.URL_BASE,
        per_host=True,
        together=_KEYS,
        help="The key server; a key is fetched from <URL>/<sha256 of the key id>.pem.",
        example='"https://keys.example.org/asap"',
    )
    cache_keys_url: str | None = option(
        "JWT_CACHE_KEYS_URL",
        types.URL,
        per_host=True,
        together=_KEYS,
        help="The URL of a JWKS, or of a JSON map of key ids to certificates or PEM keys.",
        example='"https://sso.example.org/realms/meet/protocol/openid-connect/certs"',
    )
    public_keys: Mapping[str, str | Path] = option(
        None,
        types.KEY_TABLE,
        MappingProxyType({}),
        per_host=True,
        together=_KEYS,
        help="A table of key ids, each with a PEM text or the path of a PEM, JWK or JWKS file.",
        note="Files are read again when they change.",
        example='{ "2026-01" = "/etc/jitsi-verifier/2026-01.pem" }',
    )
    signature_algorithm: str = option(
        "JWT_SIGN_TYPE",
        types.ALGORITHM_NAMES,
        default_text="RS256 with a key URL or only public keys, else HS256",
        per_host=True,
        together=_KEYS,
        always_shown=True,
        help="The one algorithm that tokens are signed with; strict rules accept several.",
        note='With several (`rules = "strict"` only), `mint` signs with the first one.',
        example='"RS256"',
    )
    asap_accepted_issuers: tuple[str, ...] = option(
        "JWT_ACCEPTED_ISSUERS",
        types.STRINGS,
        default_text="[app_id]",
        per_host=True,
        together=_ISSUERS,
        always_shown=True,
        help="Accepted iss claims; * accepts any.",
        example='["my_app", "portal"]',
    )
    asap_accepted_audiences: tuple[str, ...] = option(
        "JWT_ACCEPTED_AUDIENCES",
        types.STRINGS,
        ("*",),
        '["*"]',
        per_host=True,
        always_shown=True,
        help="Accepted aud claims; * accepts any, also a list.",
        example='["jitsi"]',
    )
    asap_require_room_claim: bool = option(
        "JWT_REQUIRE_ROOM_CLAIM",
        types.BOOLEAN,
        True,
        per_host=True,
        always_shown=True,
        help="Whether a token must have a room claim.",
        example="true",
    )
    allow_empty_token: bool = option(
        "JWT_ALLOW_EMPTY",
        types.BOOLEAN,
        False,
        per_host=True,
        always_shown=True,
        help="Whether guests come in without a token.",
        example="true",
    )


@dataclass(frozen=True, kw_only=True)
class RoomOptions:
    """Rooms and domains.

    Prosody's own options, under Prosody's names.
    """

    enable_domain_verification: bool = option(
        "JWT_ENABLE_DOMAIN_VERIFICATION",
        types.BOOLEAN,
        default_text="true if muc_mapper_domain_base is known, else false",
        per_host=True,
        always_shown=True,
        help="Whether the sub claim is compared with the tenant and the domain.",
        note="""
        `true` without `muc_mapper_domain_base` is an error. In docker-jitsi-meet's environment
        (`ENABLE_AUTH` or `AUTH_TYPE` is set), docker's default holds: `false`.
        """,
        example="true",
    )
    muc_mapper_domain_base: str | None = option(
        "XMPP_DOMAIN",
        types.HOST,
        per_host=True,
        together=_DOMAINS,
        help="The XMPP domain of the deployment.",
        note="In docker-jitsi-meet's environment the default is docker's: `meet.jitsi`.",
        example='"meet.jitsi"',
    )
    muc_mapper_domain_prefix: str = option(
        None,
        types.HOST,
        default_text="conference; with XMPP_MUC_DOMAIN its first label",
        per_host=True,
        together=_DOMAINS,
        help="The first label of the MUC domain.",
        example='"conference"',
    )
    muc_mapper_domain: str | None = option(
        "XMPP_MUC_DOMAIN",
        types.HOST,
        default_text="prefix.base",
        per_host=True,
        together=_DOMAINS,
        always_shown=True,
        help="The MUC domain, where the rooms are.",
        note="""
        The default joins `muc_mapper_domain_prefix` and `muc_mapper_domain_base`. In
        docker-jitsi-meet's environment the prefix is docker's: `muc`.
        """,
        example='"muc.meet.jitsi"',
    )
    token_regex_enabled: bool = option(
        None,
        types.BOOLEAN,
        True,
        per_host=True,
        help="Whether context.room.regex makes the room claim a pattern.",
        example="false",
    )
    token_regex_room_max_length: int = option(
        None,
        types.WHOLE_NUMBER,
        128,
        unit="bytes",
        per_host=True,
        help="The longest room name that is matched against a pattern.",
        example="128",
    )
    token_regex_max_quantifiers: int = option(
        None,
        types.WHOLE_NUMBER,
        3,
        unit="quantifiers",
        per_host=True,
        help="The most quantifiers that a pattern may have.",
        example="3",
    )


@dataclass(frozen=True, kw_only=True)
class RuleOptions:
    """Rules and mode."""

    rules: Rules = option(
        "VERIFIER_RULES",
        types.choice(Rules),
        "jitsi",
        help="jitsi: Jitsi's own rules; strict: also RFC 7519 and RFC 8725 where Jitsi is lenient.",
        note="`strict` needs `muc_mapper_domain_base` and secrets of 32 bytes or more.",
        example='"strict"',
    )
    mode: Mode = option(
        "VERIFIER_MODE",
        types.choice(Mode),
        "enforce",
        always_shown=True,
        help="What a denial does: enforce denies; report-only allows, counts and logs.",
        example='"report-only"',
    )
    leeway: float = option(
        "VERIFIER_LEEWAY",
        types.SECONDS,
        0,
        unit="seconds",
        help="How much clocks may differ for exp and nbf; Jitsi itself has no leeway.",
        example="5",
    )


@dataclass(frozen=True, kw_only=True)
class PolicyOptions:
    """The policy table.

    The table `[policy]`: what the operator requires of tokens that Jitsi would accept. All of it is
    off by default.
    """

    policy_forbid_wildcard_room: bool = _policy(
        "VERIFIER_POLICY_FORBID_WILDCARD_ROOM",
        types.BOOLEAN,
        False,
        help="Whether tokens for every room are denied: room is *, or is missing.",
        note="Patterns such as `.*` are denied by `policy.forbid_room_patterns`, not by this.",
        example="true",
    )
    policy_forbid_wildcard_sub: bool = _policy(
        "VERIFIER_POLICY_FORBID_WILDCARD_SUB",
        types.BOOLEAN,
        False,
        help="Whether tokens for every tenant are denied: sub is *.",
        note="It separates tenants only with `enable_domain_verification`.",
        example="true",
    )
    policy_forbid_room_patterns: bool = _policy(
        "VERIFIER_POLICY_FORBID_ROOM_PATTERNS",
        types.BOOLEAN,
        False,
        help="Whether tokens whose room is a pattern are denied.",
        example="true",
    )
    policy_max_token_lifetime: float | None = _policy(
        "VERIFIER_POLICY_MAX_TOKEN_LIFETIME",
        types.POSITIVE,
        unit="seconds",
        help="The longest lifetime: exp minus iat, or minus the current time without iat.",
        note="""
        The lifetime is never less than the time that is left: an `iat` in the future does not make
        it shorter. A token without `exp` is denied. `leeway` is added.
        """,
        example="14400",
    )
    policy_require_jti: bool = _policy(
        "VERIFIER_POLICY_REQUIRE_JTI",
        types.BOOLEAN,
        False,
        help="Whether a token must have a jti.",
        example="true",
    )
    policy_require_expiry: bool = _policy(
        "VERIFIER_POLICY_REQUIRE_EXPIRY",
        types.BOOLEAN,
        False,
        help="Whether a token must have an exp.",
        example="true",
    )
    policy_require_user_id: bool = _policy(
        "VERIFIER_POLICY_REQUIRE_USER_ID",
        types.BOOLEAN,
        False,
        help="Whether a token must have a context.user.id.",
        example="true",
    )
    policy_moderators_create_rooms: bool = _policy(
        "VERIFIER_POLICY_MODERATORS_CREATE_ROOMS",
        types.BOOLEAN,
        False,
        help="Whether only moderators may open an empty room; needs mod_jitsi_verifier_muc.",
        note="""
        Only Prosody knows whether a room is empty. A proxy therefore lets other members pass; they
        wait for a moderator.
        """,
        example="true",
    )


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """Listeners and processes."""

    listen: tuple[Address, ...] = option(
        "VERIFIER_LISTEN",
        types.ADDRESSES,
        (TcpAddress("127.0.0.1", 8090),),
        always_shown=True,
        help="Where decisions are served: HOST:PORT, [IPV6]:PORT or unix:/path, one or several.",
        note="""
        `[::]` serves IPv4 too, unless another address has the same port and is IPv4. A change takes
        effect at a restart.
        """,
        example='["127.0.0.1:8090", "unix:/run/jitsi-verifier/auth.sock"]',
    )
    admin_listen: Address = option(
        "VERIFIER_ADMIN_LISTEN",
        types.ADDRESS,
        TcpAddress("127.0.0.1", 8091),
        always_shown=True,
        help="Where metrics, health, keys, revocations and explain are served.",
        note="""
        An address that other machines can reach needs an `admin_token`. A change takes effect at a
        restart.
        """,
        example='"127.0.0.1:8091"',
    )
    admin_token: str | None = option(
        "VERIFIER_ADMIN_TOKEN",
        types.BEARER_TOKEN,
        help="The bearer token of the admin address; required if other machines can reach it.",
        note="""
        16 bytes or more; fewer are an error if other machines can reach the address. `/healthz`,
        `/readyz` and `/metrics` do not ask for it.
        """,
        example='"a-long-random-token"',
    )
    workers: int = option(
        "VERIFIER_WORKERS",
        types.WORKERS,
        1,
        unit="processes",
        help="How many processes serve requests, at most one for each core that is free for them.",
        note="A change takes effect at a restart.",
        example="2",
    )
    drain_timeout: float = option(
        "VERIFIER_DRAIN_TIMEOUT",
        types.UP_TO_A_MINUTE,
        10.0,
        unit="seconds",
        help="The longest time that requests in flight may take when the service stops.",
        example="10",
    )


@dataclass(frozen=True, kw_only=True)
class DecisionOptions:
    """Decisions and their cache."""

    token_cookie: str | None = option(
        "VERIFIER_TOKEN_COOKIE",
        types.COOKIE_NAME,
        default_text="off",
        help="The cookie that may hold a token, read if neither query nor header has one.",
        example='"jitsi_token"',
    )
    decision_ttl: int = option(
        "VERIFIER_DECISION_TTL",
        types.UP_TO_A_DAY,
        30,
        unit="seconds",
        help="The longest time that a response may be cached.",
        note="Proxies cache an allow for at most this time, too: it is in `Cache-Control`.",
        example="10",
    )
    decision_cache_size: int = option(
        "VERIFIER_DECISION_CACHE_SIZE",
        types.UP_TO_A_MILLION,
        50_000,
        unit="responses",
        help="How many responses each worker keeps in memory, of about 1 KB each; 0 for none.",
        example="50000",
    )


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """Revocation and single use."""

    revocation_store: str = option(
        "VERIFIER_REVOCATION_STORE",
        types.STORE,
        "memory:",
        help="Where revocations and redemptions are kept: memory:, sqlite:///path or redis://host.",
        note="""
        `memory:` is lost when the service ends, and other replicas do not see it. Redis needs the
        extra `redis`; its URL may hold a password and is shown nowhere. A change takes effect at a
        restart.
        """,
        example='"sqlite:///var/lib/jitsi-verifier/revocations"',
    )
    single_use: SingleUse = option(
        "VERIFIER_SINGLE_USE",
        types.choice(SingleUse),
        "off",
        per_host=True,
        help="Whether a token opens its room once only: jti, identified by its jti and iss.",
        note="`jti` also sets `policy.require_jti` and `policy.require_expiry`.",
        example='"jti"',
    )
    single_use_window: int = option(
        "VERIFIER_SINGLE_USE_WINDOW",
        types.UP_TO_A_DAY,
        60,
        unit="seconds",
        help="How long a single-use token still opens its room after the first entry.",
        example="60",
    )


@dataclass(frozen=True, kw_only=True)
class KeyFetchOptions:
    """Fetching keys."""

    key_fetch_timeout: float = option(
        "VERIFIER_KEY_FETCH_TIMEOUT",
        types.UP_TO_A_MINUTE,
        5.0,
        unit="seconds",
        help="The longest time that a request waits for a key that must be fetched first.",
        example="5",
    )
    key_grace: float = option(
        "VERIFIER_KEY_GRACE",
        types.SECONDS,
        5400.0,
        unit="seconds",
        help="How long a withdrawn key still works: a key that its source no longer has.",
        example="5400",
    )
    key_stale_grace: float = option(
        "VERIFIER_KEY_STALE_GRACE",
        types.SECONDS,
        86400.0,
        unit="seconds",
        help="How long known keys still work while their source fails.",
        example="86400",
    )
    key_cache: str | None = option(
        "VERIFIER_KEY_CACHE",
        types.ABSOLUTE_PATH,
        default_text="off",
        help="The file that keeps fetched public keys for the next start.",
        note="They are used until their source answers, at most `key_stale_grace` after it last"
        " confirmed them: [keys that survive a restart](keys.md#keys-that-survive-a-restart).",
        example='"/var/lib/jitsi-verifier/keys.json"',
    )
    key_lookup_rate: float = option(
        "VERIFIER_KEY_LOOKUP_RATE",
        types.POSITIVE,
        10.0,
        unit="key ids a second",
        help="How many lookups at a key server may find no key; the others are not limited.",
        example="10",
    )


@dataclass(frozen=True, kw_only=True)
class ProxyOptions:
    """Hosts, proxies and pages."""

    strict_hosts: bool = option(
        "VERIFIER_STRICT_HOSTS",
        types.BOOLEAN,
        False,
        help="Whether hosts without a [hosts] table of their own are denied.",
        example="true",
    )
    bypass: tuple[Network, ...] = option(
        "VERIFIER_BYPASS",
        types.NETWORKS,
        (),
        help="Networks of service participants (Jibri, Jigasi) that need no token at a proxy.",
        note="It needs `trusted_proxies`, because only a proxy knows a client's address.",
        example='["10.1.0.0/16"]',
    )
    trusted_proxies: tuple[Network | str, ...] = option(
        "VERIFIER_TRUSTED_PROXIES",
        types.PROXIES,
        (ip_network("127.0.0.0/8"), ip_network("::1"), types.UNIX),
        default_text="127.0.0.0/8, ::1 and unix",
        help="Networks whose X-Real-IP is the client's address; unix means every unix socket.",
        note="For the logs and for `bypass`. A proxy there must replace the `X-Real-IP` of its"
        " clients, as the files in `contrib` do. The default is for the logs only: `bypass` needs"
        " this option itself.",
        example='["127.0.0.1", "unix"]',
    )
    cors_origins: tuple[str, ...] = option(
        "VERIFIER_CORS_ORIGINS",
        types.ORIGINS,
        (),
        per_host=True,
        help="Origins of other sites whose pages may read why a request of theirs was denied.",
        note="Apps have origins too, such as capacitor://localhost. The option opens nothing: "
        "[pages of other origins](http-api.md#pages-of-other-origins).",
        example='["https://portal.example.org", "https://app.example.org:8443"]',
    )
    denied_redirect_url: str | None = option(
        "VERIFIER_DENIED_REDIRECT_URL",
        types.REDIRECT,
        help="Where browsers are sent on a denial; may have {code}, {room} and {url}.",
        note="Placeholders are allowed behind the host only.",
        example='"https://portal.example.org/denied?code={code}&back={url}"',
    )
    handoff: bool = option(
        "VERIFIER_HANDOFF",
        types.BOOLEAN,
        False,
        help="Whether a page's token moves from query to fragment, with a cookie for reloads.",
        example="true",
    )
    handoff_secret: str | None = option(
        "VERIFIER_HANDOFF_SECRET",
        types.BEARER_TOKEN,
        default_text="the first shared secret",
        note="Without it, cookies of all shared secrets are valid, also during a rotation.",
        help="The secret that signs hand-off cookies; required if there is no shared secret.",
        example='"a-long-random-secret-of-32-bytes-or-more"',
    )


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """Logs and traces."""

    log_format: LogFormat = option(
        "VERIFIER_LOG_FORMAT",
        types.choice(LogFormat),
        default_text="console on a terminal, else json",
        help="How log lines are written: json or console.",
        example='"json"',
    )
    log_level: LogLevel = option(
        "VERIFIER_LOG_LEVEL",
        types.choice(LogLevel),
        "info",
        help="The lowest level that is logged: debug, info, warning or error.",
        example='"info"',
    )
    audit_log: str | None = option(
        "VERIFIER_AUDIT_LOG",
        types.AUDIT_LOG,
        default_text="off",
        help="Where each decision is recorded: stdout, syslog or the absolute path of a file.",
        example='"/var/log/jitsi-verifier/audit.log"',
    )
    log_personal_data: bool = option(
        "VERIFIER_LOG_PERSONAL_DATA",
        types.BOOLEAN,
        True,
        help="Whether log and audit log have clients' addresses, user ids and user names.",
        note="[Which personal data are logged](monitoring.md#personal-data).",
        example="false",
    )
    tracing: bool = option(
        "VERIFIER_TRACING",
        types.BOOLEAN,
        False,
        help="Whether OpenTelemetry spans are sent; needs the extra otel.",
        note="OpenTelemetry's own variables say where spans go: `OTEL_EXPORTER_OTLP_ENDPOINT`.",
        example="true",
    )


@dataclass(frozen=True, kw_only=True)
class Options(
    TokenOptions,
    RoomOptions,
    RuleOptions,
    PolicyOptions,
    ServiceOptions,
    DecisionOptions,
    StoreOptions,
    KeyFetchOptions,
    ProxyOptions,
    LogOptions,
):
    """A value for every option."""


TOPICS: Final = Options.__bases__
"""The topics, in the order of the documentation."""

OPTIONS: Final[tuple[Option, ...]] = tuple(
    declared for topic in TOPICS for declared in options_of(topic)
)
"""Every option, in the order of the documentation."""
