"""``python -m tests.system.monitoring.screenshots`` takes the pictures of the dashboard."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.support.paths import ROOT
from tests.system.monitoring.live_page import live_page
from tests.system.monitoring.traffic import MonitoredVerifier, running_monitored_verifier

FOLDER: Final = ROOT / "docs" / "screenshots"
PICTURES: Final = {
    "dashboard-light.png": ("light", (1200, 700)),
    "dashboard-dark.png": ("dark", (1200, 700)),
    "dashboard-phone-dark.png": ("dark", (360, 800)),
}
"""The colour scheme and the size of each file."""
DRAWN: Final = "document.querySelector('.chart').viewBox.baseVal.width <= innerWidth"
"""Whether the charts have the size of the window."""
_STEPS: Final = 240


async def take(folder: Path, monitored: MonitoredVerifier, steps: int) -> dict[str, bytes]:
    """Return every picture, after ``steps`` steps of traffic of half a second each."""
    pictures = {}
    async with live_page(folder, monitored) as page:
        for step in range(steps):
            await asyncio.to_thread(_send_tokens, monitored, step)
            await asyncio.sleep(0.5)
        for name, (scheme, (width, height)) in PICTURES.items():
            await page.tab.set_appearance(width=width, height=height, scheme=scheme)
            await page.wait_for(DRAWN)
            pictures[name] = await page.tab.screenshot()
    return pictures


def _send_tokens(monitored: MonitoredVerifier, step: int) -> None:
    """Send mostly good tokens, and each kind of bad ones in waves of another length."""
    kinds: list[tuple[int, dict[str, Any]]] = [
        (16, {"jti": str(step), "exp": 4_000_000_000}),
        (3, {"jti": str(step // 3), "exp": 1}),
        (2, {"jti": str(step // 5), "room": "other"}),
        (1, {"jti": str(step // 9), "iss": "another-site"}),
    ]
    for number, (usual, claims) in enumerate(kinds):
        wave = math.sin(step / (12 + 7 * number) + number)
        for _ in range(round(usual * (1 + 0.7 * wave))):
            monitored.verifier.ask("/standup", monitored.token(**claims))
    if step % 10 == 0:
        monitored.verifier.ask("/standup")


def main() -> None:
    """Take the pictures and write them to the folder of the documents."""
    with TemporaryDirectory() as name, running_monitored_verifier(Path(name)) as monitored:
        for file, picture in asyncio.run(take(Path(name), monitored, _STEPS)).items():
            (FOLDER / file).write_bytes(picture)


if __name__ == "__main__":
    main()
