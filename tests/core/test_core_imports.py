from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import verifier

CORE = Path(verifier.__file__).parent / "core"
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
    "path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE))
)
def test_the_core_imports_neither_io_nor_clock_nor_the_rest_of_the_house(path: Path) -> None:
    for name in imported(path):
        assert name.split(".")[0] not in FORBIDDEN, name
        assert not name.startswith("verifier") or name.startswith("verifier.core"), name


def test_importing_the_library_loads_no_server() -> None:
    code = "import sys, verifier; sys.exit('aiohttp' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
