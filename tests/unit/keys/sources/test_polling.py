from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.key_server import until
from verifier.keys.sources.base import Timing
from verifier.keys.sources.polling import FileWatch, PollingTask


async def test_polling_goes_on_after_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 1:
            raise RuntimeError("hush-hush")

    background = PollingTask("asap keys", tick, Timing(), interval=0)
    background.start()
    await until(lambda: ticks > 2)
    await background.close()
    assert [record.message for record in caplog.records] == ["internal error"]
    fields = vars(caplog.records[0])["fields"]
    assert fields["work"] == "asap keys"
    assert "test_polling.py:" in fields["at"]
    assert "hush" not in caplog.text


async def test_file_watch_reports_each_change_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    watch = FileWatch([path])
    assert not await watch.changed()
    path.write_text("here")
    assert [await watch.changed() for _ in range(3)] == [False, True, False]
    path.unlink()
    assert [await watch.changed() for _ in range(3)] == [False, True, False]
    path.write_text("here again")
    await watch.changed()
    path.unlink()
    assert [await watch.changed() for _ in range(3)] == [False, False, False]
