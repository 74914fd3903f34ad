"""The tokens of ``check-gate``: signed with the local configuration, or made from a given one.

Each is decided with the local configuration before it is used. A question whose token this
configuration decides in another way than the question needs is not asked.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from verifier.check_gate import OTHER_ROOM, Credential, Token, Tokens
from verifier.cli.mint import default_audience, default_issuer, default_lifetime, default_subject
from verifier.config import Settings
from verifier.keys.formats import parse_public_key, parse_secret
from verifier.keys.model import KeySet, VerificationKey, is_symmetric
from verifier.rooms.address import RoomAddress, parse_jid, room_jid, split_tenant
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, Deny
from verifier.rules.policy import Policy
from verifier.rules.room import access_request
from verifier.tokens.mint import TokenSpec, claims_of, sign

_LIFETIME: Final = 300  # seconds
_LONG_AGO: Final = 3_600  # seconds
_OTHER_TENANT: Final = "check-gate-other"
_INTERNAL_ROOM: Final = "_jitsi-verifier"
_BAD: Final = frozenset(
    {
        Credential.OTHER_TENANT,
        Credential.OTHER_ROOM,
        Credential.EXPIRED,
        Credential.FORGED,
        Credential.UNSIGNED,
    }
)
_CANNOT_SIGN: Final = "no private key to sign such a token with: give --key"
_NOTHING_GIVEN: Final = "no token to ask with: give --key or --token"


class KeyFileError(Exception):
    """A key file cannot be used. The text says what was expected."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs claims, and knows the key that verifies them.

    Attributes:
        sign: Signs.
        key: Verifies.
    """

    sign: Callable[[Mapping[str, Any]], str]
    key: VerificationKey


def open_signer(settings: Settings, pem: bytes | None, key_id: str | None) -> Signer | None:
    """Return what signs tokens; None if this configuration has only public keys.

    Args:
        settings: The configuration of the host.
        pem: A private key; None to sign with the configured secret.
        key_id: The header parameter ``kid``.

    Raises:
        KeyFileError: The key cannot be used for the configured algorithm.
    """
    algorithm = settings.signature_algorithm
    if pem is None:
        if not is_symmetric(algorithm):
            return None
        secret = parse_secret(settings.app_secret[0])
        material: bytes = secret.material
        return Signer(lambda claims: sign(claims, material, algorithm, key_id), secret)
    try:
        private = load_pem_private_key(pem, password=None)
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        key = parse_public_key(public.decode(), key_id, "file")
        header = {"typ": "JWT"} | ({} if key_id is None else {"kid": key_id})

        def sign_publicly(claims: Mapping[str, Any]) -> str:
            return jwt.encode(dict(claims), private, algorithm, header)  # type: ignore[arg-type]  # PyJWT checks the kind of key itself

        sign_publicly({})
    except Exception as error:  # noqa: BLE001  # cryptography and PyJWT raise many kinds
        del error  # it may quote the key
        raise KeyFileError(f"expected a private key for {algorithm}, PEM, unencrypted") from None
    return Signer(sign_publicly, key)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the tokens are for.

    Attributes:
        room: The room.
        tenant: The tenant.
        settings: The configuration of the host; None without one.
        signer: Signs tokens; None if nothing can.
        given: A good token that was given; empty without one.
        now: Unix time, seconds.
    """

    room: str
    tenant: str
    settings: Settings | None
    signer: Signer | None
    given: str = field(repr=False)
    now: float


def make_tokens(plan: Plan) -> Tokens:
    """Return the token for each credential, or why there is none."""
    tokens = {Credential.NONE: Token()}
    for credential in (Credential.GOOD, Credential.SHARED):
        tokens[credential] = Token(plan.given) if plan.given else _signed(plan, credential)
    for credential in _SIGNED:
        tokens[credential] = _signed(plan, credential)
    good = tokens[Credential.GOOD]
    for credential, change in ((Credential.FORGED, _forged), (Credential.UNSIGNED, _unsigned)):
        tokens[credential] = good if good.missing else _checked(plan, credential, change(good.text))
    tokens[Credential.GUEST] = _guest(plan, tokens[Credential.FORGED])
    return tokens


