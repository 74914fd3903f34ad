"""The values of a request that revocations can match: one extractor for each criterion.

Most values are claims of the token. For rooms and tenants, the requested ones count as well, so
that a revocation of a room also reaches guests and wildcard tokens. An extractor runs only while
some revocation has its criterion, because it runs for each request.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from verifier.rooms.address import ascii_lower, split_tenant
from verifier.rules.model import AccessRequest
from verifier.tokens.claims import Claims, is_number
from verifier.tokens.jws import Token, token_digest

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

_TenantAndRoom: TypeAlias = tuple[str | None, str]
_NO_ROOM: Final[_TenantAndRoom] = (None, "")


class TokenAttributes:
    """The values of one request that revocations can match.

    Args:
        request: The request.
        token: The decoded token, its signature checked; None for a guest.
    """

    __slots__ = ("_request", "_rooms", "_token")

    def __init__(self, request: AccessRequest, token: Token | None) -> None:
        self._request = request
        self._token = token
        # Rooms and tenants are parsed at most once, by the first extractor that needs them.
        self._rooms: tuple[_TenantAndRoom, _TenantAndRoom] | None = None

    @property
    def issued_at(self) -> float | None:
        """The token's ``iat``, Unix seconds; None where that is no number."""
        issued_at = None if self._token is None else self._token.claims.get("iat")
        return issued_at if is_number(issued_at) else None

    def jti(self) -> Iterable[str]:
        """Return the token's ``jti``."""
        return () if self._token is None else _as_text(self._token.claims.get("jti"))

    def token_digest(self) -> Iterable[str]:
        """Return the token's digest; for ECDSA also the digest with the second valid signature.

        If (r, s) is a valid ECDSA signature, (r, n - s) is valid as well. The holder of a token can
        therefore replace the signature, and has a second valid token with another digest. A
        revocation of either digest must deny both tokens.
        """
        token, compact = self._token, self._request.token
        if token is None or compact is None:
            return ()
        # The signature is valid, hence the algorithm is one of the policy's, and a string.
        algorithm = token.header.algorithm
        if algorithm not in ORDERS:
            return (token_digest(compact),)
        return token_digest(compact), token_digest(_with_second_signature(token, ORDERS[algorithm]))

    def user_id(self) -> Iterable[str]:
        """Return the ID that Jitsi knows the user by."""
        return () if self._token is None else _as_text(Claims(self._token.claims).user.get("id"))

    def iss(self) -> Iterable[str]:
        """Return the token's issuer."""
        return () if self._token is None else _as_text(self._token.claims.get("iss"))

    def kid(self) -> Iterable[str]:
        """Return the ID of the token's key."""
        return () if self._token is None else _as_text(self._token.header.key_id)

    def room(self) -> Iterable[str]:
        """Return the requested room, and the room of the token's ``room`` claim."""
        (_, requested), (_, claimed) = self._requested_and_claimed()
        return (requested,) if requested == claimed else (requested, claimed)

    def tenant(self) -> Iterable[str]:
        """Return the requested tenant and the token's tenants, as ``normalize_tenant`` does.

        The token's tenants are those of its ``room``, its ``sub`` and its ``context.tenant``.
        """
        (requested, _), (claimed, _) = self._requested_and_claimed()
        tenants = {requested, claimed, self._request.query_prefix}
        if self._token is not None:
            claims = self._token.claims
            tenants.update(_as_text(claims.get("sub")))
            context = claims.get("context")
            if isinstance(context, dict):
                tenants.update(_as_text(context.get("tenant")))
        return [normalize_tenant(name) for name in tenants if name]

    def _requested_and_claimed(self) -> tuple[_TenantAndRoom, _TenantAndRoom]:
        """Return tenant and room of the request, and those of the token's ``room`` claim."""
        if self._rooms is None:
            requested = (self._request.room_jid or "").partition("@")[0]
            claimed = None if self._token is None else self._token.claims.get("room")
            self._rooms = (
                _split_node(requested),
                _split_node(claimed) if isinstance(claimed, str) else _NO_ROOM,
            )
        return self._rooms


EXTRACTORS: Final[Mapping[str, Callable[[TokenAttributes], Iterable[str]]]] = {
    "token_digest": TokenAttributes.token_digest,
    "jti": TokenAttributes.jti,
    "user_id": TokenAttributes.user_id,
    "kid": TokenAttributes.kid,
    "iss": TokenAttributes.iss,
    "room": TokenAttributes.room,
    "tenant": TokenAttributes.tenant,
}
"""By criterion, the function that returns a request's values for it."""


def normalize_tenant(tenant: str) -> str:
    """Return a tenant in the form that MUC addresses have: lower case, underscores for dots."""
    return ascii_lower(tenant).replace(".", "_")


def _split_node(node: str) -> _TenantAndRoom:
    """Split a MUC address' node, ``[tenant]room`` or ``room``."""
    text = ascii_lower(node)
    return split_tenant(text) if text[:1] == "[" else (None, text)


def _as_text(value: Any) -> tuple[str, ...]:
    """Return a claim's value as text; a number as JSON writes it; nothing for other types."""
    if isinstance(value, str):
        return (value,)
    return (json.dumps(value),) if is_number(value) else ()


def _with_second_signature(token: Token, order: int) -> str:
    """Return the compact token with the other valid signature (``token_digest``)."""
    # RFC 7518, 3.4: the signature is r and s, both as long as the order, one behind the other.
    half = len(token.signature) // 2
    s = order - int.from_bytes(token.signature[half:])
    signature = token.signature[:half] + (s % order).to_bytes(half)
    encoded = urlsafe_b64encode(signature).rstrip(b"=")
    return f"{token.signing_input.decode('ascii')}.{encoded.decode('ascii')}"
