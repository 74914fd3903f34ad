"""The values that go into a decision and come out of it, and the names of the engine's steps.

No code changes a value after it was made. The classes that each request needs are not frozen all
the same, here and in ``tokens`` and ``rooms``: a frozen dataclass takes four times as long to make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from verifier.tokens.claims import Claims
    from verifier.tokens.jws import Token
    from verifier.tokens.marks import TokenMarks

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
    """Why access is denied: stable codes for configuration, dashboards and support."""

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


UNAVAILABLE_CODES: Final = frozenset(
    {DenialCode.KEYS_UNAVAILABLE, DenialCode.OVERLOADED, DenialCode.STORE_UNAVAILABLE}
)
"""The denials that are not about the token or the room: a retry of the same request may succeed."""

CODES_AFTER_SIGNATURE: Final = frozenset(
    {
        DenialCode.EXPIRY_MALFORMED,
        DenialCode.NOT_BEFORE_MALFORMED,
        DenialCode.TOKEN_EXPIRED,
        DenialCode.TOKEN_NOT_YET_VALID,
        DenialCode.ISSUER_MISSING,
        DenialCode.ISSUER_NOT_ACCEPTED,
        DenialCode.AUDIENCE_MISSING,
        DenialCode.AUDIENCE_NOT_ACCEPTED,
        DenialCode.ROOM_CLAIM_MISSING,
        DenialCode.SUBJECT_MISSING,
        DenialCode.CLAIM_MALFORMED,
        DenialCode.POLICY_WILDCARD_ROOM,
        DenialCode.POLICY_WILDCARD_SUB,
        DenialCode.POLICY_ROOM_PATTERN,
        DenialCode.POLICY_TOKEN_LIFETIME,
        DenialCode.POLICY_JTI_MISSING,
        DenialCode.POLICY_EXPIRY_MISSING,
        DenialCode.POLICY_USER_ID_MISSING,
        DenialCode.POLICY_MODERATOR_REQUIRED,
        DenialCode.REVOKED,
        DenialCode.ROOM_ADDRESS_INVALID,
        DenialCode.AUTHENTICATION_REQUIRED,
        DenialCode.ROOM_PATTERN_INVALID,
        DenialCode.ROOM_MISMATCH,
        DenialCode.TENANT_MISMATCH,
        DenialCode.DOMAIN_MISMATCH,
        DenialCode.TOKEN_ALREADY_USED,
        DenialCode.SERVER_MISCONFIGURED,
        DenialCode.STORE_UNAVAILABLE,
    }
)
"""The denials that follow a valid signature. After them, the log may name the token's user."""


@dataclass(slots=True, unsafe_hash=True)
class AccessRequest:
    """A request to enter a room with a token.

    Attributes:
        token: The compact token as it was presented; None without a token.
        room_jid: The room's address, ``room@muc`` or ``[tenant]room@muc``; None to check the token
            alone. An address that names no room (such as ``""``) is denied as that.
        query_prefix: The tenant that the client connected by (Jitsi's ``prefix`` parameter),
            lower case; None or empty without a tenant.
        room_requires_authentication: Whether the room's ``allowUnauthenticatedAccess`` is false.
        room_exists: False if the caller knows that there is no such room; a proxy cannot know.
        context_required: Whether the session requires a ``context`` claim.
        creates_room: Whether the caller knows that the room has no participant yet; a proxy cannot
            know.
        admitted_before: Whether the caller admitted this session with this token before, and may
            do so again after the token's end. A revocation is then reported in preference to the
            end.
        authenticated_elsewhere: Whether the caller knows that another host of the server has
            authenticated the client. Without domain verification, Jitsi wants no token of it.
        read: The token as ``rules.token`` has read it, so that no part of a decision reads it
            again; None before, or where it would take much memory for a long time.
    """

    token: str | None = field(repr=False)
    room_jid: str | None = None
    query_prefix: str | None = None
    room_requires_authentication: bool = False
    room_exists: bool = True
    context_required: bool = False
    creates_room: bool = False
    admitted_before: bool = False
    authenticated_elsewhere: bool = False
    read: Token | None = field(default=None, init=False, repr=False, compare=False)


@dataclass(slots=True)
class Allow:
    """Access is granted.

    Attributes:
        claims: The token's claims; None for a guest.
        affiliation: The MUC affiliation that the token gives; None for a guest.
        tenant_mismatch: Whether the token's context tenant is not the URL's tenant.
    """

    claims: Claims | None = None
    affiliation: Affiliation | None = None
    tenant_mismatch: bool = False

    @property
    def expires_at(self) -> float | None:
        """The token's end, Unix seconds; None for a guest, or a token without an end."""
        return self.claims.expires_at if self.claims is not None else None

    @property
    def session(self) -> dict[str, Any]:
        """What Jitsi binds to the XMPP session, under Jitsi's names; absent claims are absent."""
        return self.claims.session if self.claims is not None else {}


@dataclass(slots=True, unsafe_hash=True)
class Deny:
    """Access is denied.

    Attributes:
        code: The stable code.
        detail: What was expected and what was found, for people; never a part of the token.
        error: The XMPP condition in the answer of Jitsi's plugins; None if they name none.
        reason: The text in their answer.
        key_id: The token's ``kid``, if the step has read it.
        until: When time alone ends this denial, Unix seconds; None if time does not end it.
        cause: Which of the code's causes it is, where the code has several; for suggestions.
        figures: What Jitsi writes in parentheses behind the reason.
    """

    code: DenialCode
    detail: str = ""
    error: str | None = "not-allowed"
    reason: str | None = None
    key_id: str | None = None
    until: float | None = None
    cause: str = ""
    figures: str = ""

    @property
    def answer(self) -> tuple[str, str]:
        """The error and reason that Jitsi would send to its client."""
        if self.error is None:
            # mod_token_verification answers this to the bare false of verify_room.
            return "not-allowed", "Room and token mismatched"
        reason = self.reason or self.detail
        return self.error, f"{reason} ({self.figures})" if self.figures else reason


Decision: TypeAlias = Allow | Deny

RevocationCheck: TypeAlias = (
    "Callable[[AccessRequest, Token | TokenMarks | None, float, Recorder], Deny | None]"
)
"""Denies a request whose token, user or room is revoked: takes the request, its token (the marks of
one that was accepted earlier; None for a guest), the time (Unix seconds) and the recorder of the
step."""
