"""Make nginx' files for docker-jitsi-meet's web container from ``contrib/nginx``.

Three places differ there: the verifier's address, the cache folder and the access log.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_SOURCE: Final = _HERE.parent / "nginx"
_MADE: Final = (
    "# Made by contrib/docker-compose/build.py from contrib/nginx/{name}; change that.\n\n"
)

_SERVERS: Final = "    server {0}:8090 max_fails=0;\n" * 8

FILES: Final = {
    "http.conf": (
        "jitsi-verifier.conf",
        (
            (_SERVERS.format("127.0.0.1"), _SERVERS.format("jitsi-verifier")),
            # In a container /run is on a disk. The container has its own /dev/shm of 64 MB.
            ("/run/jitsi-verifier-nginx", "/dev/shm/jitsi-verifier"),  # noqa: S108  # no other user is in it
            ("max_size=64m", "max_size=32m"),
        ),
    ),
    "server.conf": (
        "jitsi-verifier-locations.conf",
        (("access_log /var/log/nginx/access.log", "access_log /dev/stdout"),),
    ),
}
"""Each file with its source and the replacements: old text, new text."""


def build(name: str) -> str:
    """Return the text of one file.

    Raises:
        ValueError: if a text to replace is not in the source exactly once.
    """
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
