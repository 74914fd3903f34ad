"""docker-jitsi-meet's own template, rendered as its containers do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "docker-jitsi-meet"

Render = Callable[[Mapping[str, str]], Path]


def rendered(program: Path, template: str, environ: Mapping[str, str]) -> str:
    """Return a template of ``FOLDER``, rendered with these variables by ``render.go``."""
    done = subprocess.run(
        [program, FOLDER / template],
        check=True,
        capture_output=True,
        timeout=30,
        env=dict(environ),
    )
    return done.stdout.decode()
