from __future__ import annotations

from tests.readme_options import README, render
from verifier.core.decision import DenialCode
from verifier.shell.settings import OPTIONS


def test_the_readme_lists_every_option_as_it_is() -> None:
    assert README.read_text("utf-8") == render(), "run python -m tests.readme_options"
    assert all(f"| `{option.name}` |" in render() for option in OPTIONS)


def test_the_readme_explains_every_denial_code() -> None:
    text = README.read_text("utf-8")
    assert [code for code in DenialCode if f"`{code}`" not in text] == []
