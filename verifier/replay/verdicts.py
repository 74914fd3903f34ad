"""Decides logged requests, each at the time of its line, as the service would have decided them.

The decisions come from the same ``Verifier`` as the service's, with a clock that is set to each
line's time. The service keeps a response for some seconds. A replay remembers a decision together
with the times between which it holds, because times may go back: from one log to the next, or
because a web server writes a line only when its request ends.

Not in the replay, because no log contains them: revocations, single use, cookies and headers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, NamedTuple

from verifier.decisions.bypass import Bypass
from verifier.decisions.hosts import Hosts
from verifier.decisions.throttle import NoThrottle
from verifier.decisions.verifier import Keys, Verifier
from verifier.replay.exclusions import reason_to_exclude
from verifier.replay.logged_request import LoggedRequest, NotAsked
from verifier.replay.public_paths import is_public, is_unlock
from verifier.rooms.url import Target, parse_target, parse_url
from verifier.rules.denials import UNKNOWN_HOST, ambiguous
from verifier.rules.model import AccessRequest, Allow, Decision, DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.rules.room import access_request

_AMBIGUOUS: Final = ambiguous("it can be read in two ways, or not at all")
_MAX_REMEMBERED: Final = 2_000
_BEFORE_TIMES: Final = frozenset(
    {
        DenialCode.ALGORITHM_NOT_ALLOWED,
        DenialCode.TYPE_NOT_JWT,
        DenialCode.SIGNATURE_INVALID,
    }
)
"""Codes of steps before those that compare a token's times: they hold at any time."""

Run = Callable[[Coroutine[Any, Any, Decision]], Decision]
"""Runs a coroutine to its end."""


class TimedVerifier:
    """The verifier of one host, for any time, with a memory of its decisions.

    Args:
        policy: What the host accepts.
        keys: Where verification keys are found.
        run: Runs a decision that has to wait for a key.
    """

    def __init__(self, policy: Policy, keys: Keys, run: Run) -> None:
        self.verifier = Verifier(policy, keys, lambda: self._now, NoThrottle())
        self._run = run
        self._now = 0.0
        # Strict rules also compare the time with the end of a certificate, and a decision does not
        # tell that end.
        self._remembers = not policy.strict
        # By the request itself and not by a digest: the log contains the tokens anyway.
        self._remembered: dict[AccessRequest, tuple[float, float, Decision]] = {}

    def verify(self, request: AccessRequest, now: float) -> Decision:
        """Decide a request as of ``now``, Unix seconds, which may be earlier than the last one."""
        begin, end, decision = self._remembered.get(request, (0.0, 0.0, _AMBIGUOUS))
        if begin <= now < end:
            return decision
        self._now = now
        decision = self._decide(request)
        times = _holds_between(decision, now) if self._remembers else None
        if times is not None:
            # Cleared as a whole, because most sessions of an older part of the log have ended.
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            # A remembered request has no claims, because they need much memory.
            request.read = None
            remembered = Allow() if isinstance(decision, Allow) else decision
            self._remembered[request] = (*times, remembered)
        return decision

    def _decide(self, request: AccessRequest) -> Decision:
        decided = self.verifier.verify(request)
        return decided if isinstance(decided, Allow | Deny) else self._run(decided)


class Verdict(NamedTuple):
    """What the service would have answered.

    Attributes:
        host: The configured host whose rules applied; None for every other host.
        target: The request's target; None if it cannot be read.
        decision: The decision.
    """

    host: str | None
    target: Target | None
    decision: Decision


class ReplayVerifier:
    """Decides logged requests for all hosts.

    Args:
        default: For every host that has no verifier of its own.
        by_host: By host name, lower case.
        strict: Whether hosts without a verifier of their own are denied.
        bypass: Knows the clients that need no token.
        assumed_host: The host of requests whose line does not contain it.
        gate_redirects: Whether the gate itself redirects (``handoff``, ``denied_redirect_url``).
    """

    def __init__(  # noqa: PLR0913  # hosts, and the options that matter to a log
        self,
        default: TimedVerifier,
        by_host: Mapping[str, TimedVerifier],
        *,
        strict: bool = False,
        bypass: Bypass | None = None,
        assumed_host: str | None = None,
        gate_redirects: bool = False,
    ) -> None:
        verifiers = {host: timed.verifier for host, timed in by_host.items()}
        self._hosts = Hosts(default.verifier, verifiers, refuses_unknown_hosts=strict)
        self._timed = {timed.verifier: timed for timed in (default, *by_host.values())}
        self._bypass = bypass or Bypass()
        self._assumed_host = assumed_host or ""
        self._gate_redirects = gate_redirects

    def verify(self, request: LoggedRequest) -> Verdict | NotAsked:
        """Return the verdict at the request's own time, or why the request has none."""
        text, host = _target_and_host(request)
        path = text.partition("?")[0]
        if is_public(path):
            return NotAsked.KEEP_ALIVE if is_unlock(path) else NotAsked.PUBLIC
        target, host = parse_target(text), host or self._assumed_host
        excluded = reason_to_exclude(request, path, target, gate_redirects=self._gate_redirects)
        if excluded is not None:
            return excluded
        name = self._hosts.configured_name(host)
        tokens = set() if target is None else {*target.jwt, *target.token}
        if target is None or target.ambiguous or len(tokens) > 1:
            return Verdict(name, target, _AMBIGUOUS)
        verifier = self._hosts.find(host)
        if verifier is None:
            return Verdict(None, target, UNKNOWN_HOST)
        token = tokens.pop() if tokens else None
        access = access_request(token, target.address, verifier.policy)
        # The service believes a client's address only from a trusted proxy. Here the web server
        # itself wrote the address.
        if token is None and target.address and self._bypass.includes(request.address):
            return Verdict(name, target, verifier.allow_without_token(access))
        decision = self._timed[verifier].verify(access, request.time)
        return Verdict(name, target, decision)


def _target_and_host(request: LoggedRequest) -> tuple[str, str | None]:
    """Return path and query, and the host: a proxy splits an absolute URL into these, too."""
    if request.target.startswith("/"):
        return request.target, request.host
    url = parse_url(request.target)
    if url is None:
        return request.target, request.host
    query = f"?{url.target.query}" if url.target.query else ""
    return f"{url.target.path}{query}", request.host or url.host


def _holds_between(decision: Decision, now: float) -> tuple[float, float] | None:
    """Return the times between which a decision holds; None if it does not tell them."""
    if isinstance(decision, Allow):
        return now, math.inf if decision.expires_at is None else decision.expires_at
    if decision.code in _BEFORE_TIMES:
        return -math.inf, math.inf
    if decision.code is DenialCode.TOKEN_EXPIRED:
        return now, math.inf
    return None
