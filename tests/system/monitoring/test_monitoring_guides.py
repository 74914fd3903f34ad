"""The folders for those who watch: every file is explained, and how to see that it works."""

from __future__ import annotations

import pytest

from tests.support.paths import CONTRIB


@pytest.mark.parametrize("folder", ["prometheus", "grafana"])
def test_every_folder_tells_what_it_needs_and_how_to_check_it(folder: str) -> None:
    guide = (CONTRIB / folder / "README.md").read_text("utf-8")
    for heading in ("## Needs", "## Install", "## Check that it works"):
        assert heading in guide
    for file in (CONTRIB / folder).iterdir():
        assert file.name in guide or file.suffix == ".md" or file.is_dir()
