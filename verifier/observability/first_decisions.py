"""Counts the first decision about each token: how many people are let in, and how many are not.

The number of decisions says little about people. A proxy remembers allows and asks again about each
denial; a person who is let in sends many requests, and one who is not sends few. So each token
counts once an hour for each outcome.

Any client can invent tokens. Those without a good signature count as follows:

client address            | counted are
--------------------------|-----------------------------------------------------------
unknown                   | its tokens, as above
a token of it was allowed | its tokens, as above, at most about 2,000; people share an address at
within the last week      | a school, and one of them could invent any number
any other                 | all its tokens together, once an hour

What was counted is in one table of fixed size, which all workers share. A new entry replaces what
is in its slot, so that a token may count again, or twice if two workers write at once. The alerts
allow for this. An entry is a hash with a random key, which the workers inherit, and no token or
address can be read from it.

A decision only appends to a list, which is counted a few times a second (``flush``). To look into
the table at once would make the decision of a new token 6 % slower, because the table is rarely in
the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from socket import AF_INET6, inet_pton
from typing import Final, TypeAlias

from verifier.observability.registry import SLOTS, Registry, SeenTokens
from verifier.rules.model import CODES_AFTER_SIGNATURE, DenialCode

DecidedToken: TypeAlias = tuple[int, int, bytes | None]
"""The ``hash`` of a token, the outcome index of the decision, and the client's address as the proxy
says it; None if it is not known. If a client can choose this text, its tokens count as if the
address was not known."""

_LAST: Final = SLOTS - 1
_TOKEN_MINUTES: Final = 60
_ADDRESS_MINUTES: Final = 7 * 24 * 60

_OUTCOMES: Final = ("allowed", "denied", "would-deny", "error")
_ALLOWED: Final = 0
_MOST_INVENTED: Final = 2_048
"""So many tokens without a good signature may count for an address, each hour and outcome. Two of
its tokens may count as one: of 300 tokens about 280 count. So the alert still fires if half of
3,000 people an hour are refused and the proxy knows one address for all of them."""
_MAPPED: Final = inet_pton(AF_INET6, "::ffff:0.0.0.0")[:12]
_ADDRESS: Final = 4
"""Mixed into the hash of an address; into that of a token, the number of its outcome is."""


class FirstDecisions:
    """Counts the first decision of each outcome about a token.

    Args:
        registry: Where the metric is registered.
        seen: What was counted.
        outcomes: The outcome and the code of each outcome index.
        clock: Seconds, the same for all workers.

    Attributes:
        note: Notes the decision about a token, to be counted at the next flush.
    """

    def __init__(
        self,
        registry: Registry,
        seen: SeenTokens,
        outcomes: Sequence[tuple[str, str]],
        clock: Callable[[], float],
    ) -> None:
        self._hashes, self._minutes = seen.hashes, seen.minutes
        self._clock = clock
        counter = registry.counter(
            "first_decisions",
            "Tokens by the outcome and code of their first decision within an hour.",
            ["outcome", "code"],
        )
        labels = dict.fromkeys(outcomes)
        counters = {
            (outcome, code): counter.value(outcome, code, rare=outcome == "would-deny")
            for outcome, code in labels
        }
        # By outcome index: the number of the outcome, whether any client can cause it, its counter.
        self._kinds = [
            (_OUTCOMES.index(outcome), _can_be_invented(code), counters[outcome, code])
            for outcome, code in outcomes
        ]
        self._new: list[DecidedToken] = []
        # The method of the list itself takes half the time of one of ours.
        self.note: Callable[[DecidedToken], None] = self._new.append

    def flush(self) -> None:
        """Count what is new since the last flush."""
        new = self._new.copy()
        self._new.clear()
        minute = int(self._clock() // 60)
        for key, outcome_index, client in new:
            self._count(key, outcome_index, client, minute)

    def _count(self, key: int, outcome_index: int, client: bytes | None, minute: int) -> None:
        outcome, invented, counter = self._kinds[outcome_index]
        if client is not None and (invented or outcome == _ALLOWED):
            address = _hash_address(client)
            if not invented:
                self._write(address, minute)
            elif self._contains(address, minute - _ADDRESS_MINUTES):
                key = hash((address, key % _MOST_INVENTED))
            else:
                key = address
        key ^= outcome
        if not self._contains(key, minute - _TOKEN_MINUTES):
            self._write(key, minute)
            counter.inc()

    def _contains(self, key: int, minute: int) -> bool:
        """Return whether the table has a key that was written after this minute."""
        slot = key & _LAST
        return self._hashes[slot] == key and self._minutes[slot] > minute

    def _write(self, key: int, minute: int) -> None:
        slot = key & _LAST
        self._hashes[slot] = key
        self._minutes[slot] = minute


def _can_be_invented(code: str) -> bool:
    return code != "" and DenialCode(code) not in CODES_AFTER_SIGNATURE


def _hash_address(client: bytes) -> int:
    """Return the hash of an address; of IPv6, of its /48, which one client may have for nothing."""
    return hash(_network(client) if b":" in client else client) ^ _ADDRESS


def _network(client: bytes) -> bytes:
    # Not by the text: in 2001:db8::a:b:c:d, the part "a" is the fourth.
    try:
        packed = inet_pton(AF_INET6, client.decode())
    except (OSError, ValueError):
        return client
    return packed if packed.startswith(_MAPPED) else packed[:6]
