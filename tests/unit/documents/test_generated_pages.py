"""The pages that are made from the code are up to date and complete."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.generated_pages import (
    CONFIGURATION,
    DENIAL_CODES,
    PAGES,
    configuration,
    denial_codes,
    env_example,
    example_value,
    with_block,
)
from tests.support.paths import ROOT
from verifier.config import OPTIONS, Option
from verifier.rules.denial_texts import DENIAL_TEXTS
from verifier.rules.model import DenialCode

_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_generated_page_is_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == with_block(path, PAGES[path]()), "run make docs-generated"


def test_configuration_page_has_a_section_for_every_option() -> None:
    sections = re.findall(r"^#### `(.+)`$", configuration(), re.MULTILINE)
    assert sections == [option.name for option in OPTIONS]


def test_denial_codes_page_has_a_section_for_every_code() -> None:
    assert re.findall(r"^## `(.+)`$", denial_codes(), re.MULTILINE) == list(DenialCode)
    assert list(DENIAL_TEXTS) == list(DenialCode)


@pytest.mark.parametrize("page", [CONFIGURATION, DENIAL_CODES], ids=lambda page: page.name)
def test_headings_have_different_anchors(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    words = [heading.strip("` ").lower() for heading in _HEADING.findall(text)]
    assert [word for word, number in Counter(words).items() if number > 1] == []


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_example_of_an_option_is_a_good_value(option: Option) -> None:
    value = option.type.from_toml(example_value(option))
    if option.variable and not option.type.secret:
        assert option.type.from_text(env_example(option)) == value
