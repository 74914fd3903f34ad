"""What a request can be told by when something has been taken back: each criterion's values.

A value is what the token says; for rooms and tenants also what is asked for. Nothing is read
before a revocation asks for it. Knows no revocation.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from verifier.revocation.model import digest_of
from verifier.rooms.address import ascii_lower, split_tenant
from verifier.rules.model import AccessRequest
from verifier.tokens.claims import Claims, is_number
from verifier.tokens.jws import Token

# FIPS 186-5: the order n of each curve's group, by the algorithm that uses it (RFC 7518, 3.4).
ORDERS: Final = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF"
        "581A0DB248B0A77AECEC196ACCC52973",
        16,
    ),
    "ES512": int(
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
        16,
    ),
}

_Place: TypeAlias = tuple[str | None, str]
_NOWHERE: Final[_Place] = (None, "")


class TokenAttributes:
    """Who asks, and for what.

    Args:
        request: The question.
        token: The token taken apart, its signature checked; None for a guest.
    """

    __slots__ = ("_found", "_request", "_token")

    def __init__(self, request: AccessRequest, token: Token | None) -> None:
        self._request = request
        self._token = token
        self._found: tuple[_Place, _Place] | None = None

    @property
    def issued_at(self) -> float | None:
        """When the token was issued (``iat``), Unix seconds; None where that is no number."""
        issued = None if self._token is None else self._token.claims.get("iat")
        return issued if is_number(issued) else None

    def jti(self) -> Iterable[str]:
        """Give the token's own id."""
        return () if self._token is None else _text(self._token.claims.get("jti"))

    def token_digest(self) -> Iterable[str]:
        """Give the token's digest.

        Also that of its twin: with (r, s) also (r, n - s) is a good ECDSA signature, and whoever
        has one of two such tokens can write the other.
        """
        token, compact = self._token, self._request.token
        if token is None or compact is None:
            return ()
        algorithm = token.header.get("alg")  # has been compared: it is a string
        if algorithm not in ORDERS:
            return (digest_of(compact),)
        return digest_of(compact), digest_of(_twin(token, ORDERS[algorithm]))

    def user_id(self) -> Iterable[str]:
        """Give the id that Jitsi has the user by."""
        return () if self._token is None else _text(Claims(self._token.claims).user.get("id"))

    def iss(self) -> Iterable[str]:
        """Give the issuer."""
        return () if self._token is None else _text(self._token.claims.get("iss"))

    def kid(self) -> Iterable[str]:
        """Give the key id."""
        return () if self._token is None else _text(self._token.header.get("kid"))

    def room(self) -> Iterable[str]:
        """Give the room that is asked for, and the one that the token is for."""
        (_, asked), (_, claimed) = self._places()
        return (asked,) if asked == claimed else (asked, claimed)

    def tenant(self) -> Iterable[str]:
        """Give the tenant that is asked for, and those that the token is for.

        In the form of a MUC address, which has no dots in tenants.
        """
        (asked, _), (claimed, _) = self._places()
        found = {asked, claimed, self._request.query_prefix}
        if self._token is not None:
            claims = self._token.claims
            found.update(_text(claims.get("sub")))
            context = claims.get("context")
            if isinstance(context, dict):
                found.update(_text(context.get("tenant")))
        return [in_address(name) for name in found if name]

    def _places(self) -> tuple[_Place, _Place]:
        """Give tenant and room, as they are asked for and as the token's ``room`` has them."""
        if self._found is None:
            asked = (self._request.room_jid or "").partition("@")[0]
            claimed = None if self._token is None else self._token.claims.get("room")
            self._found = _split(asked), _split(claimed) if isinstance(claimed, str) else _NOWHERE
        return self._found


EXTRACTORS: Final[Mapping[str, Callable[[TokenAttributes], Iterable[str]]]] = {
    "token_digest": TokenAttributes.token_digest,
    "jti": TokenAttributes.jti,
    "user_id": TokenAttributes.user_id,
    "kid": TokenAttributes.kid,
    "iss": TokenAttributes.iss,
    "room": TokenAttributes.room,
    "tenant": TokenAttributes.tenant,
}
"""By criterion, what gives a bearer's values of it."""


def in_address(tenant: str) -> str:
    """Write a tenant as it stands in a MUC address; the web server writes dots as underscores."""
    return ascii_lower(tenant).replace(".", "_")


def _split(node: str) -> _Place:
    """Split ``[tenant]room``."""
    text = ascii_lower(node)
    return split_tenant(text) if text[:1] == "[" else (None, text)


def _text(value: Any) -> tuple[str, ...]:
    """Give a value as text; a number as JSON writes it, anything else is no value."""
    if isinstance(value, str):
        return (value,)
    return (json.dumps(value),) if is_number(value) else ()


def _twin(token: Token, order: int) -> str:
    half = len(token.signature) // 2
    s = order - int.from_bytes(token.signature[half:])
    signature = token.signature[:half] + (s % order).to_bytes(half)
    encoded = urlsafe_b64encode(signature).rstrip(b"=")
    return f"{token.signing_input.decode('ascii')}.{encoded.decode('ascii')}"
