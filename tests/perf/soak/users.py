"""Users with tokens, good and defective ones, and the answers that the model expects.

Users with an even number have tokens for ``SECRET_HOST``: a shared secret signs them, and the host
does not check the domain. The others have tokens for ``KEY_HOST``: keys that rotate sign them, and
the host checks the domain.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.perf.soak.keys import Signer
from tests.perf.soak.model import ALLOWED, Condition, Outcome, TimedFlag
from tests.support.tokens import SECRET, present, sign

SECRET_HOST: Final = "meet.example.org"
KEY_HOST: Final = "keys.example.org"
DOMAIN: Final = "meet.jitsi"
OTHER_SECRET: Final = "a-secret-that-no-host-of-this-test-has"
EXPIRED: Final = (401, "token-expired")
TTL: Final = 5.0
"""``decision_ttl`` in seconds: the longest time that the service and nginx cache an answer."""
CACHED_SECONDS: Final = TTL + 1.5
"""Seconds: nginx rounds to whole seconds, and answers take time to arrive."""
EXPIRY_SECONDS: Final = 1.0
"""Seconds until an expired token is denied everywhere."""
_RETRY_SECONDS: Final = 8.0  # seconds for which a user repeats denied requests
_SHARE_OF_DEFECTS: Final = 0.25
_SHARE_OF_PARTNERS: Final = 0.1

Changes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect of a request, and the denial that it causes.

    Attributes:
        denial: The answer.
        claims: Returns the changed claims at this Unix time; ``...`` removes a claim.
        header: Changed parameters of the token's header.
        query: The query; ``{}`` stands for the token.
        tenant: The tenant in the path of the room.
        secret: Another secret for the signature.
        algorithm: Another algorithm for the signature.
    """

    denial: Outcome
    claims: Callable[[float], Changes] = lambda _now: {}
    header: Changes = field(default_factory=dict)
    query: str = "jwt={}"
    tenant: str = ""
    secret: str = ""
    algorithm: str = ""


def _claims(**claims: Any) -> Callable[[float], Changes]:
    return lambda _now: claims


COMMON_DEFECTS: Final = (
    Defect((401, "token-missing"), query="config.x=1"),
    Defect((401, "token-malformed"), query="jwt=eyJ0.e30"),
    Defect((401, "ambiguous-request"), query="jwt={0}&jwt={0}"),
    Defect((401, "algorithm-not-allowed"), secret=OTHER_SECRET, algorithm="HS512"),
    Defect((401, "type-not-jwt"), header={"typ": "JOSE"}),
    Defect((401, "expiry-malformed"), _claims(exp="soon")),
    Defect((401, "not-before-malformed"), _claims(nbf="then")),
    Defect(EXPIRED, lambda now: {"exp": now - 2}),
    Defect((401, "token-not-yet-valid"), lambda now: {"nbf": now + 3600}),
    Defect((401, "issuer-missing"), _claims(iss=...)),
    Defect((401, "issuer-not-accepted"), _claims(iss="another-site")),
    Defect((401, "audience-missing"), _claims(aud=...)),
    Defect((401, "audience-not-accepted"), _claims(aud="zoom")),
    Defect((401, "room-claim-missing"), _claims(room=...)),
    Defect((401, "subject-missing"), _claims(sub=...)),
    Defect((401, "claim-malformed"), _claims(context={"user": 5})),
    Defect((403, "room-mismatch"), _claims(room="another-room")),
)
SECRET_HOST_DEFECTS: Final = (
    Defect((401, "signature-invalid"), secret=OTHER_SECRET),
    Defect((401, "signature-invalid"), secret=SECRET + " "),
)
KEY_HOST_DEFECTS: Final = (
    Defect((401, "key-id-missing"), header={"kid": ...}),
    Defect((403, "domain-mismatch"), _claims(sub="elsewhere.example.org")),
    Defect((403, "tenant-mismatch"), _claims(sub="other"), tenant="clinic"),
    Defect((403, "room-pattern-invalid"), _claims(room="%", context={"room": {"regex": True}})),
)
INVENTED_KEY: Final = Defect((401, "key-unknown"))
FORGED_SIGNATURE: Final = Defect((401, "signature-invalid"))


@dataclass(slots=True, eq=False)
class PublishedKey:
    """A key, and what the service knows of it.

    Attributes:
        signer: The key.
        known: Whether the service has a key under this key id.
        is_current: Whether that is this key.
    """

    signer: Signer
    known: TimedFlag = field(default_factory=TimedFlag)
    is_current: TimedFlag = field(default_factory=TimedFlag)


@dataclass(slots=True)
class SharedState:
    """The state of the service and its surroundings that answers depend on.

    Attributes:
        keys: The keys that sign tokens.
        unpublished: A key that is not published.
        partner: Whether the second issuer is accepted.
        outage: Whether the key server fails, or failed a short time ago.
        up: Whether the service runs.
        workers: Whether all workers run. A request may be lost with a worker that is killed: nginx
            asks again, but not without end.
        store: Whether every worker has loaded the revocations.
    """

    keys: list[PublishedKey]
    unpublished: Signer
    partner: TimedFlag = field(default_factory=TimedFlag)
    outage: TimedFlag = field(default_factory=lambda: TimedFlag(initial=False))
    up: TimedFlag = field(default_factory=TimedFlag)
    workers: TimedFlag = field(default_factory=TimedFlag)
    store: TimedFlag = field(default_factory=TimedFlag)


