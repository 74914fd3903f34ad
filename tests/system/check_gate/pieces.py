"""The lines of a configuration file that can be taken out, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file: a directive, a block, or a line of a directive that has several.

    Attributes:
        file: The name of the file.
        first: The number of its first line, from 0.
        last: The number of its last line.
        text: Its first line without indentation, and its block's in front.
    """

    file: str
    first: int
    last: int
    text: str


def nginx_pieces(file: str, text: str) -> Iterator[Piece]:
    """Yield the pieces of a file for nginx: blocks, what is in them, and directives."""
    blocks: list[tuple[int, str]] = []
    begun: int | None = None
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        inside = "".join(f"{name} > " for _, name in blocks)
        code = stripped.partition(" #")[0].rstrip()
        if stripped == "}":
            first, name = blocks.pop()
            outside = "".join(f"{each} > " for _, each in blocks)
            yield Piece(file, first, number, f"{outside}{name}")
        elif code.endswith("{"):
            blocks.append((number, code.removesuffix("{").strip()))
        elif code.endswith(";"):
            first = number if begun is None else begun
            begun = None
            name = text.splitlines()[first].strip()
            yield Piece(file, first, number, f"{inside}{name}")
        elif begun is None:
            begun = number
        else:
            yield Piece(file, number, number, f"{inside}{stripped}")


def caddy_pieces(file: str, text: str) -> Iterator[Piece]:
    """Yield the pieces of a file for Caddy: blocks, and the lines in them."""
    blocks: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped == "}":
            first, name = blocks.pop()
            yield Piece(file, first, number, "".join(f"{each} > " for _, each in blocks) + name)
        elif stripped.endswith("{"):
            blocks.append((number, stripped.removesuffix("{").strip()))
        else:
            inside = "".join(f"{name} > " for _, name in blocks)
            yield Piece(file, number, number, f"{inside}{stripped}")


def haproxy_pieces(file: str, text: str) -> Iterator[Piece]:
    """Yield the lines in the sections of a file for HAProxy, or the functions of its Lua file."""
    section = ""
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "--")):
            continue
        if line == stripped:
            section = stripped
        else:
            yield Piece(file, number, number, f"{section} > {stripped}")
