"""Who comes with which token, and what is to become of it.

Every other user's tokens are signed with a shared secret, for a host that looks at no domain; the
others' with keys that rotate, for a host that does.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.perf.soak.keys import Signer
from tests.perf.soak.model import ALLOWED, Gate, Outcome, Switch
from tests.support.tokens import SECRET, present, sign

HASHED: Final = "meet.example.org"
SIGNED: Final = "keys.example.org"
DOMAIN: Final = "meet.jitsi"
STRANGER: Final = "a-secret-that-nobody-here-has-been-told"
EXPIRED: Final = (401, "token-expired")
TTL: Final = 5.0
"""``decision_ttl``, seconds: the longest that sidecar and nginx go by what they remember."""
KEPT: Final = TTL + 1.5
"""nginx counts whole seconds, and answers are on their way."""
LATE: Final = 1.0
"""The time, seconds, within which the end of a token is known everywhere."""
_AFTER: Final = 8.0  # seconds for which people go on trying
_SHARE_OF_MISTAKES: Final = 0.25
_SHARE_OF_PARTNERS: Final = 0.1

Changes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A question that is refused, and the answer.

    Attributes:
        refusal: The answer.
        claims: What the token claims instead, at this time; ``...`` for nothing.
        header: What its header says instead.
        query: What the query is instead, ``{}`` for the token.
        tenant: The tenant in whose path the room is.
        secret: Whom the token is signed by instead.
        algorithm: And how.
    """

    refusal: Outcome
    claims: Callable[[float], Changes] = lambda _now: {}
    header: Changes = field(default_factory=dict)
    query: str = "jwt={}"
    tenant: str = ""
    secret: str = ""
    algorithm: str = ""


def _claims(**claims: Any) -> Callable[[float], Changes]:
    return lambda _now: claims


EVERYWHERE: Final = (
    Mistake((401, "token-missing"), query="config.x=1"),
    Mistake((401, "token-malformed"), query="jwt=eyJ0.e30"),
    Mistake((401, "ambiguous-request"), query="jwt={0}&jwt={0}"),
    Mistake((401, "algorithm-not-allowed"), secret=STRANGER, algorithm="HS512"),
    Mistake((401, "type-not-jwt"), header={"typ": "JOSE"}),
    Mistake((401, "expiry-malformed"), _claims(exp="soon")),
    Mistake((401, "not-before-malformed"), _claims(nbf="then")),
    Mistake(EXPIRED, lambda now: {"exp": now - 2}),
    Mistake((401, "token-not-yet-valid"), lambda now: {"nbf": now + 3600}),
    Mistake((401, "issuer-missing"), _claims(iss=...)),
    Mistake((401, "issuer-not-accepted"), _claims(iss="nobody")),
    Mistake((401, "audience-missing"), _claims(aud=...)),
    Mistake((401, "audience-not-accepted"), _claims(aud="zoom")),
    Mistake((401, "room-claim-missing"), _claims(room=...)),
    Mistake((401, "subject-missing"), _claims(sub=...)),
    Mistake((401, "claim-malformed"), _claims(context={"user": 5})),
    Mistake((403, "room-mismatch"), _claims(room="elsewhere")),
)
HASHED_ONLY: Final = (
    Mistake((401, "signature-invalid"), secret=STRANGER),
    Mistake((401, "signature-invalid"), secret=SECRET + " "),
)
SIGNED_ONLY: Final = (
    Mistake((401, "key-id-missing"), header={"kid": ...}),
    Mistake((403, "domain-mismatch"), _claims(sub="elsewhere.example.org")),
    Mistake((403, "tenant-mismatch"), _claims(sub="other"), tenant="clinic"),
    Mistake((403, "room-pattern-invalid"), _claims(room="%", context={"room": {"regex": True}})),
)
INVENTED: Final = Mistake((401, "key-unknown"))
FORGED: Final = Mistake((401, "signature-invalid"))


@dataclass(slots=True)
class PublishedKey:
    """A key, and whether its document has it."""

    signer: Signer
    known: Switch = field(default_factory=Switch)


@dataclass(slots=True)
class World:
    """What the verdict on a token depends on besides the token.

    Attributes:
        keys: Those that are signed with.
        stranger: A key that nobody publishes.
        partner: Whether the second issuer is accepted.
        trouble: Whether the key server is announced to fail, or to have just failed.
        store: Whether every worker knows what has been revoked.
    """

    keys: list[PublishedKey]
    stranger: Signer
    partner: Switch = field(default_factory=Switch)
    trouble: Switch = field(default_factory=lambda: Switch(first=False))
    store: Switch = field(default_factory=Switch)


