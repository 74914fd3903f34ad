"""docker-jitsi-meet's template, rendered as its containers do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.system.deployments.docker_template import FOLDER, Render, rendered


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program that renders the template."""
    folder = tmp_path_factory.mktemp("render")
    environ = {"PATH": os.environ["PATH"], "GOCACHE": str(folder / "cache"), "HOME": str(folder)}
    command = ["go", "build", "-o", str(folder / "render"), str(FOLDER / "render.go")]
    subprocess.run(command, check=True, timeout=300, env=environ)
    return folder / "render"


@pytest.fixture
def render(program: Path, tmp_path: Path) -> Render:
    """Return a function that renders docker-jitsi-meet's template with these variables."""

    def render(environ: Mapping[str, str]) -> Path:
        file = tmp_path / "jitsi-meet.cfg.lua"
        file.write_text(rendered(program, file.name, environ), "utf-8")
        return file

    return render
