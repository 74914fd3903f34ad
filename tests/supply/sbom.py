"""``python -m tests.supply.sbom FILE``: writes what the image holds as a CycloneDX document."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


def write(target: Path) -> None:
    """Write the document; it is checked against CycloneDX' schema first."""
    command = [
        str(Path(sys.executable).with_name("cyclonedx-py")),
        *("requirements", "--pyproject", "pyproject.toml", "--output-reproducible"),
        *("--short-PURLs", "--spec-version", "1.6", "--of", "JSON", "--validate"),
        *("--output-file", str(target.absolute()), "requirements.txt"),
    ]
    # A list of pins knows no graph, and the tool says so.
    environ = os.environ | {"PYTHONWARNINGS": "ignore:The Component this BOM:UserWarning"}
    subprocess.run(command, cwd=ROOT, env=environ, check=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
