"""The pictures in docs/tutorial.md show the inspector."""

from __future__ import annotations

from pathlib import Path

from tests.support.page import png_size
from tests.support.processes import running_verifier
from tests.system.inspector.screenshots import DEMO, FOLDER, PICTURES, take

PAGE = FOLDER.parent / "tutorial.md"


async def test_pictures_can_be_taken_again(tmp_path: Path) -> None:
    with running_verifier(tmp_path, DEMO) as verifier:
        pictures = await take(tmp_path, verifier)
    kept = {file.name: file.read_bytes() for file in FOLDER.glob("inspector-*.png")}
    assert kept.keys() == pictures.keys() == PICTURES.keys()
    for name, picture in pictures.items():
        size = PICTURES[name][3]
        assert png_size(picture) == png_size(kept[name]) == size
        assert len(kept[name]) < 160_000
        assert f"](screenshots/{name})" in PAGE.read_text("utf-8")
