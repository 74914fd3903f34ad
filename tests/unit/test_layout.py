"""The layout of the tests: shared helpers live in helper modules, never in test modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT, TESTS


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the dotted name of each module that a file imports, with the imported name."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_module_imports_a_test_module(path: Path) -> None:
    names = [name for name in imported_modules(path) if name.startswith("tests.")]
    parts = [part for name in names for part in name.split(".")[1:-1]]
    assert not [part for part in parts if part.startswith("test_") or part == "conftest"]
