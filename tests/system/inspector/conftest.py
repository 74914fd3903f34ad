"""One verifier for the whole directory; its log must never contain a pasted text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.processes import RunningVerifier, running_verifier
from tests.system.inspector.inspector_page import CONFIG


@pytest.fixture(scope="session")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    folder = tmp_path_factory.mktemp("inspected")
    config = folder / "verifier.toml"
    config.write_text(CONFIG)
    with running_verifier(folder, config) as running:
        yield running
    assert not re.search(r"eyJ|jwt=|Lovelace", running.log)
