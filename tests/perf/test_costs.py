"""The program that measures crafted requests; it asserts no time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.costs.catalogue import ENDPOINTS, requests_for
from tests.support.costs.measure import Cost, Measure
from tests.support.costs.modes import MODES
from tests.support.costs.requests import PROXY_ENDPOINTS, Request, get, plain_request
from tests.support.costs.service import open_service


@pytest.mark.parametrize("mode", MODES)
async def test_a_plain_forged_token_is_denied_for_its_signature(mode: str, tmp_path: Path) -> None:
    async with open_service(MODES[mode](tmp_path), tmp_path) as service:
        for endpoint in (*PROXY_ENDPOINTS, "/v1/verify"):
            for length in (900, 15_500):
                request = plain_request(mode, endpoint, length)
                assert abs(len(request) - length) < 100
                seconds, response = await service.ask(request)
                assert seconds > 0
                assert b"signature-invalid" in response


async def test_every_kind_of_request_is_answered_without_an_error(tmp_path: Path) -> None:
    async with open_service(MODES["everything"](tmp_path), tmp_path) as service:
        for endpoint in ENDPOINTS:
            for request in _some(list(requests_for(endpoint))):
                _, response = await service.ask(request.data, admin=request.admin)
                assert response.startswith(b"HTTP/1.1 ")
                assert not response.startswith(b"HTTP/1.1 500")


def _some(requests: Sequence[Request]) -> Sequence[Request]:
    return requests[:: max(1, len(requests) // 30)]


def test_severity_is_above_one_over_the_bar() -> None:
    request = Request("/auth", "any", b"")
    assert Cost(request, 0.0001, 12.0).severity == 2
    assert Cost(request, 0.001, 1.0).severity == 0.5


async def test_a_dear_request_is_found_and_compared(tmp_path: Path) -> None:
    async with open_service(MODES["defaults"](tmp_path), tmp_path) as service:
        cheap = Request("/healthz", "cheap", get("/healthz"))
        dear = Request("/auth", "dear", plain_request("defaults", "/auth", 16_000))
        found = await Measure(service, "defaults").dearest([cheap, dear], 1)
        assert [cost.request for cost in found] == [dear]


async def test_decisions_are_forgotten_between_measurements(tmp_path: Path) -> None:
    request = plain_request("defaults", "/auth", 600)
    async with open_service(MODES["defaults"](tmp_path), tmp_path) as service:
        await service.ask(request)
        assert len(service._state.cache) == 1
        service.forget()
        assert len(service._state.cache) == 0
        assert (
            json.loads((await service.ask(request))[1].partition(b"\r\n\r\n")[2])["status"] == 401
        )
