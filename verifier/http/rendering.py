"""A decision as an HTTP answer: status, identity headers, challenge and problem document.

Knows what proxies pass on (RFC 6750, RFC 9457) and nothing of how a decision came about.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from verifier.http.responses import NEVER_ENDS, NO_STORE, SERVER, Answer
from verifier.rooms.address import RoomAddress
from verifier.rules.model import Allow, Decision, DenialCode, Deny
from verifier.tokens.claims import ABSENT, Claims

NONE: Final = "-"
"""What an identity header says where the token has no value."""

_LONGEST_VALUE: Final = 1_024
_UNESCAPED: Final = "@:/~"
_PLAIN: Final = re.compile(
    rf"[A-Za-z0-9._{_UNESCAPED}][A-Za-z0-9._{_UNESCAPED}-]{{0,{_LONGEST_VALUE - 1}}}"
)
_RETRY_AFTER: Final = {
    DenialCode.KEYS_UNAVAILABLE: "5",
    DenialCode.OVERLOADED: "1",
    DenialCode.STORE_UNAVAILABLE: "1",
}

_LONGEST_DESCRIPTION: Final = 200
_DESCRIBABLE: Final = frozenset(map(chr, range(0x20, 0x7F))) - {'"', "\\"}
_TOKEN_AT_FAULT: Final = frozenset(
    {
        DenialCode.AMBIGUOUS_REQUEST,
        DenialCode.TOKEN_MISSING,
        DenialCode.TOKEN_MALFORMED,
        DenialCode.KEY_ID_MISSING,
        DenialCode.ALGORITHM_MISSING,
        DenialCode.ALGORITHM_NOT_ALLOWED,
        DenialCode.KEY_UNKNOWN,
        DenialCode.TYPE_NOT_JWT,
        DenialCode.SIGNATURE_INVALID,
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
        DenialCode.AUTHENTICATION_REQUIRED,
    },
)


def status_of(code: DenialCode) -> HTTPStatus:
    """Give the status that says whose fault a denial is: the token's, the room's or the keys'."""
    if code in _RETRY_AFTER:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.UNAUTHORIZED if code in _TOKEN_AT_FAULT else HTTPStatus.FORBIDDEN


def retry_after(code: DenialCode) -> str:
    """Give the seconds after which a 503 may have passed."""
    return _RETRY_AFTER[code]


def respond(decision: Decision, address: RoomAddress | None, *, keepable: bool = True) -> Answer:
    """Render a decision for a proxy.

    Args:
        decision: The verdict.
        address: The room that the original request names.
        keepable: Whether a proxy may keep an allow.
    """
    if isinstance(decision, Deny):
        return denial(decision)
    headers = SERVER | identity(decision, address)
    if not keepable:
        return Answer(HTTPStatus.OK, headers | NO_STORE)
    ends = NEVER_ENDS if decision.expires_at is None else decision.expires_at
    return Answer(HTTPStatus.OK, headers, ends=ends)


def would_deny(decision: Deny) -> Answer:
    """Let in, without a name, whom only the mode lets in, and say what would have been said."""
    nobody = dict.fromkeys(identity(Allow(), None), NONE)
    nobody |= {"X-Jitsi-Moderator": "false", "X-Jitsi-Affiliation": "none"}
    headers = SERVER | nobody | NO_STORE | {"X-Jitsi-Would-Deny": decision.code}
    return Answer(HTTPStatus.OK, headers)


def denial(decision: Deny) -> Answer:
    """Render a refusal: a code for machines, a sentence for people, never a part of the token."""
    status, code = status_of(decision.code), decision.code
    headers = SERVER | NO_STORE
    headers |= {"X-Jitsi-Denial": code, "Content-Type": "application/problem+json"}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = _challenge(decision)
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = retry_after(code)
    return Answer(status, headers, problem_body(status, decision.detail, code))


def problem_body(status: HTTPStatus, detail: str, code: str | None = None) -> bytes:
    """Write a problem document (RFC 9457)."""
    problem = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    return json.dumps(problem if code is None else problem | {"code": code}).encode()


def identity(decision: Allow, address: RoomAddress | None) -> dict[str, str]:
    """Say who enters where: every header on every allow, so that none of a client's survives."""
    claims = decision.claims or Claims({})
    user, context = claims.user, claims.context if isinstance(claims.context, dict) else {}
    features = context.get("features")
    expires = decision.expires_at
    return {
        "X-Jitsi-Room": _value(address.room if address else None),
        "X-Jitsi-Tenant": _value(address.tenant if address else None),
        "X-Jitsi-Subject": _value(claims.subject),
        "X-Jitsi-Issuer": _value(claims.issuer),
        "X-Jitsi-User-Id": _value(user.get("id")),
        "X-Jitsi-User-Name": _value(user.get("name")),
        "X-Jitsi-User-Email": _value(user.get("email")),
        "X-Jitsi-Group": _value(context.get("group")),
        "X-Jitsi-Moderator": "true" if decision.affiliation == "owner" else "false",
        "X-Jitsi-Affiliation": decision.affiliation or "none",
        "X-Jitsi-Features": _features(features if isinstance(features, dict) else {}),
        "X-Jitsi-Expires": NONE if expires is None else str(int(expires)),
    }


def _value(value: Any) -> str:
    """Percent-encode a value; one that is too long for a proxy's buffers is as good as none.

    Cutting it would make two users one.
    """
    if value is ABSENT or value is None:
        return NONE
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = json.dumps(value)
    if not isinstance(value, str) or not value:
        return NONE
    if _PLAIN.fullmatch(value):  # the usual, and a fifth of the cost
        return value
    encoded = quote(value, safe=_UNESCAPED)
    if len(encoded) > _LONGEST_VALUE:
        return NONE
    return "%2D" if encoded == NONE else encoded


def _features(features: dict[str, Any]) -> str:
    names = [quote(name, safe=_UNESCAPED) for name, on in features.items() if name and _is_on(on)]
    joined = ",".join(names)
    return joined if joined and len(joined) <= _LONGEST_VALUE else NONE


def _challenge(decision: Deny) -> str:
    """Write the challenge of RFC 6750, section 3: no error where no token was sent."""
    if decision.code is DenialCode.TOKEN_MISSING:
        return 'Bearer realm="jitsi"'
    detail = decision.detail[:_LONGEST_DESCRIPTION]
    description = "".join(c if c in _DESCRIBABLE else "?" for c in detail)
    return f'Bearer realm="jitsi", error="invalid_token", error_description="{description}"'


def _is_on(value: Any) -> bool:
    return value is True or value == "true"
