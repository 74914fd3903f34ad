"""Each line of contrib/nginx is taken out: the command names what is missing, or a list says why.

Lines whose removal nginx refuses count as named: such a gate does not start.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.jitsi import Jitsi
from tests.support.paths import CONTRIB
from tests.support.processes import running
from tests.system.check_gate.gates import EditedNginx, ask
from tests.system.check_gate.nginx_lines import SILENT
from tests.system.check_gate.pieces import Piece, nginx_pieces
from tests.system.nginx.sites import FRONT, JITSI, Sidecar

FILES = ("jitsi-verifier.conf", "jitsi-verifier-locations.conf", "jitsi-verifier-identity.conf")
NO_START = "ended before nginx"


def pieces_of(name: str) -> list[Piece]:
    return list(nginx_pieces(name, (CONTRIB / "nginx" / name).read_text()))


def is_of_the_gate(piece: Piece) -> bool:
    """Return whether a line of an example belongs to the gate, and not to Jitsi."""
    return bool(re.search(r"> (include .*/jitsi-verifier|auth_request)|^include", piece.text))


PIECES = [
    *(piece for name in FILES for piece in pieces_of(name)),
    *(piece for name in (JITSI, FRONT) for piece in pieces_of(name) if is_of_the_gate(piece)),
]


def reasons(piece: Piece) -> list[str]:
    """Return why the removal of a piece cannot be noticed."""
    name = f"{piece.file}: {piece.text}"
    return [
        reason for reason, patterns in SILENT.items() if any(re.search(p, name) for p in patterns)
    ]


def name_of(piece: Piece) -> str:
    return f"{piece.file.removeprefix('jitsi-verifier')}:{piece.first + 1} {piece.text[-60:]}"


NOTICED = [piece for piece in PIECES if not reasons(piece)]


Without = Callable[..., dict[str, str]]


@pytest.fixture
def missed_without(tmp_path: Path, sidecar: Sidecar, jitsi: Jitsi, config: Path) -> Without:
    """Return a function that returns what does not hold of a gate without some pieces."""

    def ask_without(example: str, *pieces: Piece) -> dict[str, str]:
        folder = tmp_path / example
        try:
            nginx = EditedNginx(folder, example, sidecar.port, jitsi.port, pieces)
        except RuntimeError as error:
            if "[emerg]" not in str(error):
                raise
            return {NO_START: str(error)}
        with running(nginx):
            return ask(nginx.port, config).questions("missed")

    return ask_without


@pytest.mark.parametrize("example", [JITSI, FRONT])
def test_complete_gate_holds(
    tmp_path: Path, sidecar: Sidecar, jitsi: Jitsi, config: Path, example: str
) -> None:
    with running(EditedNginx(tmp_path / "nginx", example, sidecar.port, jitsi.port)) as nginx:
        report = ask(nginx.port, config)
    assert (report.questions("missed"), report.status) == ({}, 0)
    # Other programs of this machine may use the ports beside the proxy.
    beside = "Ports beside the proxy"
    assert {name for name in report.questions("not-asked") if not name.startswith(beside)} == set()


@pytest.mark.parametrize("piece", NOTICED, ids=name_of)
def test_missing_line_is_named(missed_without: Without, piece: Piece) -> None:
    """Some disguises are noticed only if the server behind nginx reads paths leniently."""
    examples = [piece.file] if piece.file in {JITSI, FRONT} else [JITSI, FRONT]
    assert any(missed_without(example, piece) for example in examples)


@pytest.mark.parametrize("example", [JITSI, FRONT])
@pytest.mark.parametrize("reason", SILENT)
def test_listed_lines_cannot_be_noticed(missed_without: Without, reason: str, example: str) -> None:
    listed: dict[str, list[Piece]] = {}
    for piece in PIECES:
        if reason in reasons(piece) and piece.file in {*FILES, example}:
            listed.setdefault(piece.text, []).append(piece)
    # Of equal lines, such as servers of an upstream, nginx needs one.
    out = [piece for equal in listed.values() for piece in equal[len(equal) > 1 :]]
    assert missed_without(example, *out) == {}


def test_every_listed_pattern_matches_lines_of_one_reason() -> None:
    names = [f"{piece.file}: {piece.text}" for piece in PIECES]
    unused = [
        pattern
        for patterns in SILENT.values()
        for pattern in patterns
        if not any(re.search(pattern, name) for name in names)
    ]
    assert unused == []
    assert [piece.text for piece in PIECES if len(reasons(piece)) > 1] == []
