"""docs/architecture.md names the packages, files and functions that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.support.paths import DOCS, PACKAGE, ROOT

TEXT = (DOCS / "architecture.md").read_text("utf-8")
_PATH = re.compile(r"`([a-z_]+(?:/[a-z_]+)+)(\.py|\.toml)?(?:: ([A-Za-z_.]+))?`")
_TERMS = re.compile(r"^\| ([^|]+) \| [^|]+ \|$", re.MULTILINE)


def file_of(path: str, suffix: str) -> Path | None:
    """Return the file or folder that a path in the text names."""
    names = [f"{path}{suffix}"] if suffix else [path, f"{path}.py"]
    places = [folder / name for folder in (PACKAGE, ROOT) for name in names]
    return next((place for place in places if place.exists()), None)


def test_every_named_file_and_function_exists() -> None:
    missing = []
    for path, suffix, name in _PATH.findall(TEXT):
        file = file_of(path, suffix)
        words = name.split(".") if name else []
        if file is None or (words and not all(word in file.read_text("utf-8") for word in words)):
            missing.append(f"{path}{suffix} {name}".strip())
    assert missing == []


def test_layers_are_those_that_make_check_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each["id"] == "layers"]
    block = TEXT.partition("## Layers")[2].split("```")[1]
    names = [name.strip() for line in layers for name in line.split("|")]
    shown = [line.strip().partition("  ")[0] for line in block.splitlines()]
    assert [name for line in shown for name in re.findall(r"\w+", line)] == names


def test_glossary_is_short() -> None:
    glossary = TEXT.partition("## Glossary")[2].partition("\n## ")[0]
    assert len(_TERMS.findall(glossary)) - 2 <= 40
