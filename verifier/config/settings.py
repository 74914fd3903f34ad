"""The configuration as one frozen value, every default applied, and its piece for each part.

Knows neither file nor environment (``load`` does), and checks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, TypeAlias

from verifier.config.addresses import Address
from verifier.keys.pem import looks_like_pem
from verifier.keys.sources.settings import KeyLocations, KeySourceSettings
from verifier.rules.policy import OperatorPolicy, Policy

Network: TypeAlias = IPv4Network | IPv6Network


def is_shared(algorithm: str) -> bool:
    """Tell whether signer and verifier share this algorithm's key."""
    return algorithm.startswith("HS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every option under its name in the file, as ``load.load`` has settled it.

    Attributes:
        app_secret: Shared secrets, the first for signing; or public keys in PEM.
        public_keys: By key id: PEM or JWK text, or the path of a file.
        listen: Where decisions are served.
        admin_listen: Where metrics, health, keys and explain are served.
        admin_token: What the admin address asks for; None asks for nothing.
        workers: How many processes answer.
        drain_timeout: The longest time, seconds, for what is in flight at the end.
        token_cookie: The cookie that may hold a token; None for none.
        decision_ttl: Upper bound, seconds, for any cached allow.
        decision_cache_size: The most answers that are kept.
        revocation_store: Where revocations are kept, as a URL.
        single_use: By what tokens are known that open a room once.
        single_use_window: For how long, seconds, such a token goes on opening it.
        audit_log: Where each decision is recorded; None for nowhere.
        tracing: Whether spans are sent.
        key_fetch_timeout: The longest wait, seconds, for a fetched key.
        key_grace: How long, seconds, a key outlives its place in its document.
        key_stale_grace: How long, seconds, known keys work while their source fails.
        key_lookup_rate: Unknown key ids that may be looked up in a second.
        rules: Which rules judge.
        mode: Whether denials are enforced.
        strict_hosts: Whether hosts without a table of their own are refused.
        bypass: Networks that need no token at the gate.
        trusted_proxies: Peers whose ``X-Real-IP`` is believed; ``unix`` for unix sockets.
        denied_redirect_url: Template of the address that refused readers are sent to.
        handoff: Whether tokens leave the URLs of pages.
        handoff_secret: What the hand-off's cookies are signed with, if not a shared secret.
        hosts: By virtual host, lower case: the whole configuration as it is for that host.
        notices: What an operator should know, for the log at start; never a secret.
        watched_files: Secret and key files; a change in one asks for a reload.

    The others are what ``Policy`` says they are.
    """

    app_id: str
    app_secret: tuple[str, ...] = field(repr=False)
    asap_key_server: str | None
    cache_keys_url: str | None
    public_keys: Mapping[str, str | Path]
    signature_algorithm: str
    other_algorithms: tuple[str, ...]
    asap_accepted_issuers: tuple[str, ...]
    asap_accepted_audiences: tuple[str, ...]
    asap_require_room_claim: bool
    allow_empty_token: bool
    enable_domain_verification: bool
    muc_mapper_domain_base: str | None
    muc_mapper_domain_prefix: str
    muc_mapper_domain: str | None
    token_regex_enabled: bool
    token_regex_room_max_length: int
    token_regex_max_quantifiers: int
    listen: tuple[Address, ...]
    admin_listen: Address
    admin_token: str | None = field(repr=False)
    workers: int
    drain_timeout: float
    token_cookie: str | None
    decision_ttl: int
    decision_cache_size: int
    revocation_store: str = field(repr=False)
    single_use: Literal["off", "jti"]
    single_use_window: int
    log_format: Literal["json", "console"]
    log_level: Literal["debug", "info", "warning", "error"]
    audit_log: str | None
    tracing: bool
    key_fetch_timeout: float
    key_grace: float
    key_stale_grace: float
    key_lookup_rate: float
    rules: Literal["jitsi", "strict"]
    mode: Literal["enforce", "report-only"]
    leeway: float
    operator_policy: OperatorPolicy | None
    strict_hosts: bool
    bypass: tuple[Network, ...]
    trusted_proxies: tuple[Network | str, ...]
    denied_redirect_url: str | None
    handoff: bool
    handoff_secret: str | None = field(repr=False)
    hosts: Mapping[str, Settings] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    watched_files: tuple[Path, ...] = ()

    @property
    def key_server(self) -> bool:
        """Whether keys are looked up by key id at a URL."""
        return self.asap_key_server is not None or self.cache_keys_url is not None

    @property
    def strict(self) -> bool:
        """Whether the standards are held to where Jitsi does not."""
        return self.rules == "strict"

    def value(self, name: str) -> Any:
        """Give the value of the option of this name in the file."""
        table, _, key = name.rpartition(".")
        if name == "signature_algorithm":
            return (self.signature_algorithm, *self.other_algorithms)
        return getattr((self.operator_policy or OperatorPolicy()) if table else self, key)

    def policy(self) -> Policy:
        """Give what is accepted."""
        return Policy(**{option.name: getattr(self, option.name) for option in fields(Policy)})

    def cookie_secret(self) -> str | None:
        """Return the secret that signs hand-off cookies; None if ``handoff`` is off."""
        shared = [secret for secret in self.app_secret if not looks_like_pem(secret)]
        secrets = [self.handoff_secret] if self.handoff_secret else shared
        return secrets[0] if self.handoff else None

    def key_source_settings(self) -> KeySourceSettings:
        """Give what concerns the key sources; what is no option keeps their defaults."""
        return KeySourceSettings(
            key_fetch_timeout=self.key_fetch_timeout,
            key_grace=self.key_grace,
            key_stale_grace=self.key_stale_grace,
            key_lookup_rate=self.key_lookup_rate,
        )

    @property
    def longest_leeway(self) -> float:
        """For how long, seconds, any host accepts a token behind its end."""
        return max(each.leeway for each in (self, *self.hosts.values()))

    def key_locations(self) -> KeyLocations:
        """Say where keys are."""
        return KeyLocations(
            secrets=self.app_secret,
            public_keys=self.public_keys,
            document_url=self.cache_keys_url,
            asap_url=self.asap_key_server,
        )
