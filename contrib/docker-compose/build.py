"""``build.py``: makes nginx' files for docker-jitsi-meet's web container from ``contrib/nginx``.

Three lines differ there: where the sidecar is, where nginx may remember, and where the log goes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_SOURCE: Final = _HERE.parent / "nginx"
_MADE: Final = (
    "# Made by contrib/docker-compose/build.py from contrib/nginx/{name}; change that.\n\n"
)

FILES: Final = {
    "http.conf": (
        "jitsi-verifier.conf",
        (
            ("server 127.0.0.1:8090;", "server jitsi-verifier:8090;"),
            # The container's files are read-only; its /dev/shm is its own, and holds 64 MB.
            ("/run/jitsi-verifier-nginx", "/dev/shm/jitsi-verifier"),  # noqa: S108  # which is no other's there
            ("max_size=64m", "max_size=32m"),
        ),
    ),
    "server.conf": (
        "jitsi-verifier-locations.conf",
        (("access_log /var/log/nginx/access.log", "access_log /dev/stdout"),),
    ),
}
"""Each file, with what it is made from, and what is written there instead."""


def build(name: str) -> str:
    """Give a file's text."""
    source, replaced = FILES[name]
    text = (_SOURCE / source).read_text("utf-8")
    for old, new in replaced:
        if text.count(old) != 1:
            raise ValueError(f"{source}: expected once: {old}")
        text = text.replace(old, new)
    return _MADE.format(name=source) + text


if __name__ == "__main__":
    for each in FILES:
        (_HERE / "nginx" / each).write_text(build(each), "utf-8")
