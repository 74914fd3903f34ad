"""Words for unnamed persons: they hide whether a client, a user or an operator is meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import DOCUMENTS
from tests.support.paths import CONTRIB, ROOT

_SUFFIXES: Final = {".css", ".html", ".js", ".json", ".lua", ".py", ".toml", ".yaml", ".yml"}
_WORDS: Final = re.compile(
    r"\b(?:whoever|whom|(?:no|some|any|every)body|(?:some|any|every)one)\b", re.IGNORECASE
)
# The words of published secrets, and of people who see a denial page.
_OTHER_TEXTS: Final = {"published_secrets.py", "texts.toml"}
FILES: Final = sorted(
    path
    for folder in (ROOT / "verifier", CONTRIB)
    for path in folder.rglob("*")
    if path.suffix in _SUFFIXES
    and path.name not in _OTHER_TEXTS
    and "pages" not in path.relative_to(folder).parts
)


@pytest.mark.parametrize("file", [*DOCUMENTS, *FILES], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_speaks_of_unnamed_persons(file: Path) -> None:
    assert _WORDS.findall(file.read_text("utf-8")) == []
