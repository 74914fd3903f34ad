"""The texts of the denial pages, and the language that a browser's Accept-Language selects."""

from __future__ import annotations

import tomllib
from typing import Any, Final

from tests.support.paths import CONTRIB

TEXTS: Final[dict[str, Any]] = tomllib.loads((CONTRIB / "pages/texts.toml").read_text("utf-8"))
CODES: Final[dict[str, list[str]]] = TEXTS.pop("codes")
LANGUAGES: Final = list(TEXTS)

SELECTED_LANGUAGES: Final = [
    ("de", "de"),
    ("de-AT,de;q=0.9,en;q=0.8", "de"),
    ("pt-BR,pt;q=0.9, fr;q=0.8, en;q=0.7", "fr"),
    ("pt, en-GB;q=0.9, ru;q=0.5", "en"),
    ("en-GB,ru;q=0.5", "en"),
    ("es,de", "es"),
    ("RU", "ru"),
    ("es-419", "es"),
    ("den,frr,rub", "en"),
    ("ja", "en"),
    ("*", "en"),
    ("", "en"),
    ("/../../x", "en"),
    (", , " * 1000 + "!", "en"),
]
"""Accept-Language values, and the page's language: the first that has a page, else English."""


def accept(languages: str) -> tuple[str, str]:
    """Return the header Accept-Language."""
    return ("Accept-Language", languages)
