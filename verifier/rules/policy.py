"""What is accepted, in Prosody's option names; knows no file, no environment and no key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class OperatorPolicy:
    """The ``[policy]`` table, under its own names.

    Attributes:
        forbid_wildcard_room: Refuse tokens for every room: ``room`` is ``*``, or is not there.
        forbid_wildcard_sub: Refuse tokens for every tenant: ``sub`` is ``*``.
        forbid_room_patterns: Refuse tokens whose ``room`` is a pattern.
        max_token_lifetime: Longest lifetime, seconds; None for any, also an endless one.
        require_jti: Refuse tokens without ``jti``.
        require_expiry: Refuse tokens without ``exp``.
        require_user_id: Refuse tokens without ``context.user.id``.
        moderators_create_rooms: Let nobody but moderators open a room that nobody is in.
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
        asap_require_room_claim: Whether a token without ``room`` is refused.
        allow_empty_token: Whether guests without a token are let in.
        enable_domain_verification: Whether ``sub``, tenant and host are compared.
        muc_mapper_domain_base: The deployment's XMPP domain; needed for tenants.
        muc_mapper_domain_prefix: First label of the MUC host.
        muc_mapper_domain: The MUC host.
        token_regex_enabled: Whether ``context.room.regex`` is honoured.
        token_regex_room_max_length: Longest room name, bytes, that is matched against a pattern.
        token_regex_max_quantifiers: Most quantifiers that a pattern may have.
        leeway: Seconds that clocks may differ by; Jitsi has none.
        strict: Whether the standards are held to where Jitsi does not (``strict_rules``).
        other_algorithms: Algorithms accepted beside ``signature_algorithm``; only where strict.
        operator_policy: What this house asks besides; None for nothing.
        single_use: By what a token is known that opens its room once: its ``jti``.
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
        """Refuse a string where a list belongs: any part of it would be accepted.

        Raises:
            TypeError: the accepted issuers or audiences are one string.
        """
        for accepted in (self.asap_accepted_issuers, self.asap_accepted_audiences):
            given: object = accepted
            if isinstance(given, str):
                raise TypeError("expected a tuple of accepted values, found a string")

    @property
    def accepted_algorithms(self) -> str:
        """Every accepted algorithm, in words."""
        return " or ".join((self.signature_algorithm, *self.other_algorithms))
