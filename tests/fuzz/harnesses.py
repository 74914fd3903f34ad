"""All harnesses, by name, and the inputs that are kept for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.fuzz import bodies, configurations, connections, documents, rooms, tokens
from tests.fuzz.harness import Harness

HARNESSES: Final[Mapping[str, Harness]] = {
    "tokens": tokens.HARNESS,
    "json": documents.JSON,
    "urls": rooms.URLS,
    "patterns": rooms.PATTERNS,
    "keys": documents.KEYS,
    "verify": bodies.VERIFY,
    "explain": bodies.EXPLAIN,
    "connections": connections.CONNECTIONS,
    "configuration": configurations.CONFIGURATION,
    "prosody": configurations.PROSODY,
}
_CORPUS: Final = Path(__file__).with_name("corpus")


def kept(name: str) -> list[bytes]:
    """Return the kept inputs, which once reached new code or failed; the file has one a line."""
    file = _CORPUS / f"{name}.txt"
    if not file.exists():
        return []
    return [bytes.fromhex(line) for line in file.read_text("ascii").split()]


def keep(name: str, inputs: list[bytes]) -> None:
    """Replace the kept inputs."""
    _CORPUS.mkdir(exist_ok=True)
    lines = sorted({data.hex() for data in inputs if data}, key=lambda line: (len(line), line))
    (_CORPUS / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), "ascii")
