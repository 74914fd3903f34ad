"""The texts of the denial pages, their builder, and what a proxy inserts into them."""

from __future__ import annotations

import re
import runpy
import tomllib
from html import unescape
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


BUILD: Final[dict[str, Any]] = runpy.run_path(str(CONTRIB / "pages/build.py"))
"""The names of the program that builds the pages."""
POLICY: Final[str] = BUILD["policy"]()

SHOWN_ROOMS: Final = [
    ("/standup", "standup"),
    ("/acme/StandUp?jwt=x", "acme/StandUp"),
    ("/they.see-me_", "they.see-me_"),
    ("/standup/eyJhbGciOiJIUzI1NiJ9", None),
    ("/eyJhbGciOiJIUzI1NiJ9.e30.x", ""),
    ("/http-bind?room=standup", None),
]
"""Targets, and the room that a page shows; None: any part of the path before a token."""
SHOWN_DECODED_ROOMS: Final = [
    ("/%D0%9A%D0%BE%D0%BC%D0%BD%D0%B0%D1%82%D0%B0", "Комната"),
    ("/%3Cimg%20src=x%3E%22%26", "<img src"),
    ("/%3Cb%3E%22x%22%3C", '<b>"x"<'),
    ("/standup%3Fjwt=eyJhbGciOiJIUzI1NiJ9", "standup"),
    ("/standup%253Fjwt=eyJhbGciOiJIUzI1NiJ9", "standup"),
    ("/{{placeholder%20`http.request.uuid`}}", "{{placeholder `http.request.uuid`}}"),
]
"""The same for proxies that decode the path."""


def shown_address(page: str) -> tuple[str, str]:
    """Return the host and the room that a page shows; each is there twice, with equal values."""
    found = [
        re.findall(rf'<div data-value="([^"]*)"><dt>[^<]*</dt><dd id="{name}"><bdi>([^<]*)<', page)
        for name in ("host", "room")
    ]
    assert all(len(pairs) == 1 and pairs[0][0] == pairs[0][1] for pairs in found), page
    host, room = (unescape(pairs[0][0]).replace("-", "", pairs[0][0] == "-") for pairs in found)
    return host, room


def accept(languages: str) -> tuple[str, str]:
    """Return the header Accept-Language."""
    return ("Accept-Language", languages)
