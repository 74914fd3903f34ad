"""A token's header and claims under the names of the standards; checks nothing.

Jitsi distinguishes a claim that is absent from one that is JSON null, because cjson's null is true
to Lua. An absent claim is therefore ``ABSENT``, and null is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

_MODERATOR_AFFILIATIONS: Final = ("owner", "moderator", "teacher")


class Absence(Enum):
    """The type of ``ABSENT``."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absence.ABSENT


class TokenHeader:
    """A JOSE header (RFC 7515, section 4); not to be changed.

    Attributes:
        raw: All parameters.
        key_id: Parameter ``kid``.
        algorithm: Parameter ``alg``.
        type: Parameter ``typ``.
        extension: ``crit`` or ``zip`` if the header has it, which changes how the token must be
            read; else empty.
    """

    __slots__ = ("algorithm", "extension", "key_id", "raw", "type")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.key_id: Any = raw.get("kid", ABSENT)
        self.algorithm: Any = raw.get("alg", ABSENT)
        self.type: Any = raw.get("typ", ABSENT)
        self.extension = "crit" if "crit" in raw else "zip" if "zip" in raw else ""


class Claims:
    """A token's claims (RFC 7519, section 4, and Jitsi's own); not to be changed.

    The rules read most claims several times for each request. Attributes that are set once cost
    less than properties, and less than the fields of a frozen dataclass.

    Attributes:
        raw: All claims.
        issuer: Claim ``iss``.
        audience: Claim ``aud``.
        subject: Claim ``sub``.
        room: Claim ``room``, Jitsi's own.
        expiry: Claim ``exp``, of whatever type it is.
        expires_at: The end of the token, Unix seconds; None if ``exp`` is no number.
        not_before: Claim ``nbf``, of whatever type it is.
        token_id: Claim ``jti``.
        context: Claim ``context``, Jitsi's own.
        context_tenant: Claim ``context.tenant``.
        context_room: Claim ``context.room``.
        user: ``context.user``; without a ``context``, ``user_id`` as Jitsi binds it; else empty.
    """

    __slots__ = (
        "audience",
        "context",
        "context_room",
        "context_tenant",
        "expires_at",
        "expiry",
        "issuer",
        "not_before",
        "raw",
        "room",
        "subject",
        "token_id",
        "user",
    )

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        get = raw.get
        self.issuer: Any = get("iss", ABSENT)
        self.audience: Any = get("aud", ABSENT)
        self.subject: Any = get("sub", ABSENT)
        self.room: Any = get("room", ABSENT)
        self.expiry: Any = get("exp", ABSENT)
        self.expires_at: float | None = self.expiry if is_number(self.expiry) else None
        self.not_before: Any = get("nbf", ABSENT)
        self.token_id: Any = get("jti", ABSENT)
        self.context: Any = get("context", ABSENT)
        context = self.context if isinstance(self.context, dict) else {}
        self.context_tenant: Any = context.get("tenant", ABSENT)
        self.context_room: Any = context.get("room", ABSENT)
        user = context.get("user")
        if self.context is ABSENT and get("user_id", False) is not False:  # null is true to Lua
            user = {"id": raw["user_id"]}
        self.user: Mapping[str, Any] = user if isinstance(user, dict) else {}

    def __repr__(self) -> str:
        return "Claims(...)"  # claims are private: they name users and rooms

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, Claims) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # JSON objects have no hash either

    @property
    def issued_at(self) -> float | None:
        """Claim ``iat``, Unix seconds; None if it is no number."""
        issued_at = self.raw.get("iat")
        return issued_at if is_number(issued_at) else None

    @property
    def is_pattern(self) -> bool:
        """Whether the token says that its room claim is a Lua pattern."""
        room = self.context_room
        flag = room.get("regex") if isinstance(room, dict) else None
        return flag is True or flag == "true"

    @property
    def session(self) -> dict[str, Any]:
        """What Jitsi binds to the session (``process_and_verify_token``), without absent claims."""
        context = self.context if isinstance(self.context, dict) else {}
        bound = {
            "jitsi_meet_room": self.room,
            "jitsi_meet_domain": self.subject,
            "jitsi_meet_auth_issuer": self.issuer,
            "jitsi_meet_str_tenant": self.context_tenant,
            "jitsi_meet_context_user": _table(context.get("user", ABSENT)),
            "jitsi_meet_context_group": context.get("group", ABSENT),
            "jitsi_meet_context_features": _table(context.get("features", ABSENT)),
            "jitsi_meet_context_room": _table(self.context_room),
        }
        if self.context is ABSENT and self.raw.get("user_id", False) is not False:
            bound["jitsi_meet_context_user"] = self.user
        return {name: value for name, value in bound.items() if value is not ABSENT}

    @property
    def is_moderator(self) -> bool:
        """Whether the token makes its bearer an owner (community ``token_affiliation``)."""
        user = self.user
        affiliation, moderator = user.get("affiliation"), user.get("moderator")
        return affiliation in _MODERATOR_AFFILIATIONS or moderator is True or moderator == "true"


def _table(value: Any) -> Any:
    """Return an object; an empty list is an empty object to Jitsi's decoder."""
    return {} if value == [] else value


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number; to Python, ``true`` would be one."""
    return type(value) in (int, float)
