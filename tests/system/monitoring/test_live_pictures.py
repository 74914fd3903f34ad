"""The pictures in docs/monitoring.md show the live dashboard."""

from __future__ import annotations

from pathlib import Path

from tests.support.page import png_size
from tests.system.monitoring.screenshots import FOLDER, PICTURES, take
from tests.system.monitoring.traffic import MonitoredVerifier

PAGE = FOLDER.parent / "monitoring.md"


async def test_pictures_can_be_taken_again(monitored: MonitoredVerifier, tmp_path: Path) -> None:
    pictures = await take(tmp_path, monitored, 1)
    stored = {file.name: file.read_bytes() for file in FOLDER.glob("dashboard-*.png")}
    assert stored.keys() == pictures.keys() == PICTURES.keys()
    for name, picture in pictures.items():
        assert png_size(picture) == png_size(stored[name]) == PICTURES[name][1]
        assert len(stored[name]) < 150_000
        assert f"](screenshots/{name})" in PAGE.read_text("utf-8")
