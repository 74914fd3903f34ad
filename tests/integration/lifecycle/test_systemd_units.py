"""The systemd units: no mistake, hardened, and the service works inside their sandbox."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.manager import managed
from tests.support.paths import ROOT
from tests.support.processes import COMMAND, DEADLINE, free_port, get, post, wait_until
from tests.support.supervised import token
from tests.support.tokens import SECRET
from verifier.process.shutdown import shutdown_seconds

UNITS = ROOT / "contrib/systemd"
SERVICE = UNITS / "jitsi-verifier.service"
CONFINED = Path(__file__).with_name("confined.py")
JSON = {"Content-Type": "application/json"}
# The file system is read-only except for some folders; /proc shows only this user's processes.
SANDBOX = """
for each in "$@"; do [ "$each" = -- ] && break; mount --bind "$each" "$each"; done
mount -o remount,bind,ro /
mount -t proc -o subset=pid,hidepid=invisible proc /proc
while [ "$1" != -- ]; do shift; done; shift
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def values(name: str) -> list[str]:
    """Return the values of all lines of the unit that have this name, in order."""
    lines = SERVICE.read_text("utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_unit_exposure_is_at_most_one_and_a_half() -> None:
    done = analyze("security", "--offline=yes", "--threshold=15", str(SERVICE))
    assert done.returncode == 0, done.stdout


def test_systemd_finds_no_mistake_in_the_units(tmp_path: Path) -> None:
    """Checked in a root directory with systemd's own units and the programs that ours name."""
    units = tmp_path / "etc/systemd/system"
    shutil.copytree("/lib/systemd/system", tmp_path / "lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, units)
    for name in ("ExecStart", "ExecReload"):
        program = tmp_path / values(name)[0].split()[0].removeprefix("/")
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch(0o755)
    ours = sorted(path.name for path in UNITS.iterdir() if path.suffix not in {".md", ".conf"})
    assert ours == ["jitsi-verifier.service", "jitsi-verifier.socket"]
    done = analyze("verify", f"--root={tmp_path}", "--man=no", "--recursive-errors=no", *ours)
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_timeouts_fit_the_default_options() -> None:
    assert (
        float(values("TimeoutStopSec")[0]) > shutdown_seconds(10.0) + 1.0
    )  # what a supervisor adds
    assert values("Type") == ["notify"]  # notify-reload is for systemd 253, Debian 12 has 252
    assert float(values("WatchdogSec")[0]) >= 10


def allowed_calls() -> set[str]:
    """Return the allowed system calls, as systemd does: ``~`` removes a set from those before."""
    calls: set[str] = set()
    for line in values("SystemCallFilter"):
        inverted, names = line.startswith("~"), line.removeprefix("~").split()
        found = set[str]().union(*(expand(name) for name in names))
        calls = calls - found if inverted else calls | found
    return calls


@functools.cache
def expand(name: str) -> frozenset[str]:
    if not name.startswith("@"):
        return frozenset({name})
    lines = analyze("syscall-filter", name).stdout.splitlines()[1:]
    members = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    return frozenset[str]().union(*(expand(member) for member in members))


@contextmanager
def confined(
    command: list[str], writable: list[Path], environ: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    allowed = {
        # SQLite changes the owner of its files if root runs it, which happens in this test only.
        "calls": sorted(allowed_calls() | {"fchown"}),
        "families": values("RestrictAddressFamilies")[0].split(),
    }
    unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", SANDBOX, "sh"]
    inside = [sys.executable, str(CONFINED), *command]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*unshare, *map(str, writable), "--", *inside],
            env={"PATH": os.environ["PATH"], **environ},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
        )
    assert process.stdin is not None
    with process.stdin as end:
        end.write(json.dumps(allowed).encode())
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE)


@pytest.mark.parametrize("workers", [1, 2])
def test_service_works_inside_the_unit_sandbox(tmp_path: Path, workers: int) -> None:
    run, state, logs = (tmp_path / name for name in ("run", "state", "logs"))
    for path in (run, state, logs):
        path.mkdir()
    port, admin, log = free_port(), free_port(), logs / "journal"
    config = tmp_path / "verifier.toml"
    config.write_text(
        f'app_id = "app"\napp_secret = "{SECRET}"\nworkers = {workers}\n'
        f'listen = ["127.0.0.1:{port}", "unix:{run}/listen"]\nadmin_listen = "127.0.0.1:{admin}"\n'
        f'audit_log = "{logs}/audit.log"\ndrain_timeout = 2\n'
        f'revocation_store = "sqlite://{state}/revocations.db"\n'
    )
    with managed(run) as manager:
        environ = {
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": "30000000",
            "RUNTIME_DIRECTORY": str(run),
        }
        serve = [str(COMMAND), "serve", "--config", str(config)]
        with confined(serve, [run, state, logs], environ, log) as service:
            manager.wait_for("READY")
            target = f"/ext-authz/standup?jwt={token()}"
            assert get(port, target).status == 200
            assert get(port, "/ext-authz/standup").status == 401
            for page in ("/metrics", "/readyz", "/v1/keys", "/"):
                assert get(admin, page).status == 200
            body = json.dumps({"pasted": token(), "room": "standup"}).encode()
            explained = post(admin, "/v1/explain", body, JSON)
            assert explained.json["allowed"]
            leaked = token(jti="leaked")
            revoked = post(admin, "/v1/revocations", b'{"jti": "leaked"}', JSON)
            assert revoked.status == 201
            service.send_signal(signal.SIGHUP)
            manager.wait_for("RELOADING")
            manager.wait_for("READY")
            if workers > 1:
                children = Path(f"/proc/{service.pid}/task/{service.pid}/children")
                os.kill(int(children.read_text("ascii").split()[0]), signal.SIGKILL)
                wait_until(lambda: log.read_text().count("all workers listen") == 2, "a new worker")
            assert get(port, target).status == 200
            assert get(port, f"/ext-authz/standup?jwt={leaked}").status == 403
            service.terminate()
            assert service.wait(DEADLINE) == 0
    text = log.read_text()
    assert "Bad system call" not in text
    assert "Traceback" not in text
    assert len((logs / "audit.log").read_text().splitlines()) >= 3
    assert not (run / "listen").exists()


@pytest.mark.parametrize(
    ("attempt", "ended"),
    [
        ("import os; os.chown('/tmp', 0, 0)", -signal.SIGSYS),
        ("import socket; socket.socket(socket.AF_NETLINK)", 1),
        ("import mmap; mmap.mmap(-1, 99, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)", -signal.SIGSYS),
        ("open('/etc/jitsi-verifier-test', 'w')", 1),
        ("open('/proc/meminfo')", 1),
        ("pass", 0),
    ],
)
def test_sandbox_forbids_what_the_unit_forbids(tmp_path: Path, attempt: str, ended: int) -> None:
    with confined([sys.executable, "-c", attempt], [], {}, tmp_path / "log") as process:
        assert process.wait(DEADLINE) == ended
