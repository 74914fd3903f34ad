"""Folders and files of the repository that tests read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CONTRIB: Final = ROOT / "contrib"
DOCS: Final = ROOT / "docs"
PACKAGE: Final = ROOT / "verifier"
TESTS: Final = ROOT / "tests"
VECTORS: Final = TESTS / "conformance" / "vectors.jsonl"
"""Decisions recorded from Jitsi, one JSON object a line."""
