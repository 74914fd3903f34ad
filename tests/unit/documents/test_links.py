"""Links between the documents: every file and every anchor exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.documents import DOCUMENTS
from tests.support.paths import DOCS, ROOT

_LINK = re.compile(r"\]\(([^()\s]+)\)")
_CODE = re.compile(r"^( *)```.*?^\1```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_ANCHOR = re.compile(r'<a (?:id|name)="([^"]+)">')


def anchors(document: Path) -> set[str]:
    """Return a document's anchors, made from its headings as GitHub makes them."""
    text = document.read_text("utf-8")
    found = set(_ANCHOR.findall(text))
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        found.add(words.replace(" ", "-"))
    return found


def broken(document: Path) -> list[str]:
    """Return the links of a document whose file or anchor does not exist."""
    links = _LINK.findall(_CODE.sub("", document.read_text("utf-8")))
    return [link for link in links if "://" not in link and not exists(document, link)]


def exists(document: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (document.parent / name).resolve() if name else document
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert broken(document) == []


def test_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    pages = [page.name for page in DOCS.glob("*.md")]
    assert [name for name in pages if f"(docs/{name})" not in readme] == []


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150
