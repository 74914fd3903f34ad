"""A revocation: what it matches, how long it lasts, and its JSON form.

The JSON is read strictly. A misspelt criterion that was ignored would revoke more tokens than
intended, so that an unknown member is an error. This module reads neither stores nor clocks.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Self

from verifier.rooms.address import room_name, sent_room_name
from verifier.tokens.claims import Claims, is_number
from verifier.tokens.jws import MalformedError, json_type, parse_object, read, token_digest
from verifier.tokens.redact import holds_token

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
"""What a revocation can match; ``issued_before`` only together with ``iss``."""

DEFAULT_SECONDS: Final = 86_400.0
"""Duration of a revocation where neither the request nor a token says when it ends."""

LONGEST_TEXT: Final = 1_024
"""The most characters of a criterion or a reason."""

LATEST: Final = 253_402_300_799.0
"""The last second of the year 9999, Unix seconds: the latest end of a revocation."""

_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class BadRevocationError(ValueError):
    """The JSON is no revocation; the text names the member and what was expected, no token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Denies tokens that are otherwise good: those that match every given criterion.

    Attributes:
        jti: The token's ``jti``.
        token_digest: SHA-256 of the compact token, lower-case hex.
        user_id: The token's ``context.user.id``.
        iss: The token's issuer; only together with ``issued_before``.
        issued_before: Matches tokens of ``iss`` whose ``iat`` is earlier than this, Unix seconds,
            or absent.
        kid: The ID of the key that signed the token.
        room: The room, in the form that the web client sends.
        tenant: The tenant, in the same form.
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
        """The criteria that are given."""
        return {name: value for name in CRITERIA if (value := getattr(self, name)) is not None}

    @property
    def id(self) -> str:
        """Digest of the criteria, hex: a second revocation with the same criteria replaces this."""
        return sha256(json.dumps(self.criteria).encode()).hexdigest()

    def is_active(self, now: float) -> bool:
        """Return whether the revocation has not ended at ``now``, Unix seconds."""
        return now < self.expires

    def to_json(self) -> str:
        """Return one JSON object, without the criteria that are not given."""
        return json.dumps(self.criteria | {"reason": self.reason, "expires": self.expires})

    @classmethod
    def from_json(cls, raw: str | bytes) -> Self:
        """Read what ``to_json`` wrote; a revocation that has ended is no error.

        Raises:
            BadRevocationError: the text is something else.
        """
        members = _object(raw if isinstance(raw, bytes) else raw.encode())
        if "expires" not in members:
            raise BadRevocationError("expires: expected it, found none")
        return cls(**_read_members(members))


def parse_revocation(raw: bytes, now: float, leeway: float = 0) -> Revocation:
    """Read a request to revoke.

    Args:
        raw: A JSON object with at least one criterion, ``reason`` and ``expires``. A member
            ``token`` stands for its ``token_digest`` and, without ``expires``, for its end.
        now: Unix time, seconds.
        leeway: Seconds for which a token is accepted after its ``exp``.

    Raises:
        BadRevocationError: the object is no revocation, or the revocation has ended.
    """
    members = _object(raw)
    default_end: float = math.ceil(now + DEFAULT_SECONDS)
    if (token := members.pop("token", None)) is not None:
        digest, token_end = _read_token(token)
        if token_end is not None and token_end + leeway <= now:
            raise BadRevocationError("token: expected one that has not expired")
        if members.setdefault("token_digest", digest) != digest:
            raise BadRevocationError("token_digest: expected none beside token, or the token's own")
        default_end = default_end if token_end is None else token_end + leeway
    members.setdefault("expires", min(default_end, LATEST))
    revocation = Revocation(**_read_members(members))
    if not revocation.is_active(now):
        raise BadRevocationError("expires: expected Unix seconds in the future, found the past")
    return revocation


