"""The pictures in docs/operations.md show the live dashboard."""

from __future__ import annotations

from pathlib import Path

from tests.support.page import png_size
from tests.system.monitoring.screenshots import FOLDER, PICTURES, SIZE, take
from tests.system.monitoring.traffic import Watched

PAGE = FOLDER.parent / "operations.md"


async def test_pictures_can_be_taken_again(watched: Watched, tmp_path: Path) -> None:
    pictures = await take(tmp_path, watched, 1)
    kept = {file.name: file.read_bytes() for file in FOLDER.glob("dashboard-*.png")}
    assert kept.keys() == pictures.keys() == PICTURES.keys()
    for name, picture in pictures.items():
        assert png_size(picture) == png_size(kept[name]) == SIZE
        assert len(kept[name]) < 120_000
        assert f"](screenshots/{name})" in PAGE.read_text("utf-8")
