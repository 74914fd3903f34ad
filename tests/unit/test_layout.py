"""The layout of the tests: shared helpers live in helper modules, never in test modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

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


def test_no_module_imports_a_test_module() -> None:
    offenders = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted(TESTS.rglob("*.py"))
        for name in imported_modules(path)
        if name.startswith("tests.") and _is_test_module(name.split(".")[1:-1])
    ]
    assert not offenders


def _is_test_module(parts: list[str]) -> bool:
    return any(part.startswith("test_") or part == "conftest" for part in parts)
