"""The real logrotate moves the audit log while two workers write it."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Final

from tests.support.paths import CONTRIB
from tests.support.processes import get, wait_until
from tests.support.tokens import SECRET
from tests.system.operations.machine import Machine, running_machine, steps
from tests.system.operations.stream import running_stream, token

OPTIONS: Final = """
app_id = "app"
app_secret = "{secret}"
workers = 2
audit_log = "{folder}/var/log/jitsi-verifier/audit.log"
"""
FIRST: Final = "first"
OWNER: Final = 61_184
"""The service's user: the folder is not root's."""


def folder_of_systemd(root: Path) -> Path:
    """Make the folder of the audit log as the unit does."""
    folder = root / "var/log/jitsi-verifier"
    folder.mkdir(parents=True)
    os.chown(folder, OWNER, OWNER)
    folder.chmod(0o750)
    return folder


def lines(folder: Path) -> list[str]:
    """Return the lines of all files, those that are compressed included."""
    found = []
    for file in folder.iterdir():
        opened = gzip.open if file.suffix == ".gz" else open
        with opened(file, "rt", encoding="utf-8") as text:
            found += text.read().splitlines()
    return found


def decisions(machine: Machine) -> int:
    return int(sum(machine.metric(f'worker_decisions_total{{worker="{n}"}}') for n in (0, 1)))


def test_rotation_loses_no_line(tmp_path: Path) -> None:
    install, *more = steps("Rotate the audit log")
    assert not more
    folder = folder_of_systemd(tmp_path)
    (tmp_path / "etc/logrotate.d").mkdir(parents=True)
    # The service runs as root here; tests/system/packages has its user.
    text = (CONTRIB / "logrotate/jitsi-verifier").read_text()
    (tmp_path / "contrib/logrotate").mkdir(parents=True)
    (tmp_path / "contrib/logrotate/jitsi-verifier").write_text(
        text.replace("su jitsi-verifier jitsi-verifier", "su root root")
    )
    with running_machine(tmp_path, OPTIONS.format(folder=tmp_path, secret=SECRET)) as machine:
        machine.run(f"cd {tmp_path}\n{install}")
        file = tmp_path / "etc/logrotate.d/jitsi-verifier"
        file.write_text(machine.replace(file.read_text()))
        get(machine.port, "/ext-authz/standup", {"X-Request-Id": FIRST})
        with running_stream(machine.port, {"good": token}) as stream:
            for _ in range(4):
                stream.flow()
                machine.run(f"logrotate --force --state {tmp_path}/state {file}")
        answers = stream.codes.total() + 1
        wait_until(lambda: len(lines(folder)) >= answers, "all lines")
        assert len(lines(folder)) == answers
        wait_until(lambda: decisions(machine) == answers, "the metrics of all workers")
        assert all(json.loads(line)["outcome"] for line in lines(folder))
        names = {each.name for each in folder.iterdir()}
        assert names == {"audit.log", "audit.log.1", *(f"audit.log.{n}.gz" for n in (2, 3, 4))}
        assert (folder / "audit.log").stat().st_mode & 0o777 == 0o640
        with gzip.open(folder / "audit.log.4.gz", "rt") as oldest:
            first = json.loads(oldest.readline())
        found = machine.run(f"jitsi-verifier why --request-id {FIRST}")
        assert f"  denied: {first['code']}\n" in found
