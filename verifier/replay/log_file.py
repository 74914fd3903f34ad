"""The lines of a log file, gzip or not, in constant memory however large or broken it is."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

CHUNK: Final = 1 << 18
LONGEST_LINE: Final = 1 << 18
"""Four 16 KB headers, each byte escaped with four."""

_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
_OTHERS: Final = {
    b"BZh": "bzip2: pipe it through bzcat",
    b"\xfd7zXZ\x00": "xz: pipe it through xzcat",
    b"(\xb5/\xfd": "zstd: pipe it through zstdcat",
    b"PK\x03\x04": "a zip archive: pipe it through unzip -p",
    b"\xff\xfe": "UTF-16: expected UTF-8",
    b"\xfe\xff": "UTF-16: expected UTF-8",
}
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

Read = Callable[[int], bytes]
"""Gives the next bytes, at most that many; none at the end. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        number: Counted from 1.
        text: Without its line end; None where it is longer than ``LONGEST_LINE``.
    """

    number: int
    text: bytes | None


class LogLines:
    """Iterates over one log's lines.

    Args:
        read: The log's bytes.

    Attributes:
        position: How many bytes have been read, packed as they are.
        problem: Why the log could not be read to its end; empty while and where it could.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self.position = 0
        self.problem = ""

    def __iter__(self) -> Iterator[Line]:
        number, rest, skipping = 0, b"", False
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
            for text in lines:
                number += 1
                yield Line(number, None if skipping or len(text) > LONGEST_LINE else text)
                skipping = False
            if len(rest) > LONGEST_LINE:
                rest, skipping = b"", True
        if rest or skipping:
            yield Line(number + 1, None if skipping else rest)

    def _chunks(self) -> Iterator[bytes]:
        """Give the log's text; what goes wrong ends it and is remembered."""
        try:
            first = self._next()
            while 0 < len(first) < len(max(_OTHERS, key=len)) and (more := self._next()):
                first += more
            for magic, what in _OTHERS.items():
                if first.startswith(magic):
                    self.problem = what
                    return
            if first.startswith(_GZIP):
                yield from self._inflated(first)
            else:
                yield from self._plain(first.removeprefix(_BYTE_ORDER_MARK))
        except OSError as error:
            self.problem = error.strerror or "cannot be read"
        except zlib.error:
            self.problem = "the gzip data is damaged"

    def _next(self) -> bytes:
        chunk = self._read(CHUNK)
        self.position += len(chunk)
        return chunk

    def _plain(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            yield chunk
            chunk = self._next()

    def _inflated(self, chunk: bytes) -> Iterator[bytes]:
        member = zlib.decompressobj(_GZIP_WINDOW)
        while True:
            text = member.decompress(chunk, CHUNK)
            if text:
                yield text
            if not member.eof:
                # What it was given may hold more than it gave.
                chunk = member.unconsumed_tail or (b"" if text else self._next())
                if not chunk and not text:
                    self.problem = "the gzip data ends too early"
                    return
            else:
                # Rotated logs are several members, one behind the other, or padded with zeros.
                chunk = member.unused_data.lstrip(b"\0") or self._next().lstrip(b"\0")
                if not chunk:
                    return
                member = zlib.decompressobj(_GZIP_WINDOW)