@dataclass(frozen=True, slots=True)
class UserSession:
    """A user with one token.

    Attributes:
        user: The id of the user.
        host: The requested host.
        path: The path of the page.
        room: The room of the page.
        query: The query with the token.
        conditions: The conditions that the token has to meet, in Jitsi's order.
        final_outcome: The answer if all conditions are met.
        ends: The end of the session, Unix time.
        token_id: The ``jti`` of the token.
        not_revoked: Whether the token is not revoked.
    """

    user: str
    host: str
    path: str
    room: str
    query: str = field(repr=False)
    conditions: tuple[Condition, ...] = field(repr=False)
    final_outcome: Outcome
    ends: float
    token_id: str
    not_revoked: TimedFlag = field(repr=False)


def new_session(user: int, state: SharedState) -> UserSession:
    """Return a session of a user with a new token, which may have a defect."""
    uses_secret = user % 2 == 0
    room, now = f"room-{user % 5000}", time.time()
    defect = _random_defect(uses_secret) if random.random() < _SHARE_OF_DEFECTS else None  # noqa: S311  # load
    lifetime = random.choice((8, 20, 60, 300, 900))  # noqa: S311  # load
    token_id = f"{user}-{now}"
    claims = {
        "iss": "app",
        "aud": "jitsi",
        "sub": "*" if uses_secret else DOMAIN,
        "room": room,
        "exp": now + lifetime,
        "jti": token_id,
        "context": {"user": {"id": f"user-{user}"}},
    }
    conditions: list[Condition] = []
    if defect is None and random.random() < _SHARE_OF_PARTNERS:  # noqa: S311  # load
        claims["iss"] = "partner"
        conditions.append(Condition(state.partner, (401, "issuer-not-accepted")))
    defect = defect or Defect(ALLOWED)
    claims |= defect.claims(now)
    if defect.denial[1] not in _BEFORE_EXPIRY:
        conditions.insert(0, _expiry(now + lifetime))
    not_revoked = TimedFlag()
    if defect.denial == ALLOWED or defect.denial[1] in _AFTER_REVOCATIONS:
        conditions.append(Condition(state.store, (503, "store-unavailable")))
        conditions.append(Condition(not_revoked, (403, "revoked")))
    token, key_conditions = _signed_token(present(claims), defect, state, uses_secret=uses_secret)
    tenant = f"/{defect.tenant}" if defect.tenant else ""
    return UserSession(
        f"user-{user}",
        SECRET_HOST if uses_secret else KEY_HOST,
        f"{tenant}/{room}",
        room,
        defect.query.format(token),
        (*key_conditions, *conditions),
        defect.denial,
        now + min(lifetime, 10 if defect.denial != ALLOWED else lifetime) + _RETRY_SECONDS,
        token_id,
        not_revoked,
    )


# Denials that are found before the expiry is checked.
_BEFORE_EXPIRY: Final = frozenset(
    (
        "ambiguous-request",
        "token-missing",
        "token-malformed",
        "key-id-missing",
        "algorithm-not-allowed",
        "key-unknown",
        "type-not-jwt",
        "signature-invalid",
        "expiry-malformed",
        "not-before-malformed",
        "token-expired",
    )
)
# Denials that are found after the revocations are checked.
_AFTER_REVOCATIONS: Final = frozenset(
    (
        "room-mismatch",
        "tenant-mismatch",
        "domain-mismatch",
        "room-pattern-invalid",
        "claim-malformed",
    )
)
# Denials that are found before the key is looked up.
_BEFORE_KEYS: Final = frozenset(
    (
        "ambiguous-request",
        "token-missing",
        "token-malformed",
        "key-id-missing",
        "algorithm-not-allowed",
    )
)


def _random_defect(uses_secret: bool) -> Defect:
    host_defects: tuple[Defect, ...] = (
        SECRET_HOST_DEFECTS if uses_secret else (*KEY_HOST_DEFECTS, INVENTED_KEY, FORGED_SIGNATURE)
    )
    return random.choice((*COMMON_DEFECTS, *host_defects))  # noqa: S311  # load


def _expiry(ends: float) -> Condition:
    valid = TimedFlag()
    valid.change(False, ends - 0.05, ends + EXPIRY_SECONDS)
    return Condition(valid, EXPIRED)


def _signed_token(
    claims: Changes, defect: Defect, state: SharedState, *, uses_secret: bool
) -> tuple[str, list[Condition]]:
    """Return a signed token, and the conditions on its key (if it has a key)."""
    if uses_secret or defect.secret:
        header = present({"kid": "k", **defect.header})
        secret, algorithm = defect.secret or SECRET, defect.algorithm or "HS256"
        return sign(claims, header, secret, algorithm), []
    key = random.choice(state.keys)  # noqa: S311  # load
    key_id = "invented-" + claims["jti"] if defect is INVENTED_KEY else key.signer.key_id
    signer = state.unpublished if defect in (FORGED_SIGNATURE, INVENTED_KEY) else key.signer
    token = sign(claims, present({"kid": key_id, **defect.header}), signer.key, "RS256")
    if defect.denial[1] in _BEFORE_KEYS:
        return token, []
    never, unavailable = TimedFlag(initial=False), (503, "keys-unavailable")
    known = never if defect is INVENTED_KEY else key.known
    conditions = [Condition(known, (401, "key-unknown"), unavailable, state.outage)]
    if defect.denial[1] != "type-not-jwt":  # which is checked before the signature
        signed = never if defect is FORGED_SIGNATURE else key.is_current
        conditions.append(Condition(signed, FORGED_SIGNATURE.denial, unavailable, state.outage))
    return token, conditions
