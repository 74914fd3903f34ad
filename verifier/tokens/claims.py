"""A token's header and claims under the names of the standards; checks nothing.

Jitsi distinguishes a claim that is absent from one that is JSON null, because cjson's null is true
to Lua. An absent claim is therefore ``ABSENT``, and null is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

_MODERATOR_AFFILIATIONS: Final = ("owner", "moderator", "teacher")


class Absence(Enum):
    """The type of ``ABSENT``."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absence.ABSENT


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """A JOSE header (RFC 7515, section 4)."""

    raw: Mapping[str, Any] = field(repr=False)

    @property
    def key_id(self) -> Any:
        """Parameter ``kid``."""
        return self.raw.get("kid", ABSENT)

    @property
    def algorithm(self) -> Any:
        """Parameter ``alg``."""
        return self.raw.get("alg", ABSENT)

    @property
    def type(self) -> Any:
        """Parameter ``typ``."""
        return self.raw.get("typ", ABSENT)


@dataclass(frozen=True, slots=True)
class Claims:
    """A token's claims (RFC 7519, section 4, and Jitsi's own)."""

    raw: Mapping[str, Any] = field(repr=False)

    @property
    def issuer(self) -> Any:
        """Claim ``iss``."""
        return self.raw.get("iss", ABSENT)

    @property
    def audience(self) -> Any:
        """Claim ``aud``."""
        return self.raw.get("aud", ABSENT)

    @property
    def subject(self) -> Any:
        """Claim ``sub``."""
        return self.raw.get("sub", ABSENT)

    @property
    def room(self) -> Any:
        """Claim ``room``, Jitsi's own."""
        return self.raw.get("room", ABSENT)

    @property
    def expiry(self) -> Any:
        """Claim ``exp``, of whatever type it is."""
        return self.raw.get("exp", ABSENT)

    @property
    def not_before(self) -> Any:
        """Claim ``nbf``, of whatever type it is."""
        return self.raw.get("nbf", ABSENT)

    @property
    def token_id(self) -> Any:
        """Claim ``jti``."""
        return self.raw.get("jti", ABSENT)

    @property
    def issued_at(self) -> float | None:
        """Claim ``iat``, Unix seconds; None if it is no number."""
        issued_at = self.raw.get("iat")
        return issued_at if is_number(issued_at) else None

    @property
    def context(self) -> Any:
        """Claim ``context``, Jitsi's own."""
        return self.raw.get("context", ABSENT)

    @property
    def expires_at(self) -> float | None:
        """The end of the token, Unix seconds; None if ``exp`` is no number."""
        return self.expiry if is_number(self.expiry) else None

    @property
    def user(self) -> Mapping[str, Any]:
        """``context.user``; without a ``context``, ``user_id`` as Jitsi binds it; else empty."""
        if self.context is ABSENT and "user_id" in self.raw:
            return {"id": self.raw["user_id"]}
        user = self._in_context("user")
        return user if isinstance(user, dict) else {}

    @property
    def context_tenant(self) -> Any:
        """Claim ``context.tenant``."""
        return self._in_context("tenant")

    @property
    def context_room(self) -> Any:
        """Claim ``context.room``."""
        return self._in_context("room")

    @property
    def is_pattern(self) -> bool:
        """Whether the token says that its room claim is a Lua pattern."""
        room = self.context_room
        flag = room.get("regex") if isinstance(room, dict) else None
        return flag is True or flag == "true"

    @property
    def session(self) -> dict[str, Any]:
        """What Jitsi binds to the session (``process_and_verify_token``), without absent claims."""
        bound = {
            "jitsi_meet_room": self.room,
            "jitsi_meet_domain": self.subject,
            "jitsi_meet_auth_issuer": self.issuer,
            "jitsi_meet_str_tenant": self.context_tenant,
            "jitsi_meet_context_user": self._in_context("user"),
            "jitsi_meet_context_group": self._in_context("group"),
            "jitsi_meet_context_features": self._in_context("features"),
            "jitsi_meet_context_room": self.context_room,
        }
        if self.context is ABSENT and "user_id" in self.raw:
            bound["jitsi_meet_context_user"] = self.user
        return {name: value for name, value in bound.items() if value is not ABSENT}

    @property
    def is_moderator(self) -> bool:
        """Whether the token makes its bearer an owner (community ``token_affiliation``)."""
        user = self.user
        affiliation, moderator = user.get("affiliation"), user.get("moderator")
        return affiliation in _MODERATOR_AFFILIATIONS or moderator is True or moderator == "true"

    def _in_context(self, name: str) -> Any:
        context = self.raw.get("context")
        return context.get(name, ABSENT) if isinstance(context, dict) else ABSENT


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number; to Python, ``true`` would be one."""
    return type(value) in (int, float)
