"""Failures of the store of redemptions: each is counted, and few are logged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.redemption_cases import entry_attempt
from verifier.single_use.reported import ReportedRedemptions
from verifier.single_use.sqlite import SqliteRedemptions
from verifier.storage.errors import StoreUnavailableError


async def test_each_failure_is_counted_and_one_in_ten_seconds_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now, failures = 0.0, []
    path = tmp_path / "none" / "uses"
    store = ReportedRedemptions(
        SqliteRedemptions(path, lambda: now), lambda: failures.append(1), lambda: now
    )
    for seconds in (100.0, 101.0, 109.9, 110.0, 111.0):
        now = seconds
        with pytest.raises(StoreUnavailableError):
            await store.redeem(entry_attempt("browser-1"))
    assert len(failures) == 5
    lines = [vars(record)["fields"] for record in caplog.records]
    text = "redemption store: No such file or directory"
    assert [(line["error"], line["count"]) for line in lines] == [(text, 1), (text, 3)]
    assert "browser-1" not in str(lines)
    path.parent.mkdir()
    assert await store.redeem(entry_attempt("browser-1"))
    assert len(failures) == 5
    await store.close()
