"""A revocation as people and programs write it: one JSON object, read strictly.

A misspelt criterion would take back more than was meant, so that unknown members are errors here.
Knows no store and no clock.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from verifier.revocation.model import CRITERIA, Revocation, digest_of
from verifier.rooms.address import room_name, sent_room_name
from verifier.tokens.claims import Claims, is_number
from verifier.tokens.jws import MalformedError, json_type, parse_object, read
from verifier.tokens.redact import hide_tokens

USUAL_SECONDS: Final = 86_400.0
"""How long a revocation holds where nobody says, and no token does."""

LONGEST_TEXT: Final = 1_024
"""The most characters of a criterion or a reason."""

LATEST: Final = 253_402_300_799.0
"""The last second of the year 9999, Unix seconds: no end of a revocation is later."""

_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class BadRevocationError(ValueError):
    """The text is no revocation; names the member and what was expected, never a token."""


def parse_revocation(raw: bytes, now: float, leeway: float = 0) -> Revocation:
    """Read what somebody asks to be taken back.

    Args:
        raw: A JSON object with at least one criterion, ``reason`` and ``expires``. A ``token``
            stands for its ``token_digest``, and where ``expires`` is not given, for its end.
        now: Unix time, seconds.
        leeway: For how long, seconds, a token is accepted behind its ``exp``.

    Raises:
        BadRevocationError: it is none, or ends in the past.
    """
    given = _object(raw)
    usual_end: float = math.ceil(now + USUAL_SECONDS)
    if (token := given.pop("token", None)) is not None:
        digest, ends = _read_token(token)
        if ends is not None and ends + leeway <= now:
            raise BadRevocationError("token: expected one that has not expired")
        if given.setdefault("token_digest", digest) != digest:
            raise BadRevocationError("token_digest: expected none beside token, or the token's own")
        usual_end = usual_end if ends is None else ends + leeway
    given.setdefault("expires", min(usual_end, LATEST))
    revocation = _revocation(given)
    if revocation.expires <= now:
        raise BadRevocationError("expires: expected Unix seconds in the future, found the past")
    return revocation


def parse_criteria(raw: bytes) -> Revocation:
    """Read which revocation somebody asks to be undone; only its criteria count.

    Raises:
        BadRevocationError: there are no criteria.
    """
    given = _object(raw)
    if (token := given.pop("token", None)) is not None:
        given["token_digest"] = _read_token(token)[0]
    return _revocation(given | {"expires": LATEST})


def read_revocation(raw: str | bytes) -> Revocation:
    """Read what ``Revocation.to_json`` wrote, whatever the time is.

    Raises:
        BadRevocationError: it did not write that.
    """
    given = _object(raw if isinstance(raw, bytes) else raw.encode())
    if "expires" not in given:
        raise BadRevocationError("expires: expected it, found none")
    return _revocation(given)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        given = parse_object(raw)
    except MalformedError as error:
        raise BadRevocationError(f"body: {error}") from None
    return {name: value for name, value in given.items() if value is not None}


def _revocation(given: Mapping[str, Any]) -> Revocation:
    for name in given:
        if name not in _READERS:
            known = ", ".join(("token", *_READERS))
            raise BadRevocationError(f"{_shown(name)}: expected only {known}")
    read_members = {name: _READERS[name](name, value) for name, value in given.items()}
    if not any(name in read_members for name in CRITERIA):
        raise BadRevocationError(f"expected at least one of token, {', '.join(CRITERIA)}")
    if ("iss" in read_members) != ("issued_before" in read_members):
        missing = "issued_before" if "iss" in read_members else "iss"
        raise BadRevocationError(f"{missing}: expected it, as iss and issued_before go together")
    return Revocation(**read_members)


def _shown(name: str) -> str:
    """Name a member that is unknown; what looks like a token is not repeated."""
    short = len(name) <= max(map(len, CRITERIA)) + 2
    return name if short and name.isprintable() and name else "a member"


def _read_token(token: Any) -> tuple[str, float | None]:
    """Give a token's digest and its end; its signature is nobody's concern here."""
    if not isinstance(token, str):
        raise BadRevocationError(f"token: expected a string, found {json_type(token)}")
    try:
        claims = Claims(read(token).claims)
    except MalformedError as error:
        raise BadRevocationError(f"token: {error}") from None
    return digest_of(token), claims.expires_at


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadRevocationError(f"{name}: expected a string, found {json_type(value)}")
    if not 0 < len(value) <= LONGEST_TEXT or not value.isprintable():
        expected = f"expected 1 to {LONGEST_TEXT} printable characters"
        raise BadRevocationError(f"{name}: {expected}")
    if hide_tokens(value) != value:  # it would be stored, and shown to whoever asks
        raise BadRevocationError(f"{name}: expected no token, which only the member token may hold")
    return value


def _reason(name: str, value: Any) -> str:
    return "" if value == "" else _text(name, value)


def _digest(name: str, value: Any) -> str:
    found = _DIGEST.fullmatch(_text(name, value).lower())
    if found is None:
        expected = "expected the SHA-256 of a compact token, 64 hexadecimal digits"
        raise BadRevocationError(f"{name}: {expected}")
    return found[1]


def _name_in_urls(name: str, value: Any) -> str:
    """Read a name in the form that the web client sends, or as people put it into a URL."""
    text = _text(name, value)
    form = text if sent_room_name(text) == text else room_name(text)
    if form is None:
        raise BadRevocationError(f"{name}: expected a name that a URL can hold")
    return form


def _moment(name: str, value: Any) -> float:
    if not is_number(value):
        raise BadRevocationError(f"{name}: expected Unix seconds, found {json_type(value)}")
    if not 0 <= value <= LATEST:
        raise BadRevocationError(f"{name}: expected Unix seconds up to the year 9999")
    return int(value) if float(value).is_integer() else float(value)


_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **dict.fromkeys(("jti", "user_id", "iss", "kid"), _text),
    "token_digest": _digest,
    "issued_before": _moment,
    "room": _name_in_urls,
    "tenant": _name_in_urls,
    "reason": _reason,
    "expires": _moment,
}
