"""What has been taken back before its time: tokens, users, issuers, keys, rooms and tenants.

Values only: knows neither stores nor clocks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

CRITERIA: Final = (
    "jti",
    "token_digest",
    "user_id",
    "iss",
    "issued_before",
    "kid",
    "room",
    "tenant",
)
"""What tokens can be told by; ``issued_before`` only beside ``iss``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Tokens that are refused though they are good: those that meet every criterion given.

    Attributes:
        jti: The token's ``jti``.
        token_digest: SHA-256 of the compact token, lower-case hex.
        user_id: The token's ``context.user.id``.
        iss: The token's issuer; only together with ``issued_before``.
        issued_before: Tokens of ``iss`` with an ``iat`` before this, Unix seconds, or with none.
        kid: The id of the key that signed the token.
        room: The room, in the form that the web client sends.
        tenant: The tenant, in that form.
        reason: Why, for people.
        expires: When the revocation ends, Unix seconds.
    """

    jti: str | None = None
    token_digest: str | None = None
    user_id: str | None = None
    iss: str | None = None
    issued_before: float | None = None
    kid: str | None = None
    room: str | None = None
    tenant: str | None = None
    reason: str = ""
    expires: float

    @property
    def criteria(self) -> dict[str, Any]:
        """Give the criteria, without those that are not set."""
        return {name: value for name in CRITERIA if (value := getattr(self, name)) is not None}

    @property
    def name(self) -> str:
        """Name the revocation by what it takes back: a second one for the same replaces it."""
        return sha256(json.dumps(self.criteria).encode()).hexdigest()

    def to_json(self) -> str:
        """Write it as one JSON object, absent criteria left out."""
        return json.dumps(self.criteria | {"reason": self.reason, "expires": self.expires})


def digest_of(token: str) -> str:
    """Give the digest that names a token: SHA-256 of its compact form, hex."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
