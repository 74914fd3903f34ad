"""The values that go into a decision and come out of it, and the names of the engine's steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from verifier.tokens.claims import Claims
    from verifier.tokens.jws import Token

Affiliation = Literal["owner", "member"]

# String literals and not an Enum: Python 3.11 reads an Enum's member through a Python function,
# which would add some 3 % to each decision. mypy checks the names all the same.
StepName: TypeAlias = Literal[
    "token",
    "header",
    "key id",
    "algorithm family",
    "key",
    "form",
    "type",
    "algorithm",
    "signature",
    "expiry",
    "not before",
    "issuer",
    "audience",
    "room claim",
    "subject",
    "context",
    "policy: room",
    "policy: sub",
    "policy: pattern",
    "policy: lifetime",
    "policy: jti",
    "policy: expiry",
    "policy: user id",
    "policy: new room",
    "revocation",
    "room address",
    "authentication",
    "room",
    "tenant",
    "domain",
    "claim types",
]
"""The engine's steps by name, in order: the first name is step 1 of ``rules.engine``."""

STEPS: Final[tuple[StepName, ...]] = get_args(StepName)

Recorder: TypeAlias = Callable[[StepName, Any, Any], None]
"""Is called at each step before the step decides: its name, what is expected, what was found."""

REQUIRED: Final = {True: "present", False: "anything"}
"""What a step expects of a claim or token, for a recorder: by whether it is required."""


def no_record(_step: StepName, _expected: Any, _found: Any) -> None:
    """Record nothing."""


class DenialCode(StrEnum):
    """Why access was denied: stable words for configuration, dashboards and support."""

    AMBIGUOUS_REQUEST = "ambiguous-request"
    TOKEN_MISSING = "token-missing"  # noqa: S105  # a code, not a password
    TOKEN_MALFORMED = "token-malformed"  # noqa: S105  # as above
    KEY_ID_MISSING = "key-id-missing"
    ALGORITHM_MISSING = "algorithm-missing"
    ALGORITHM_NOT_ALLOWED = "algorithm-not-allowed"
    KEY_UNKNOWN = "key-unknown"
    KEYS_UNAVAILABLE = "keys-unavailable"
    TYPE_NOT_JWT = "type-not-jwt"
    SIGNATURE_INVALID = "signature-invalid"
    EXPIRY_MALFORMED = "expiry-malformed"
    NOT_BEFORE_MALFORMED = "not-before-malformed"
    TOKEN_EXPIRED = "token-expired"  # noqa: S105  # as above
    TOKEN_NOT_YET_VALID = "token-not-yet-valid"  # noqa: S105  # as above
    ISSUER_MISSING = "issuer-missing"
    ISSUER_NOT_ACCEPTED = "issuer-not-accepted"
    AUDIENCE_MISSING = "audience-missing"
    AUDIENCE_NOT_ACCEPTED = "audience-not-accepted"
    ROOM_CLAIM_MISSING = "room-claim-missing"
    SUBJECT_MISSING = "subject-missing"
    CLAIM_MALFORMED = "claim-malformed"
    POLICY_WILDCARD_ROOM = "policy-wildcard-room"
    POLICY_WILDCARD_SUB = "policy-wildcard-sub"
    POLICY_ROOM_PATTERN = "policy-room-pattern"
    POLICY_TOKEN_LIFETIME = "policy-token-lifetime"  # noqa: S105  # as above
    POLICY_JTI_MISSING = "policy-jti-missing"
    POLICY_EXPIRY_MISSING = "policy-expiry-missing"
    POLICY_USER_ID_MISSING = "policy-user-id-missing"
    POLICY_MODERATOR_REQUIRED = "policy-moderator-required"
    REVOKED = "revoked"
    ROOM_ADDRESS_INVALID = "room-address-invalid"
    AUTHENTICATION_REQUIRED = "authentication-required"
    ROOM_PATTERN_INVALID = "room-pattern-invalid"
    ROOM_MISMATCH = "room-mismatch"
    TENANT_MISMATCH = "tenant-mismatch"
    DOMAIN_MISMATCH = "domain-mismatch"
    TOKEN_ALREADY_USED = "token-already-used"  # noqa: S105  # as above
    SERVER_MISCONFIGURED = "server-misconfigured"
    OVERLOADED = "overloaded"
    STORE_UNAVAILABLE = "store-unavailable"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One question: may the bearer of this token enter this room?

    Attributes:
        token: The compact token as it was presented; None when none was.
        room_jid: The room's address, ``room@muc`` or ``[tenant]room@muc``; None to judge the
            token alone; an address that names no room (such as ``""``) is judged as that.
        query_prefix: The tenant that the client connected by (Jitsi's ``prefix`` parameter),
            lower case; None or empty for none.
        room_requires_authentication: The room's ``allowUnauthenticatedAccess`` is false.
        room_exists: False where the asker knows that there is no such room; a proxy cannot know.
        context_required: The session demands a ``context`` claim.
        creates_room: The asker knows that nobody is in this room yet; a proxy cannot know.
        admitted_before: The asker has let this session in by this token already, and may do so
            again after its end: what was taken back meanwhile is said first.
    """

    token: str | None = field(repr=False)
    room_jid: str | None = None
    query_prefix: str | None = None
    room_requires_authentication: bool = False
    room_exists: bool = True
    context_required: bool = False
    creates_room: bool = False
    admitted_before: bool = False


@dataclass(frozen=True, slots=True)
class Allow:
    """Access is granted.

    Attributes:
        claims: What the token says; None for a guest without one.
        affiliation: The MUC affiliation that the token earns; None for a guest.
        tenant_mismatch: The token's context tenant is not the one of the URL.
    """

    claims: Claims | None = None
    affiliation: Affiliation | None = None
    tenant_mismatch: bool = False

    @property
    def expires_at(self) -> float | None:
        """When the token ends, Unix seconds; None when it does not, or there is none."""
        return self.claims.expires_at if self.claims is not None else None

    @property
    def session(self) -> dict[str, Any]:
        """What Jitsi binds to the XMPP session, under Jitsi's names; absent claims are absent."""
        return self.claims.session if self.claims is not None else {}


@dataclass(frozen=True, slots=True)
class Deny:
    """Access is refused.

    Attributes:
        code: The stable word.
        detail: What was expected and what was found, for people; never a part of the token.
        error: The XMPP condition that Jitsi's plugins answer with; None where they name none.
        reason: The text that they answer with.
        key_id: The token's ``kid``, once it has been read.
        until: When time alone will turn this denial, Unix seconds; None where it will not.
    """

    code: DenialCode
    detail: str = ""
    error: str | None = "not-allowed"
    reason: str | None = None
    key_id: str | None = None
    until: float | None = None

    @property
    def answer(self) -> tuple[str, str]:
        """The error and reason that a client of Jitsi's would be given."""
        if self.error is None:
            # What mod_token_verification says to the bare false of the last comparison.
            return "not-allowed", "Room and token mismatched"
        return self.error, self.reason or self.detail


Decision: TypeAlias = Allow | Deny

RevocationCheck: TypeAlias = "Callable[[AccessRequest, Token | None, float, Recorder], Deny | None]"
"""Denies a request whose token, user or room is revoked: takes the request, its token (None for a
guest), the time (Unix seconds) and the recorder of the step."""
