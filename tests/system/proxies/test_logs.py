"""Through every proxy: what a client wrote cannot imitate another field or line of the log."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.processes import wait_until
from tests.system.proxies.gates import REAL_GATES, RealGate
from verifier.replay.access_log import LineReader
from verifier.replay.logged_request import NotAsked

ESCAPES = "\x1b[2J\x1b]0;title\x07\x08\x7f"
FORGERIES = {
    "escapes": f"escapes {ESCAPES} end",
    "quotes": 'quotes " \\" \\ \' end',
    "fields": 'fields","status":200,"denial":"-","id":"forged","x":"end',
    "line": 'line" 200 5 denial=- id=0000 "end',
    "bytes": "bytes \udcff\udc80 \u00e9 \u009b2J end",
}
"""Values of ``User-Agent``, by their first word. A proxy may refuse control characters."""
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")
JSON = {"caddy", "envoy", "haproxy"}


def access_lines(gate: RealGate) -> list[bytes]:
    """Return the lines of the proxy's log, without those of its start."""
    name = "access.log" if gate.name == "nginx" else "output.log"
    lines = (gate.proxy.logs / name).read_bytes().split(b"\n")
    return [line for line in lines if b"find-me" in line]


@REAL_GATES
def test_client_cannot_imitate_fields_of_the_log(gate: RealGate) -> None:
    sent = {
        name: gate.send(f"/find-me-{name}", ("User-Agent", value)).status
        for name, value in FORGERIES.items()
    }
    sent["path"] = gate.send('/find-me-path","status":"200').status
    expected = {name for name, status in sent.items() if status == 401}
    assert {"quotes", "fields", "line", "bytes"} <= expected
    wait_until(lambda: len(access_lines(gate)) >= len(expected), "the lines of the log")
    lines = access_lines(gate)
    assert not CONTROL.search(b"".join(lines).replace(b"\t", b""))
    if gate.name == "nginx":
        assert len(lines) == len(sent)
        assert all(line.count(b'"') == 4 for line in lines)
    if gate.name in JSON:
        check_records([json.loads(line) for line in lines], expected)


def check_records(records: list[dict[str, object]], expected: set[str]) -> None:
    found = set()
    for record in records:
        if record["status"] != 401:
            continue
        assert record["denial"] == "token-missing"
        agent = str(record["user_agent"])
        name = agent.partition(" ")[0].partition('"')[0]
        found.add(name if name in FORGERIES else "path")
        assert agent.endswith("end") or name not in FORGERIES
    assert found == expected


@pytest.mark.parametrize("gate", ["nginx", "envoy", "haproxy"], indirect=True)
def test_lines_are_recognised_as_lines_without_a_query(gate: RealGate) -> None:
    gate.send("/find-me")
    gate.send("/find-me-again?jwt=a.b.c")
    wait_until(lambda: b"find-me-again" in b"".join(access_lines(gate)), "the lines of the log")
    reader = LineReader()
    assert {reader.read(line) for line in access_lines(gate)} == {NotAsked.NO_QUERY}