def parse_criteria(raw: bytes) -> Revocation:
    """Read a request to undo a revocation, which its criteria identify.

    Raises:
        BadRevocationError: there are no criteria.
    """
    members = _object(raw)
    if (token := members.pop("token", None)) is not None:
        members["token_digest"] = _read_token(token)[0]
    return Revocation(**_read_members(members | {"expires": LATEST}))


def _object(raw: bytes) -> dict[str, Any]:
    try:
        members = parse_object(raw)
    except MalformedError as error:
        raise BadRevocationError(f"body: {error}") from None
    # A member that is null counts as absent.
    return {name: value for name, value in members.items() if value is not None}


def _read_members(members: Mapping[str, Any]) -> dict[str, Any]:
    for name in members:
        if name not in _MEMBER_READERS:
            expected = ", ".join(("token", *_MEMBER_READERS))
            raise BadRevocationError(f"{_printable(name)}: expected only {expected}")
    values = {name: _MEMBER_READERS[name](name, value) for name, value in members.items()}
    if not any(name in values for name in CRITERIA):
        raise BadRevocationError(f"expected at least one of token, {', '.join(CRITERIA)}")
    if ("iss" in values) != ("issued_before" in values):
        missing = "issued_before" if "iss" in values else "iss"
        raise BadRevocationError(f"{missing}: expected it, as iss and issued_before go together")
    return values


def _printable(name: str) -> str:
    """Return an unknown member's name for an error; a long one may be a token and is left out."""
    is_short = len(name) <= max(map(len, CRITERIA)) + 2
    return name if is_short and name.isprintable() and name else "a member"


def _read_token(token: Any) -> tuple[str, float | None]:
    """Return a token's digest and end. The signature is not checked: no access follows from it."""
    if not isinstance(token, str):
        raise BadRevocationError(f"token: expected a string, found {json_type(token)}")
    try:
        claims = Claims(read(token).claims)
    except MalformedError as error:
        raise BadRevocationError(f"token: {error}") from None
    return token_digest(token), claims.expires_at


def _read_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadRevocationError(f"{name}: expected a string, found {json_type(value)}")
    if not 0 < len(value) <= LONGEST_TEXT or not value.isprintable():
        expected = f"expected 1 to {LONGEST_TEXT} printable characters"
        raise BadRevocationError(f"{name}: {expected}")
    # The value is stored and listed, so that a token in it would become readable for others.
    if holds_token(value):
        raise BadRevocationError(f"{name}: expected no token, which only the member token may hold")
    return value


def _read_reason(name: str, value: Any) -> str:
    return "" if value == "" else _read_text(name, value)


def _read_digest(name: str, value: Any) -> str:
    match = _DIGEST.fullmatch(_read_text(name, value).lower())
    if match is None:
        expected = "expected the SHA-256 of a compact token, 64 hexadecimal digits"
        raise BadRevocationError(f"{name}: {expected}")
    return match[1]


def _read_room_or_tenant(name: str, value: Any) -> str:
    """Read a name in the form that the web client sends, or as people write it in a URL."""
    text = _read_text(name, value)
    form = text if sent_room_name(text) == text else room_name(text)
    if form is None:
        raise BadRevocationError(f"{name}: expected a name that a URL can hold")
    return form


def _read_time(name: str, value: Any) -> float:
    if not is_number(value):
        raise BadRevocationError(f"{name}: expected Unix seconds, found {json_type(value)}")
    if not 0 <= value <= LATEST:
        raise BadRevocationError(f"{name}: expected Unix seconds up to the year 9999")
    # 5 and 5.0 are the same time, and must give the same ID.
    return int(value) if float(value).is_integer() else float(value)


_MEMBER_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **dict.fromkeys(("jti", "user_id", "iss", "kid"), _read_text),
    "token_digest": _read_digest,
    "issued_before": _read_time,
    "room": _read_room_or_tenant,
    "tenant": _read_room_or_tenant,
    "reason": _read_reason,
    "expires": _read_time,
}