@dataclass(frozen=True, slots=True)
class Visit:
    """A user with a token, for as long as it is tried.

    Attributes:
        user: The user's id.
        host: Where.
        path: The page.
        room: Its room.
        query: Token and all.
        gates: Why the token may be refused, in Jitsi's order.
        verdict: What is answered otherwise.
        ends: When the user gives up, Unix time.
        token_id: The token's ``jti``.
        unrevoked: Whether the token has not been taken back.
    """

    user: str
    host: str
    path: str
    room: str
    query: str = field(repr=False)
    gates: tuple[Gate, ...] = field(repr=False)
    verdict: Outcome
    ends: float
    token_id: str
    unrevoked: Switch = field(repr=False)


def arrive(user: int, world: World) -> Visit:
    """Have a user come with a new token, good or not."""
    hashed = user % 2 == 0
    room, now = f"room-{user % 5000}", time.time()
    mistake = _mistake(hashed) if random.random() < _SHARE_OF_MISTAKES else None  # noqa: S311  # load
    lasts = random.choice((8, 20, 60, 300, 900))  # noqa: S311  # load
    token_id = f"{user}-{now}"
    claims = {
        "iss": "app",
        "aud": "jitsi",
        "sub": "*" if hashed else DOMAIN,
        "room": room,
        "exp": now + lasts,
        "jti": token_id,
        "context": {"user": {"id": f"user-{user}"}},
    }
    gates: list[Gate] = []
    if mistake is None and random.random() < _SHARE_OF_PARTNERS:  # noqa: S311  # load
        claims["iss"] = "partner"
        gates.append(Gate(world.partner, (401, "issuer-not-accepted")))
    mistake = mistake or Mistake(ALLOWED)
    claims |= mistake.claims(now)
    if mistake.refusal[1] not in _BEFORE_EXPIRY:
        gates.insert(0, _expiry(now + lasts))
    unrevoked = Switch()
    if mistake.refusal == ALLOWED or mistake.refusal[1] in _AFTER_REVOCATIONS:
        gates.append(Gate(world.store, (503, "store-unavailable")))
        gates.append(Gate(unrevoked, (403, "revoked")))
    token, found = _signed(present(claims), mistake, world, hashed=hashed)
    tenant = f"/{mistake.tenant}" if mistake.tenant else ""
    return Visit(
        f"user-{user}",
        HASHED if hashed else SIGNED,
        f"{tenant}/{room}",
        room,
        mistake.query.format(token),
        (*found, *gates),
        mistake.refusal,
        now + min(lasts, 10 if mistake.refusal != ALLOWED else lasts) + _AFTER,
        token_id,
        unrevoked,
    )


# What is found out before anybody looks at the time.
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
# What is found out when it has been looked whether the token was taken back.
_AFTER_REVOCATIONS: Final = frozenset(
    (
        "room-mismatch",
        "tenant-mismatch",
        "domain-mismatch",
        "room-pattern-invalid",
        "claim-malformed",
    )
)
# What is found out before anybody looks for a key.
_BEFORE_KEYS: Final = frozenset(
    (
        "ambiguous-request",
        "token-missing",
        "token-malformed",
        "key-id-missing",
        "algorithm-not-allowed",
    )
)


def _mistake(hashed: bool) -> Mistake:
    own: tuple[Mistake, ...] = HASHED_ONLY if hashed else (*SIGNED_ONLY, INVENTED, FORGED)
    return random.choice((*EVERYWHERE, *own))  # noqa: S311  # load


def _expiry(ends: float) -> Gate:
    valid = Switch()
    valid.turn(False, ends - 0.05, ends + LATE)
    return Gate(valid, EXPIRED)


def _signed(
    claims: Changes, mistake: Mistake, world: World, *, hashed: bool
) -> tuple[str, list[Gate]]:
    """Sign a token; also gives what stands between it and its key."""
    if hashed or mistake.secret:
        header = present({"kid": "k", **mistake.header})
        secret, algorithm = mistake.secret or SECRET, mistake.algorithm or "HS256"
        return sign(claims, header, secret, algorithm), []
    key = random.choice(world.keys)  # noqa: S311  # load
    key_id = "invented-" + claims["jti"] if mistake is INVENTED else key.signer.key_id
    signer = world.stranger if mistake in (FORGED, INVENTED) else key.signer
    token = sign(claims, present({"kid": key_id, **mistake.header}), signer.key, "RS256")
    if mistake.refusal[1] in _BEFORE_KEYS:
        return token, []
    known = Switch(first=False) if mistake is INVENTED else key.known
    unavailable = (503, "keys-unavailable")
    return token, [Gate(known, (401, "key-unknown"), unavailable, world.trouble)]
