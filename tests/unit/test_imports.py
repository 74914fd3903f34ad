from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import verifier

PACKAGE = Path(verifier.__file__).parent
PURE = ("rooms", "tokens", "rules", "explain")
FORBIDDEN = {"asyncio", "aiohttp", "cachetools", "prometheus_client", "os", "time", "logging"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize(
    "path",
    sorted(path for name in PURE for path in (PACKAGE / name).rglob("*.py")),
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_pure_packages_import_neither_io_nor_clock(path: Path) -> None:
    for name in imported(path):
        assert name.split(".")[0] not in FORBIDDEN, name


def test_importing_the_library_loads_no_server() -> None:
    code = "import sys, verifier; sys.exit('aiohttp' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
