from __future__ import annotations

from tests.support.readme_options import README, render
from verifier.config import OPTIONS
from verifier.rules.model import DenialCode


def test_the_readme_lists_every_option_as_it_is() -> None:
    assert README.read_text("utf-8") == render(), "run python -m tests.support.readme_options"
    assert all(f"| `{option.name}` |" in render() for option in OPTIONS)


def test_the_readme_explains_every_denial_code() -> None:
    text = README.read_text("utf-8")
    assert [code for code in DenialCode if f"`{code}`" not in text] == []
