"""``python -m tests.supply.sbom FILE`` writes the packages of the image as a CycloneDX document."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


def write(target: Path) -> None:
    """Validate the document against the CycloneDX schema, and write it."""
    command = [
        str(Path(sys.executable).with_name("cyclonedx-py")),
        *("requirements", "--pyproject", "pyproject.toml", "--output-reproducible"),
        *("--short-PURLs", "--spec-version", "1.6", "--of", "JSON", "--validate"),
        *("--output-file", str(target.absolute()), "requirements.txt"),
    ]
    # The tool warns that a list of pins contains no dependency graph.
    environ = os.environ | {"PYTHONWARNINGS": "ignore:The Component this BOM:UserWarning"}
    subprocess.run(command, cwd=ROOT, env=environ, check=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
