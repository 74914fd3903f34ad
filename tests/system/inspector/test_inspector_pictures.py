"""The pictures in docs/tutorial.md show the inspector and the denial codes."""

from __future__ import annotations

from pathlib import Path

from tests.support.page import png_size
from tests.support.processes import running_verifier
from tests.system.inspector.screenshots import CODES, DEMO, FOLDER, PICTURES, take

PAGE = FOLDER.parent / "tutorial.md"


async def test_pictures_can_be_taken_again(tmp_path: Path) -> None:
    with running_verifier(tmp_path, DEMO) as verifier:
        pictures = await take(tmp_path, verifier)
    sizes = {name: size for name, (*_, size) in PICTURES.items()} | dict([CODES])
    assert pictures.keys() == sizes.keys() >= {file.name for file in FOLDER.glob("inspector-*.png")}
    for name, picture in pictures.items():
        kept = (FOLDER / name).read_bytes()
        assert png_size(picture) == png_size(kept) == sizes[name]
        assert len(kept) < 150_000
        assert f"](screenshots/{name})" in PAGE.read_text("utf-8")
