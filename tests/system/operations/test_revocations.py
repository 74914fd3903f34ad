"""Revocations are backed up and moved while good and revoked tokens arrive."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.documents import section
from tests.support.processes import get, post
from tests.support.redis_server import RedisServer, running_redis
from tests.support.tokens import SECRET
from tests.system.operations.machine import PAGE, Machine, running_machine, steps
from tests.system.operations.stream import DENIED, EITHER, running_stream, token

OPTIONS: Final = """
app_id = "app"
app_secret = "{secret}"
workers = 2
revocation_store = "sqlite://{folder}/var/lib/jitsi-verifier/revocations"
"""
REVOKED: Final[dict[str, dict[str, Any]]] = {
    "revoked id": {"jti": 'a "quoted" id with blanks, \\ and ü'},
    "revoked user": {"context": {"user": {"id": "4711"}}},
    "revoked issue": {"iat": 1_000},
}
CRITERIA: Final[list[dict[str, Any]]] = [
    {"jti": REVOKED["revoked id"]["jti"], "reason": "it's lost; $HOME `x`"},
    {"user_id": "4711"},
    {"iss": "app", "issued_before": 2_000.5, "expires": 4_000_000_000},
    {"room": "closed", "tenant": "acme"},
    *({"jti": f"t-{number}", "user_id": "x"} for number in range(50)),
]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with running_redis(folder, "--appendonly", "yes") as server:
        yield server


@pytest.fixture
def machine(tmp_path: Path, redis: RedisServer) -> Iterator[Machine]:
    options = OPTIONS.format(folder=tmp_path, secret=SECRET)
    addresses = {"127.0.0.1:6379": f"127.0.0.1:{redis.port}"}
    with running_machine(tmp_path, options, addresses) as machine:
        for each in CRITERIA:
            assert change(machine, each) == 201
        yield machine


def change(machine: Machine, body: dict[str, Any]) -> int:
    headers = {"Content-Type": "application/json"}
    return post(machine.admin, "/v1/revocations", json.dumps(body).encode(), headers).status


def listed(machine: Machine) -> set[str]:
    found = get(machine.admin, "/v1/revocations").json["revocations"]
    return {json.dumps(each, sort_keys=True) for each in found}


def good() -> str:
    return token(jti="good", iat=3_000)


def test_move_to_redis_accepts_no_revoked_token(machine: Machine, redis: RedisServer) -> None:
    start, copy, switch = steps("Move revocations to Redis")
    (stop,) = re.findall("`(kill .*)`", section(PAGE, "Move revocations to Redis"))
    before = listed(machine)
    assert len(before) == len(CRITERIA)
    with running_stream(machine.port, {"good": good}) as stream:
        for kind, claims in REVOKED.items():
            stream.expect(kind, DENIED, partial(token, **{"iat": 3_000} | claims))
        for commands in (start, copy, switch, stop):
            machine.run(commands)
            stream.flow()
        assert listed(machine) == before
        assert len(redis.stored()) == len(CRITERIA)
        # Go back.
        back = machine.etc / "verifier.toml"
        options = OPTIONS.format(folder=machine.folder, secret=SECRET)
        back.write_text(re.sub('redis://[^"]*', options.split('"')[-2], back.read_text()))
        machine.restart()
        assert listed(machine) == before
    assert redis.process is not None


def test_backup_restores_every_revocation(machine: Machine) -> None:
    save, restore = steps("Back up and restore")
    before = listed(machine)
    with running_stream(machine.port, {"good": good}) as stream:
        stream.expect("revoked", EITHER, lambda: token(iat=3_000, **REVOKED["revoked user"]))
        machine.run(save)
        machine.run("jitsi-verifier revoke --undo --user-id 4711")
        assert change(machine, {"jti": "made since"}) == 201
        machine.run(restore)
        stream.expect("revoked", DENIED)
    assert listed(machine) >= before
    assert len(listed(machine)) == len(before) + 1


def test_restore_reports_a_revocation_that_was_not_stored(machine: Machine) -> None:
    save, restore = steps("Back up and restore")
    machine.run(save)
    file = machine.folder / "root/revocations.json"
    file.write_text(file.read_text().replace('"user_id"', '"userid"'))
    with pytest.raises(AssertionError, match="400"):
        machine.run(restore)
