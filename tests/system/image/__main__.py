"""``python -m tests.system.image [BASE_IMAGE]`` builds, runs and tests the image.

It needs root and Debian. The service runs as in a container: with its own files (read-only except
``/tmp``), its own network, the image's user and no capabilities. Without BASE_IMAGE, the program
builds a base image first.
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
ENVIRON = {
    "JWT_APP_ID": "image",
    "JWT_APP_SECRET": SECRET,
    "XMPP_DOMAIN": "meet.jitsi",
    "VERIFIER_REVOCATION_STORE": "sqlite:///tmp/revocations",
    "VERIFIER_TRACING": "true",
    "OTEL_TRACES_SAMPLER": "always_off",  # no collector runs here
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
_SEND_REQUEST = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
connection.request("GET", sys.argv[2])
answer = connection.getresponse()
print(answer.status, answer.headers.get("X-Jitsi-Denial") or answer.headers.get("X-Jitsi-Room", ""))
"""


class RunningService:
    """The service in its container.

    Args:
        process: The first process of the service.
        image: The files of the image.
    """

    def __init__(self, process: subprocess.Popen[bytes], image: Container) -> None:
        self.process = process
        self._image = image

    def inside(self, *command: str, quiet: bool = False) -> str:
        """Run a command in the container, as the image's user; return its output."""
        environ = [*self._image.config["Env"], *map("=".join, ENVIRON.items())]
        enter = ("nsenter", f"--target={self.process.pid}", "--mount", "--net")
        chroot = ("chroot", f"--userspec={USER}:{USER}", str(self._image.tree), "env", "-i")
        return run(*enter, *chroot, *environ, *command, quiet=quiet)

    def ask(self, port: int, path: str) -> str:
        """Send a GET request in the container; return status and denial code or room."""
        return self.inside("python3", "-c", _SEND_REQUEST, str(port), path)

    def status(self, field: str) -> str:
        """Return a field of the first process's ``/proc/PID/status``."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines()
        (value,) = [
            line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:")
        ]
        return value


@contextmanager
def running(image: Container, **more: str) -> Iterator[RunningService]:
    """Run the image's command inside the context."""
    config = image.config
    environ = [*config["Env"], *map("=".join, (ENVIRON | more).items())]
    unshare = ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-ec", _START, "sh"]
    command = [*config["Entrypoint"], *config["Cmd"]]
    process = subprocess.Popen([*unshare, str(image.tree), config["User"], *environ, *command])
    try:
        yield RunningService(process, image)
    finally:
        process.kill()
        process.wait()


def check(image: Container, workers: int) -> None:
    """Run the image with so many workers; check its rights, its answers and its end."""
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


def is_healthy(service: RunningService, image: Container) -> bool:
    """Return whether the image's health check succeeds."""
    assert service.process.poll() is None, "the service has ended"
    check = image.config["Healthcheck"]["Test"]
    assert check[0] == "CMD"
    try:
        service.inside(*check[1:], quiet=True)
    except subprocess.CalledProcessError:
        return False
    return True


def main(base: str | None) -> None:
    """Build the image, test it, and print durations and sizes."""
    started = time.monotonic()
    if base is None:
        with tempfile.TemporaryDirectory() as folder:
            base = make_base(Path(folder))
    base_built = time.monotonic()
    build(base)
    built = time.monotonic()
    for workers in (1, 2):
        with container() as image:
            check(image, workers)
    image_size, base_size = (size(name) / 1e6 for name in (IMAGE, base))
    print(f"base: {base_built - started:.0f} s, image: {built - base_built:.0f} s")
    print(f"image: {image_size:.0f} MB, {image_size - base_size:.0f} MB of it on top of {base}")
    print("image test: 2 passed, 0 failed")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