def _guest(plan: Plan, forged: Token) -> Token:
    """Return what a request has that should not be let in: nothing, if guests need a token."""
    if plan.settings is None or not plan.settings.policy().allow_empty_token:
        return Token(code="token-missing")
    return forged


_SIGNED: Final = (
    Credential.TENANT,
    Credential.OTHER_TENANT,
    Credential.OTHER_ROOM,
    Credential.EXPIRED,
    Credential.INTERNAL,
)


def _signed(plan: Plan, credential: Credential) -> Token:
    if plan.signer is None or plan.settings is None:
        given = credential in {Credential.GOOD, Credential.SHARED}
        return Token(missing=_NOTHING_GIVEN if given else _CANNOT_SIGN)
    policy = plan.settings.policy()
    spec = TokenSpec(
        room=plan.room,
        issuer=default_issuer(policy, plan.settings.app_id),
        audience=default_audience(policy),
        subject=default_subject(policy, None),
        lifetime=min(_LIFETIME, default_lifetime(policy)),
        token_id=str(uuid4()),
        user_id="check-gate",
    )
    if credential is Credential.TENANT:
        spec = replace(spec, subject=_subject(policy, plan.tenant))
    elif credential is Credential.OTHER_TENANT:
        spec = replace(spec, subject=_subject(policy, _OTHER_TENANT))
        if spec.subject == "*":
            spec = replace(spec, subject=_OTHER_TENANT)
    elif credential is Credential.OTHER_ROOM:
        spec = replace(spec, room=OTHER_ROOM)
    elif credential is Credential.INTERNAL:
        spec = replace(spec, room=_INTERNAL_ROOM)
    leeway = plan.settings.leeway if credential is Credential.EXPIRED else 0
    past = _LONG_AGO + leeway if credential is Credential.EXPIRED else 0
    return _checked(plan, credential, plan.signer.sign(claims_of(spec, plan.now - past)))


def _subject(policy: Policy, tenant: str) -> str:
    """Return the subject of a tenant, as it is written in the address of its rooms."""
    jid = parse_jid(room_jid(RoomAddress("room", tenant), policy.muc_mapper_domain_prefix))
    written = None if jid is None or jid.node is None else split_tenant(jid.node)[0]
    return default_subject(policy, written)


def _checked(plan: Plan, credential: Credential, text: str) -> Token:
    """Return a token, if this configuration decides it as the questions need it."""
    if plan.settings is None or plan.signer is None:
        return Token(text)
    policy, keys = plan.settings.policy(), KeySet((plan.signer.key,))
    decision = decide(_request(plan, credential, text, policy), policy, keys, plan.now)
    denied = isinstance(decision, Deny)
    if denied == (credential in _BAD):
        return Token(text, decision.code if isinstance(decision, Deny) else "")
    if isinstance(decision, Deny):
        return Token(missing=f"this configuration denies {credential}: {decision.code}")
    return Token(missing=f"this configuration allows {credential}")


def _request(plan: Plan, credential: Credential, text: str, policy: Policy) -> AccessRequest:
    """Return the request that the questions with this token stand for."""
    tenants = {Credential.TENANT, Credential.OTHER_TENANT}
    room = _INTERNAL_ROOM if credential is Credential.INTERNAL else plan.room
    address = RoomAddress(room, plan.tenant if credential in tenants else None)
    return access_request(text, address, policy)


def _forged(token: str) -> str:
    """Return a token with another signature of the same length."""
    head, _, signature = token.rpartition(".")
    middle = len(signature) // 2
    other = "B" if signature[middle : middle + 1] == "A" else "A"
    return f"{head}.{signature[:middle]}{other}{signature[middle + 1 :]}"


def _unsigned(token: str) -> str:
    """Return a token that says that it needs no signature, and has none (RFC 8725, 2.1)."""
    payload = token.split(".")[1]
    header = json.dumps({"typ": "JWT", "alg": "none"}, separators=(",", ":")).encode()
    return f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.{payload}."
