"""What a host accepts, in Prosody's option names; knows no file, no environment and no key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class OperatorPolicy:
    """The ``[policy]`` table, under its own names.

    Attributes:
        forbid_wildcard_room: Deny tokens for every room: ``room`` is ``*``, or is absent.
        forbid_wildcard_sub: Deny tokens for every tenant: ``sub`` is ``*``.
        forbid_room_patterns: Deny tokens whose ``room`` is a pattern.
        max_token_lifetime: Longest lifetime, seconds; None for any, also an endless one.
        require_jti: Deny tokens without ``jti``.
        require_expiry: Deny tokens without ``exp``.
        require_user_id: Deny tokens without ``context.user.id``.
        moderators_create_rooms: Deny creating a room, unless a moderator creates it.
    """

    forbid_wildcard_room: bool = False
    forbid_wildcard_sub: bool = False
    forbid_room_patterns: bool = False
    max_token_lifetime: float | None = None
    require_jti: bool = False
    require_expiry: bool = False
    require_user_id: bool = False
    moderators_create_rooms: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """Jitsi's token options for one host (``mod_auth_token``, ``token/util.lib.lua``).

    Attributes:
        signature_algorithm: The algorithm that signatures must use.
        key_server: True when keys are looked up by key id at a URL, which makes ``kid`` mandatory.
        asap_accepted_issuers: Accepted ``iss`` values; ``*`` accepts any.
        asap_accepted_audiences: Accepted ``aud`` values; ``*`` accepts any, also a list.
        asap_require_room_claim: Whether a token without ``room`` is denied.
        allow_empty_token: Whether guests without a token are allowed.
        enable_domain_verification: Whether ``sub``, tenant and host are compared.
        muc_mapper_domain_base: The deployment's XMPP domain; needed for tenants.
        muc_mapper_domain_prefix: First label of the MUC host.
        muc_mapper_domain: The MUC host.
        token_regex_enabled: Whether ``context.room.regex`` is honoured.
        token_regex_room_max_length: Longest room name, bytes, that is matched against a pattern.
        token_regex_max_quantifiers: Most quantifiers that a pattern may have.
        leeway: Seconds by which clocks may differ; Jitsi has none.
        strict: Whether the standards count where Jitsi ignores them (``rules.strict``).
        other_algorithms: Algorithms accepted besides ``signature_algorithm``; only if strict.
        operator_policy: The ``[policy]`` table; None without one.
        single_use: Whether each token opens its room once; ``jti`` identifies a token.
    """

    signature_algorithm: str = "HS256"
    key_server: bool = False
    asap_accepted_issuers: tuple[str, ...] = ()
    asap_accepted_audiences: tuple[str, ...] = ("*",)
    asap_require_room_claim: bool = True
    allow_empty_token: bool = False
    enable_domain_verification: bool = True
    muc_mapper_domain_base: str | None = None
    muc_mapper_domain_prefix: str = "conference"
    muc_mapper_domain: str | None = None
    token_regex_enabled: bool = True
    token_regex_room_max_length: int = 128
    token_regex_max_quantifiers: int = 3
    leeway: float = 0
    strict: bool = False
    other_algorithms: tuple[str, ...] = ()
    operator_policy: OperatorPolicy | None = None
    single_use: Literal["off", "jti"] = "off"

    def __post_init__(self) -> None:
        """Refuse a string in the place of a list: ``in`` would accept any part of it.

        Raises:
            TypeError: The accepted issuers or audiences are one string.
        """
        for accepted in (self.asap_accepted_issuers, self.asap_accepted_audiences):
            given: object = accepted
            if isinstance(given, str):
                raise TypeError("expected a tuple of accepted values, found a string")

    @property
    def accepted_algorithms(self) -> str:
        """All accepted algorithms, for messages."""
        return " or ".join((self.signature_algorithm, *self.other_algorithms))
