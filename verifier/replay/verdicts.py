"""Which host's rules and keys judge, and the verdict on one request at its own time.

Reads a request as the gate does. Knows no file and no log.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from verifier.decisions.bypass import Bypass
from verifier.replay.access_log import LoggedRequest, Unasked, is_public
from verifier.replay.keys import KeyDesk
from verifier.rooms.host import name_of_host
from verifier.rooms.url import Target, parse_target, parse_url
from verifier.rules.denials import UNKNOWN_HOST, ambiguous
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, Allow, Decision, DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.rules.room import access_request

_AMBIGUOUS: Final = ambiguous("it can be read in two ways, or not at all")
_REMEMBERED: Final = 2_000
_NO_BYPASS: Final = Bypass()
_BEFORE_TIMES: Final = frozenset(
    {
        DenialCode.ALGORITHM_NOT_ALLOWED,
        DenialCode.TYPE_NOT_JWT,
        DenialCode.SIGNATURE_INVALID,
    }
)
"""Found before a token's times are looked at."""


class Court:
    """One host's policy and keys."""

    def __init__(self, policy: Policy, keys: KeyDesk) -> None:
        self.policy = policy
        self._keys = keys
        # A session asks with one token again and again. No digest: the log holds them all anyway.
        self._rulings: dict[AccessRequest, tuple[float, float, Decision]] = {}

    def judge(self, request: AccessRequest, now: float) -> Decision:
        """Judge at ``now``, Unix seconds, which may go back and forth."""
        since, until, ruling = self._rulings.get(request, (0.0, 0.0, _AMBIGUOUS))
        if since <= now < until:
            return ruling
        ruling = self._decide(request, now)
        # Under strict rules a certificate's end counts, too, which a ruling does not tell.
        held = None if self.policy.strict else _holds(ruling, now)
        if held is not None:
            if len(self._rulings) >= _REMEMBERED:
                self._rulings.clear()
            # Who it was is of no interest here, and takes room.
            kept = Allow() if isinstance(ruling, Allow) else ruling
            self._rulings[request] = (*held, kept)
        return ruling

    def _decide(self, request: AccessRequest, now: float) -> Decision:
        decision = decide(request, self.policy, self._keys, now)
        if not isinstance(decision, Deny) or decision.code is not DenialCode.KEY_UNKNOWN:
            return decision
        if decision.key_id is None:
            return decision
        return decide(request, self.policy, self._keys.find(decision.key_id), now)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the gate would have said.

    Attributes:
        host: The configured host that judged; None for the one of all others.
        target: What was asked for; None where it cannot be read.
        decision: The verdict.
    """

    host: str | None
    target: Target | None
    decision: Decision


class Courts:
    """All hosts.

    Args:
        default: For every host that has none of its own.
        by_host: By host name, lower case.
        strict: Whether hosts that have none of their own are refused.
        bypass: Clients that need no token.
        assumed_host: The host of requests whose log does not name one.
    """

    def __init__(
        self,
        default: Court,
        by_host: Mapping[str, Court],
        *,
        strict: bool = False,
        bypass: Bypass = _NO_BYPASS,
        assumed_host: str | None = None,
    ) -> None:
        self._default = default
        self._by_host = by_host
        self._strict = strict
        self._bypass = bypass
        self._assumed_host = assumed_host

    def judge(self, request: LoggedRequest) -> Ruling | Unasked:
        """Judge one request as the gate would have, or say that it would not have been asked."""
        written, host = _target(request)
        if is_public(written.partition("?")[0]):
            return Unasked.PUBLIC
        target = parse_target(written)
        name = name_of_host(host or self._assumed_host or "")
        court = self._by_host.get(name)
        own = name if court else None
        tokens = set() if target is None else {*target.jwt, *target.token}
        if target is None or target.ambiguous or len(tokens) > 1:
            return Ruling(own, target, _AMBIGUOUS)
        if court is None and self._strict:
            return Ruling(None, target, UNKNOWN_HOST)
        court = court or self._default
        if not tokens and target.address and self._bypass.includes(request.address):
            return Ruling(own, target, Allow())
        question = access_request(tokens.pop() if tokens else None, target.address, court.policy)
        return Ruling(own, target, court.judge(question, request.time))


def _target(request: LoggedRequest) -> tuple[str, str | None]:
    """Give path and query, and the host: a proxy sends an absolute URL on as these."""
    if request.target.startswith("/"):
        return request.target, request.host
    url = parse_url(request.target)
    if url is None:
        return request.target, request.host
    query = f"?{url.target.query}" if url.target.query else ""
    return f"{url.target.path}{query}", request.host or url.host


def _holds(ruling: Decision, now: float) -> tuple[float, float] | None:
    """Say from when to when a ruling holds, as far as it tells; None where it does not."""
    if isinstance(ruling, Allow):
        return now, math.inf if ruling.expires_at is None else ruling.expires_at
    if ruling.code in _BEFORE_TIMES:
        return -math.inf, math.inf
    if ruling.code is DenialCode.TOKEN_EXPIRED:
        return now, math.inf
    return None
