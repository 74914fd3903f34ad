"""The pages of the two addresses have every path and every identity header."""

from __future__ import annotations

import json
import re

from tests.support.paths import DOCS, PACKAGE
from verifier.http.identity import identity_headers
from verifier.rules.model import Allow

TEXT = "\n".join((DOCS / name).read_text("utf-8") for name in ("http-api.md", "admin-api.md"))


def test_pages_have_every_path_of_the_openapi_document() -> None:
    document = json.loads((PACKAGE / "http" / "admin" / "openapi.json").read_text("utf-8"))
    names = sorted(path.partition("{")[0] for path in document["paths"])
    assert [name for name in names if not re.search(f"[` ]{name}", TEXT)] == []


def test_pages_have_every_identity_header() -> None:
    assert [name for name in identity_headers(Allow(), None) if f"`{name}`" not in TEXT] == []
