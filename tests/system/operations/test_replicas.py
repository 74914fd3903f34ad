"""Three replicas behind nginx are restarted one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import snippets
from tests.support.processes import free_port, get
from tests.support.redis_server import running_redis
from tests.support.tokens import SECRET
from tests.system.nginx.sites import JITSI, Nginx
from tests.system.operations.machine import Machine, running_machine, steps
from tests.system.operations.stream import DENIED, running_stream, token

OPTIONS: Final = """
app_id = "app"
app_secret = "{secret}"
revocation_store = "{redis}"
"""
SERVERS: Final = "    server 127.0.0.1:8090 max_fails=0;\n" * 8 + "    keepalive 256;\n"


def upstream(machines: list[Machine]) -> str:
    """Return the documented lines for several verifiers, with the addresses of these ones."""
    (text,) = [each.text for each in snippets("nginx") if each.text.startswith("hash ")]
    lines = text.splitlines(keepends=True)
    first = next(line for line in lines if "10.0.0.1:8090" in line)
    others = [line for line in lines if "10.0.0." not in line]
    own = [first.replace("10.0.0.1:8090", f"127.0.0.1:{each.port}") for each in machines]
    return "".join([*others[:1], *own, *others[1:]])


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[list[Machine]]:
    with ExitStack() as stack:
        (tmp_path / "redis").mkdir()
        redis = stack.enter_context(running_redis(tmp_path / "redis"))
        options = OPTIONS.format(secret=SECRET, redis=redis.url)
        yield [
            stack.enter_context(
                running_machine(tmp_path / f"replica-{number}", options, has_socket=False)
            )
            for number in range(3)
        ]


def test_rolling_restart_refuses_no_token(replicas: list[Machine], tmp_path: Path) -> None:
    (restart,) = steps("Several replicas")
    nginx = Nginx(
        tmp_path / "nginx", JITSI, free_port(), free_port(), [(SERVERS, upstream(replicas))]
    )
    try:
        replicas[0].run("jitsi-verifier revoke --jti lost --reason test")
        with running_stream(nginx.port, {"good": token}, path="") as stream:
            stream.expect("revoked", DENIED, lambda: token(jti="lost"))
            for machine in replicas:
                machine.run(restart)
                stream.flow()
    finally:
        nginx.stop()
    assert [machine.jobs for machine in replicas] == [["restart jitsi-verifier"]] * 3
    for machine in replicas:
        assert get(machine.admin, "/v1/revocations").json["revocations"]
