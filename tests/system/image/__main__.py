"""Build, run and query the image: ``python -m tests.system.image [BASE_IMAGE]``.

As root, on Debian. The container is one in all that matters here: its own files, read-only but for
``/tmp``, its own network, the image's user, no capability. Without BASE_IMAGE, a base is made.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import wait_until
from tests.system.image.building import IMAGE, Container, build, container, make_base, run, size

SECRET = "a-secret-of-more-than-thirty-two-bytes"
GIVEN = {
    "JWT_APP_ID": "image",
    "JWT_APP_SECRET": SECRET,
    "XMPP_DOMAIN": "meet.jitsi",
    "VERIFIER_REVOCATION_STORE": "sqlite:///tmp/revocations",
    "VERIFIER_TRACING": "true",
    "OTEL_TRACES_SAMPLER": "always_off",  # nobody is there to send them to
}
USER = "10001"
_START = """
ip link set lo up
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount --rbind /dev "$1/dev"
tree=$1; user=$2; shift 2
exec setpriv --no-new-privs --inh-caps=-all chroot --userspec="$user:$user" "$tree" env -i "$@"
"""
_ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
connection.request("GET", sys.argv[2])
answer = connection.getresponse()
print(answer.status, answer.headers.get("X-Jitsi-Denial") or answer.headers.get("X-Jitsi-Room", ""))
"""


class Running:
    """The service in its container.

    Args:
        process: The service itself, its first process.
        image: The image's files.
    """

    def __init__(self, process: subprocess.Popen[bytes], image: Container) -> None:
        self.process = process
        self._image = image

    def inside(self, *command: str, quiet: bool = False) -> str:
        """Run a command where the service runs, as its user."""
        environ = [*self._image.config["Env"], *map("=".join, GIVEN.items())]
        enter = ("nsenter", f"--target={self.process.pid}", "--mount", "--net")
        chroot = ("chroot", f"--userspec={USER}:{USER}", str(self._image.tree), "env", "-i")
        return run(*enter, *chroot, *environ, *command, quiet=quiet)

    def ask(self, port: int, path: str) -> str:
        """Ask for a path; gives status, denial code and room."""
        return self.inside("python3", "-c", _ASK, str(port), path)

    def status(self, field: str) -> str:
        """Read a field of the first process' status."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines()
        (value,) = [
            line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:")
        ]
        return value


@contextmanager
def running(image: Container, **more: str) -> Iterator[Running]:
    """Run what the image says until the end of the block."""
    config = image.config
    environ = [*config["Env"], *map("=".join, (GIVEN | more).items())]
    unshare = ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-ec", _START, "sh"]
    command = [*config["Entrypoint"], *config["Cmd"]]
    process = subprocess.Popen([*unshare, str(image.tree), config["User"], *environ, *command])
    try:
        yield Running(process, image)
    finally:
        process.kill()
        process.wait()


def check(image: Container, workers: int) -> None:
    """Run it, look at it, ask it, and end it."""
    assert image.config["User"] == USER
    with running(image, VERIFIER_WORKERS=str(workers)) as service:
        wait_until(lambda: is_healthy(service, image), "health", 30)
        assert service.status("Uid").split() == [USER] * 4
        assert int(service.status("CapEff"), 16) == 0
        token = service.inside("jitsi-verifier", "mint", "--room", "standup")
        assert service.ask(8090, f"/ext-authz/standup?jwt={token}") == "200 standup"
        assert service.ask(8090, f"/ext-authz/other?jwt={token}").split() == [
            "403",
            "room-mismatch",
        ]
        assert service.ask(8091, "/readyz").split() == ["200"]
        service.inside("jitsi-verifier", "revoke", token)
        assert service.ask(8090, f"/ext-authz/standup?jwt={token}") == "403 revoked"
        redis = "VERIFIER_REVOCATION_STORE=redis://localhost"
        assert "Valid." in service.inside("env", redis, "jitsi-verifier", "check-config")
        service.process.terminate()
        assert service.process.wait(20) == 0


def is_healthy(service: Running, image: Container) -> bool:
    """Run the image's own health check."""
    assert service.process.poll() is None, "it has ended"
    check = image.config["Healthcheck"]["Test"]
    assert check[0] == "CMD"
    try:
        service.inside(*check[1:], quiet=True)
    except subprocess.CalledProcessError:
        return False
    return True


def main(base: str | None) -> None:
    """Build, measure, try."""
    started = time.monotonic()
    if base is None:
        with tempfile.TemporaryDirectory() as folder:
            base = make_base(Path(folder))
    based = time.monotonic()
    build(base)
    built = time.monotonic()
    for workers in (1, 2):
        with container() as image:
            check(image, workers)
    whole, below = (size(name) / 1e6 for name in (IMAGE, base))
    print(f"base: {based - started:.0f} s, image: {built - based:.0f} s")
    print(f"image: {whole:.0f} MB, {whole - below:.0f} MB of it on top of {base}")
    print("image test: 2 passed, 0 failed")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
