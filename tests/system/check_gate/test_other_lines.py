"""Each line of contrib/caddy and contrib/haproxy is taken out, as in ``test_nginx_lines``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.jitsi import Jitsi
from tests.support.paths import CONTRIB
from tests.support.processes import running
from tests.system.check_gate.gates import ask
from tests.system.check_gate.other_lines import SILENT
from tests.system.check_gate.pieces import Piece, caddy_pieces, haproxy_pieces
from tests.system.nginx.sites import Sidecar
from tests.system.proxies.programs import PROXIES

FILES = {
    "jitsi-verifier.caddy": ("caddy", caddy_pieces, "#"),
    "jitsi-verifier.cfg": ("haproxy", haproxy_pieces, "#"),
    "jitsi-verifier.lua": ("haproxy", haproxy_pieces, "--"),
}
"""For each file its proxy, its pieces, and the sign of a comment."""
LEFT_OUT = {
    "frontend jitsi > bind :80",  # not of the gate
    # Each of the 99 questions would wait until no name server has answered.
    "local function gate(txn, address) > dst = address,",
}
NO_START = "ended before "


def text_of(file: str) -> str:
    return (CONTRIB / FILES[file][0] / file).read_text()


def pieces() -> Iterator[Piece]:
    for file, (_, pieces_of, _) in FILES.items():
        yield from (piece for piece in pieces_of(file, text_of(file)) if piece.text not in LEFT_OUT)


PIECES = list(pieces())


def reasons(piece: Piece) -> list[tuple[str, str]]:
    """Return why the removal of a piece cannot be noticed: files, and their reasons."""
    return [
        (proxy, reason)
        for proxy, listed in SILENT.items()
        for reason, patterns in listed.items()
        if FILES[piece.file][0] == proxy and any(re.search(each, piece.text) for each in patterns)
    ]


def name_of(piece: Piece) -> str:
    return f"{piece.file}:{piece.first + 1} {piece.text[-60:]}"


def without(removed: Iterable[Piece]) -> dict[str, str]:
    """Return the edits that make comments of pieces."""
    edits = {}
    for file in {piece.file for piece in removed}:
        numbers = {
            number
            for piece in removed
            if piece.file == file
            for number in range(piece.first, piece.last + 1)
        }
        text, sign = text_of(file), FILES[file][2]
        lines = text.splitlines(keepends=True)
        edits[text] = "".join(
            f"{sign} {line}" if number in numbers else line for number, line in enumerate(lines)
        )
    return edits


Missed = Callable[..., dict[str, str]]


@pytest.fixture
def missed_without(tmp_path: Path, sidecar: Sidecar, jitsi: Jitsi, config: Path) -> Missed:
    """Return a function that returns what does not hold of a gate without some pieces."""

    def ask_without(proxy: str, removed: list[Piece]) -> dict[str, str]:
        edits = without(removed)
        try:
            started = PROXIES[proxy](tmp_path / "proxy", sidecar.port, jitsi.port, edits)
        except RuntimeError as error:
            return {NO_START: str(error)}
        with running(started):
            return ask(started.port, config).questions("missed")

    return ask_without


@pytest.mark.parametrize("piece", [piece for piece in PIECES if not reasons(piece)], ids=name_of)
def test_missing_line_is_named(missed_without: Missed, piece: Piece) -> None:
    assert missed_without(FILES[piece.file][0], [piece])


@pytest.mark.parametrize(
    ("proxy", "reason"), [(proxy, reason) for proxy, listed in SILENT.items() for reason in listed]
)
def test_listed_lines_cannot_be_noticed(missed_without: Missed, proxy: str, reason: str) -> None:
    listed = [piece for piece in PIECES if (proxy, reason) in reasons(piece)]
    assert missed_without(proxy, listed) == {}


def test_every_listed_pattern_matches_lines_of_one_reason() -> None:
    unused = [
        pattern
        for proxy, listed in SILENT.items()
        for patterns in listed.values()
        for pattern in patterns
        if not any(re.search(pattern, p.text) for p in PIECES if FILES[p.file][0] == proxy)
    ]
    assert unused == []
    assert [piece.text for piece in PIECES if len(reasons(piece)) > 1] == []
