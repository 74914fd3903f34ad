"""The address of the client in the verifier's log is the one that the proxy sees."""

from __future__ import annotations

import json

import pytest

from tests.support import raw_http
from tests.support.processes import wait_until
from tests.system.proxies.gates import REAL_GATES, RealGate

VICTIM = "198.51.100.66"
CLIENT = "127.0.0.77"
FORGED = [
    [],
    [("X-Real-IP", VICTIM)],
    [("X-Real-Ip", VICTIM), ("x-real-ip", VICTIM)],
    [("X_Real_IP", VICTIM)],
    [("X-Forwarded-For", VICTIM)],
    [("X-Forwarded-For", f"{VICTIM}, {CLIENT}"), ("X-Forwarded-For", VICTIM)],
    [("Forwarded", f"for={VICTIM}")],
    [("True-Client-IP", VICTIM), ("CF-Connecting-IP", VICTIM), ("X-Client-IP", VICTIM)],
    [("X-Envoy-External-Address", VICTIM), ("X-Original-Forwarded-For", VICTIM)],
    [("Connection", "X-Real-IP"), ("X-Real-IP", VICTIM)],
]


@REAL_GATES
@pytest.mark.parametrize("path", ["/{}", "/http-bind?room={}"])
def test_a_client_cannot_choose_its_address(gate: RealGate, path: str) -> None:
    rooms = [f"client-{len(path)}-{number}" for number in range(len(FORGED))]
    for room, headers in zip(rooms, FORGED, strict=True):
        raw_http.send(gate.proxy.port, path.format(room), *headers, source=CLIENT)

    def clients() -> dict[str, str | None]:
        lines = [json.loads(line) for line in gate.sidecar.log.read_text("utf-8").splitlines()]
        found = {line.get("room", "").partition("@")[0]: line.get("client") for line in lines}
        return {room: found[room] for room in rooms if room in found}

    wait_until(lambda: len(clients()) == len(rooms), "a line about each request")
    assert clients() == dict.fromkeys(rooms, CLIENT)
