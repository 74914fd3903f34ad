"""Take the pictures of the dashboard: ``python -m tests.system.monitoring.screenshots``."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.support.paths import ROOT
from tests.system.monitoring.live import live_page
from tests.system.monitoring.traffic import Watched, watched

FOLDER: Final = ROOT / "docs" / "screenshots"
SIZE: Final = (1000, 700)
PICTURES: Final = {"dashboard-light.png": "light", "dashboard-dark.png": "dark"}
"""By file: the colour scheme."""
_STEPS: Final = 200


async def take(folder: Path, seen: Watched, steps: int) -> dict[str, bytes]:
    """Take every picture after half a second of traffic for each step."""
    pictures = {}
    width, height = SIZE
    async with live_page(folder, seen, width=width, height=height) as page:
        for step in range(steps):
            await asyncio.to_thread(_ask, seen, step)
            await asyncio.sleep(0.5)
        for name, scheme in PICTURES.items():
            await page.tab.set_appearance(width=width, height=height, scheme=scheme)
            pictures[name] = await page.tab.screenshot()
    return pictures


def _ask(seen: Watched, step: int) -> None:
    """Ask with good tokens mostly, and with each kind of bad ones in waves of its own."""
    kinds: list[tuple[int, dict[str, Any]]] = [
        (16, {"jti": str(step % 30), "exp": 4_000_000_000}),
        (3, {"exp": 1}),
        (2, {"room": "other"}),
        (1, {"iss": "stranger"}),
    ]
    for number, (usual, claims) in enumerate(kinds):
        wave = math.sin(step / (12 + 7 * number) + number)
        for _ in range(round(usual * (1 + 0.7 * wave))):
            seen.verifier.ask("/standup", seen.token(**claims))
    if step % 10 == 0:
        seen.ask()


def main() -> None:
    """Take them, and keep them where the documents show them."""
    with TemporaryDirectory() as name, watched(Path(name)) as seen:
        for file, picture in asyncio.run(take(Path(name), seen, _STEPS)).items():
            (FOLDER / file).write_bytes(picture)


if __name__ == "__main__":
    main()
