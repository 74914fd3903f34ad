"""The search for dear requests: short runs, which assert no time."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.costs import is_over, search, work_of
from tests.fuzz.mutations import Mutator
from tests.support.costs.catalogue import ENDPOINTS, requests_for
from tests.support.costs.measure import Cost
from tests.support.costs.modes import MODES
from tests.support.costs.requests import Request, ask_auth, plain_request
from tests.support.costs.service import open_service


def test_same_seed_makes_the_same_whole_requests() -> None:
    def make() -> list[bytes]:
        mutator, made = Mutator(Random(1)), []  # noqa: S311
        for endpoint in ENDPOINTS:
            for request in list(requests_for(endpoint))[::50]:
                made.append(mutator.mutate(request.data))
                made.append(mutator.mutate(made[-1]))
        return made

    made = make()
    assert made == make()
    for request in made:
        head, blank, body = request.partition(b"\r\n\r\n")
        assert blank
        first, *fields = head.split(b"\r\n")
        assert len(first.split(b" ")) == 3
        assert all(b":" in field for field in fields)
        if body and b"chunked" not in head:
            assert fields[-1] == b"Content-Length: %d" % len(body)


async def test_work_is_the_same_in_each_run_and_grows(tmp_path: Path) -> None:
    few = Request("/auth", "few", ask_auth("/standup?" + "%61=&" * 10))
    many = Request("/auth", "many", ask_auth("/standup?" + "%61=&" * 100))
    async with open_service(MODES["defaults"](tmp_path), tmp_path) as service:
        await work_of(service, many)  # the first one has the work of lazy imports, too
        works = [await work_of(service, request) for request in (few, many, few, many)]
    assert works[:2] == works[2:]
    assert works[1] > works[0] + 90


async def test_search_sends_requests_to_every_endpoint(tmp_path: Path) -> None:
    found, dearest = await search("everything", 0.5, tmp_path)
    assert set(found.pool) == set(ENDPOINTS)
    assert found.inputs > 100
    assert dearest


@pytest.mark.parametrize(
    ("seconds", "ratio", "over"),
    [(0.001, 5.9, False), (0.001, 8.0, True), (0.005, 1.0, True), (0.0019, 6.5, False)],
)
def test_request_clearly_over_the_bar_is_over(seconds: float, ratio: float, over: bool) -> None:
    request = Request("/auth", "plain", plain_request("defaults", "/auth", 900))
    assert is_over(Cost(request, seconds, ratio)) is over
