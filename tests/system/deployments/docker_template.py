"""The effect of docker-jitsi-meet's templates, rendered as its containers do.

The templates in ``docker`` were written for the tests. ``DOCKER_JITSI_MEET`` names a checkout of
docker-jitsi-meet whose own template for Prosody's hosts is used instead.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "docker"
_ORIGINAL: Final = Path("prosody", "rootfs", "defaults", "conf.d")
_HOSTS: Final = "jitsi-meet.cfg.lua"

Render = Callable[[Mapping[str, str]], Path]


def rendered(program: Path, template: str, environ: Mapping[str, str]) -> str:
    """Return a template, rendered with these variables by ``render.go``."""
    checkout = os.environ.get("DOCKER_JITSI_MEET")
    folder = Path(checkout) / _ORIGINAL if checkout and template == _HOSTS else FOLDER
    done = subprocess.run(
        [program, folder / template],
        check=True,
        capture_output=True,
        timeout=30,
        env=dict(environ),
    )
    return done.stdout.decode()
