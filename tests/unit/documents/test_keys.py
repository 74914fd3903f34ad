"""The table of forms in docs/keys.md says what becomes of each form."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.keys import RSA_KEY, certificate, rsa_jwk
from tests.support.paths import DOCS
from verifier.keys.formats import parse_document

_PAGE = (DOCS / "keys.md").read_text("utf-8")
_TABLE = _PAGE.partition("<!-- forms of a JWK:")[2].partition("<!-- /forms of a JWK -->")[0]
ROWS = re.findall(r"^\| `(\{.*?\})` \| (.*?) \| .* \|$", _TABLE, re.MULTILINE)


def example(text: str) -> dict[str, Any]:
    """Return a plain key with the members of an example; ``…`` stands for its own value."""
    members = json.loads(text)
    if members.get("n") == "…==":
        members["n"] = rsa_jwk()["n"] + "=="
    if members.get("x5c") == ["…"]:
        members["x5c"] = ["".join(certificate(RSA_KEY).splitlines()[1:-1])]
    return rsa_jwk(**members)


def test_table_has_every_result() -> None:
    assert len(ROWS) == _TABLE.count("\n| `")
    assert {result for _, result in ROWS} == {"used", "irregular", "not used"}


@pytest.mark.parametrize(("members", "expected"), ROWS)
def test_form_is_read_as_the_table_says(members: str, expected: str) -> None:
    neighbour = rsa_jwk(kid="neighbour")
    document = parse_document(
        json.dumps({"keys": [example(members), neighbour]}).encode(), "document"
    )
    keys = [key for key_id, key in document.keys.items() if key_id != "neighbour"]
    assert "neighbour" in document.keys
    irregular = bool(keys and keys[0].interop_warning)
    found = ("irregular" if irregular else "used") if keys else "not used"
    assert found == expected
    assert bool(document.skipped) is (expected == "not used")
