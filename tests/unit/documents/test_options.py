from __future__ import annotations

from tests.support.paths import ROOT
from tests.support.readme_options import PAGE, render
from verifier.config import OPTIONS
from verifier.rules.model import DenialCode


def test_configuration_page_lists_every_option() -> None:
    assert PAGE.read_text("utf-8") == render(), "run python -m tests.support.readme_options"
    assert all(f"| `{option.name}` |" in render() for option in OPTIONS)


def test_denial_codes_page_explains_every_code() -> None:
    text = (ROOT / "docs" / "denial-codes.md").read_text("utf-8")
    assert [code for code in DenialCode if f"`{code}`" not in text] == []
