"""``smoke.py COMMAND`` checks that the installed command serves, allows, denies, counts and stops.

It imports only the standard library, because it runs outside of the source tree.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time

SECRET = "a-secret-of-more-than-thirty-two-bytes"
DEADLINE = 60.0


def free_port() -> int:
    """Return a port of 127.0.0.1 that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str) -> tuple[int, http.client.HTTPMessage, str]:
    """Send a GET request; return status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.headers, response.read().decode()


def wait_until_ready(port: int) -> None:
    """Wait until ``/readyz`` answers with 200; exit with an error after ``DEADLINE`` seconds."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            if get(port, "/readyz")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    sys.exit("the service did not become ready")


def check(command: str, environ: dict[str, str], port: int, admin: int) -> None:
    """Check one allowed and one denied room, the metrics and the pages."""
    mint = [command, "mint", "--room", "standup", "--moderator"]
    token = subprocess.run(mint, env=environ, capture_output=True, text=True, check=True).stdout
    status, headers, _ = get(port, f"/ext-authz/standup?jwt={token.strip()}")
    assert (status, headers["X-Jitsi-Moderator"]) == (200, "true"), status
    status, headers, _ = get(port, f"/ext-authz/other?jwt={token.strip()}")
    assert (status, headers["X-Jitsi-Denial"]) == (403, "room-mismatch"), status
    _, _, metrics = get(admin, "/metrics")
    assert 'outcome="allowed"' in metrics
    for path, words in (
        ("/", "Token inspector"),
        ("/inspector.js", "v1/explain"),
        ("/codes", "token-expired"),
        ("/dashboard", "page.js"),
        ("/dashboard/page.js", "metrics"),
    ):
        assert words in get(admin, path)[2], path


def main() -> None:
    """Start the service, check it and stop it."""
    command, port, admin = sys.argv[1], free_port(), free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "JWT_APP_ID": "smoke",
        "JWT_APP_SECRET": SECRET,
        "VERIFIER_LISTEN": f"127.0.0.1:{port}",
        "VERIFIER_ADMIN_LISTEN": f"127.0.0.1:{admin}",
    }
    service = subprocess.Popen([command, "serve"], env=environ)
    try:
        wait_until_ready(admin)
        check(command, environ, port, admin)
    finally:
        service.terminate()
    assert service.wait(DEADLINE) == 0, "the service did not stop cleanly"
    print("smoke test: 1 passed, 0 failed")


if __name__ == "__main__":
    main()
