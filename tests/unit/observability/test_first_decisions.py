"""Which decisions about tokens are counted as first ones."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.support.samples import samples_of
from verifier.observability.metrics import Metrics
from verifier.observability.registry import MetricMemory
from verifier.rules.model import Allow, Decision, DenialCode, Deny

FORGED = Deny(DenialCode.SIGNATURE_INVALID)
OTHER_ROOM = Deny(DenialCode.ROOM_MISMATCH)
UNAVAILABLE = Deny(DenialCode.KEYS_UNAVAILABLE)
HOME, SCHOOL = "192.0.2.1", "192.0.2.2"
MINUTE = 60.0
HOUR = 60 * MINUTE
WEEK = 7 * 24 * HOUR


class Counted:
    """The metrics of one worker, and what they count."""

    def __init__(self, memory: MetricMemory | None = None, worker: int = 0) -> None:
        self.now = WEEK
        self.metrics = Metrics(memory, worker, clock=lambda: self.now)

    def count(
        self, token: str, decision: Decision, client: str | None = None, *, enforced: bool = True
    ) -> None:
        index = self.metrics.decisions.outcome_index("auth", decision, enforced=enforced)
        address = None if client is None else client.encode()
        self.metrics.decisions.count_token((hash(token), index, address))
        self.metrics.flush()

    def shown(self) -> dict[str, float]:
        """Return what is above zero, by outcome and code."""
        counts = Counter[str]()
        for (name, labels), value in samples_of(self.metrics).items():
            if name == "first_decisions_total" and value:
                named = dict(labels)
                counts[f"{named['outcome']} {named['code']}".strip()] += int(value)
        return dict(counts)


@pytest.fixture
def counted() -> Counted:
    """Return new metrics."""
    return Counted()


def test_token_counts_once_for_each_outcome(counted: Counted) -> None:
    for _ in range(3):
        for decision in (Allow(), OTHER_ROOM, Deny(DenialCode.REVOKED), UNAVAILABLE):
            counted.count("a", decision)
    assert counted.shown() == {
        "allowed": 1,
        "denied room-mismatch": 1,
        "error keys-unavailable": 1,
    }


def test_token_counts_again_after_an_hour(counted: Counted) -> None:
    counted.count("a", Allow())
    counted.now += HOUR - MINUTE
    counted.count("a", Allow())
    assert counted.shown() == {"allowed": 1}
    counted.now += MINUTE
    counted.count("a", Allow())
    assert counted.shown() == {"allowed": 2}


def test_endpoints_and_moderators_share_the_count(counted: Counted) -> None:
    decisions = counted.metrics.decisions
    for endpoint, decision in (("auth", Allow()), ("verify", Allow(affiliation="owner"))):
        index = decisions.outcome_index(endpoint, decision)
        decisions.count_token((hash("a"), index, None))
        decisions.count_token((hash(endpoint), index, None))
    assert counted.shown() == {"allowed": 3}


def test_reported_denials_count_apart(counted: Counted) -> None:
    counted.count("a", OTHER_ROOM, enforced=False)
    counted.count("a", FORGED, HOME, enforced=False)
    counted.count("b", FORGED, HOME, enforced=False)
    assert counted.shown() == {"would-deny room-mismatch": 1, "would-deny signature-invalid": 1}


def test_workers_share_what_was_counted() -> None:
    memory = MetricMemory(2)
    own = Counted(memory, 0)
    own.count("a", Allow())
    pid = os.fork()
    if pid == 0:
        other = Counted(memory, 1)
        other.count("a", Allow())
        other.count("b", Allow())
        os._exit(0)
    os.waitpid(pid, 0)
    own.count("b", Allow())
    assert own.shown() == {"allowed": 2}


@pytest.mark.parametrize(
    "code",
    [DenialCode.SIGNATURE_INVALID, DenialCode.KEY_UNKNOWN, DenialCode.TOKEN_MALFORMED],
)
def test_invented_tokens_of_one_address_count_once_an_hour(
    counted: Counted, code: DenialCode
) -> None:
    for number in range(1000):
        counted.count(f"a{number}", Deny(code), HOME)
    assert counted.shown() == {f"denied {code}": 1}
    counted.now += HOUR
    counted.count("b", Deny(code), HOME)
    assert counted.shown() == {f"denied {code}": 2}


def test_signed_tokens_of_one_address_all_count(counted: Counted) -> None:
    for number in range(30):
        counted.count(f"a{number}", OTHER_ROOM, HOME)
    assert counted.shown() == {"denied room-mismatch": 30}


def test_bad_tokens_of_an_address_with_allowed_ones_count(counted: Counted) -> None:
    counted.count("good", Allow(), SCHOOL)
    counted.now += WEEK - MINUTE
    for number in range(30):
        counted.count(f"a{number}", FORGED, SCHOOL)
        counted.count(f"a{number}", FORGED, HOME)
    refused = counted.shown()["denied signature-invalid"]
    assert 25 <= refused <= 31  # few share a slot
    counted.now += MINUTE
    for number in range(30):
        counted.count(f"b{number}", FORGED, SCHOOL)
    assert counted.shown() == {"allowed": 1, "denied signature-invalid": refused + 1}


def test_address_with_an_allowed_token_cannot_count_any_number(counted: Counted) -> None:
    counted.count("good", Allow(), SCHOOL)
    for number in range(30_000):
        counted.count(f"a{number}", FORGED, SCHOOL)
    # Two addresses of the table may share a slot, so that some count again.
    assert counted.shown()["denied signature-invalid"] <= 2_300


def test_half_of_the_people_behind_one_address_are_refused(counted: Counted) -> None:
    for number in range(3_000):
        counted.count(f"a{number}", Allow(), SCHOOL)
        counted.count(f"b{number}", FORGED, SCHOOL)
    shown = counted.shown()
    refused, admitted = shown["denied signature-invalid"], shown["allowed"]
    assert refused / (refused + admitted) > 0.33  # the threshold of JitsiVerifierDenyRatioHigh


def test_bad_tokens_without_an_address_all_count(counted: Counted) -> None:
    for number in range(30):
        counted.count(f"a{number}", FORGED)
    assert counted.shown() == {"denied signature-invalid": 30}


@pytest.mark.parametrize(
    ("addresses", "networks"),
    [
        (["2001:db8:1:2::1", "2001:db8:1:2:ffff::2"], 1),
        (["2001:db8:1:2::1", "2001:db8:1:3::1"], 1),
        (["2001:db8:1:2::1", "2001:db8:2:2::1"], 2),
        (["2001:db8::a:b:c:d", "2001:db8::1:b:c:d"], 1),
        (["2001:db8::1", "2001:db8:0:0:2::"], 1),
        (["::ffff:192.0.2.1", "::ffff:192.0.2.2"], 2),
        (["a:" * 20, "b:" * 20], 2),
    ],
)
def test_ipv6_addresses_count_by_their_network(
    counted: Counted, addresses: list[str], networks: int
) -> None:
    for number in range(10):
        counted.count(f"a{number}", FORGED, addresses[number % 2])
    assert counted.shown() == {"denied signature-invalid": networks}


def test_many_tokens_are_counted_nearly_right(counted: Counted) -> None:
    decisions = counted.metrics.decisions
    allowed = decisions.outcome_index("auth", Allow())
    for _ in range(3):
        for number in range(10_000):
            decisions.count_token((hash(f"a{number}"), allowed, None))
    # A token that shares its slot with another one counts again.
    assert 10_000 <= counted.shown()["allowed"] < 13_000
