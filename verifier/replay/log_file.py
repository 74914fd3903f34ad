"""The lines of a log file, packed with gzip or not, in constant memory for any size and content.

A log that cannot be read to its end is no error: its lines up to there are still counted. So
``LogLines`` keeps the problem for the report and raises nothing.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EISDIR
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final

CHUNK: Final = 1 << 18
LONGEST_LINE: Final = 1 << 18
"""Bytes: room for four 16 KB headers, each of their bytes escaped with four characters."""

# zlib copies the rest of its input after each piece of output and after each member.
_PACKED_CHUNK: Final = 1 << 14

_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31  # zlib's number for "a gzip header, and the largest window"
_UNSUPPORTED: Final = {
    b"BZh": "bzip2: pipe it through bzcat",
    b"\xfd7zXZ\x00": "xz: pipe it through xzcat",
    b"(\xb5/\xfd": "zstd: pipe it through zstdcat",
    b"PK\x03\x04": "a zip archive: pipe it through unzip -p",
    b"\xff\xfe": "UTF-16: expected UTF-8",
    b"\xfe\xff": "UTF-16: expected UTF-8",
}
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

Read = Callable[[int], bytes]
"""Returns the next bytes, at most that many; no bytes at the end. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        number: Counted from 1.
        text: The line without its line end; None if it is longer than ``LONGEST_LINE``.
    """

    number: int
    text: bytes | None


class LogLines:
    """Iterates over the lines of one log.

    Args:
        read: Reads the bytes of the log.

    Attributes:
        position: How many bytes have been read, before they are unpacked.
        problem: Why the log could not be read to its end; empty if no problem was found so far.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self.position = 0
        self.problem = ""

    def __iter__(self) -> Iterator[Line]:
        # ``begun`` is the beginning of a line whose end has not been read. It grows in place,
        # because a pipe may return few bytes at a time. Once a line is too long, its bytes are
        # dropped (``skipping``) until it ends.
        number, begun, skipping = 0, bytearray(), False
        for chunk in self._chunks():
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                number += 1
                skipping = skipping or len(begun) + len(end) > LONGEST_LINE
                yield Line(number, None if skipping else bytes(begun) + end)
                begun.clear()
                skipping = False
            if skipping or len(begun) + len(rest) > LONGEST_LINE:
                begun.clear()
                skipping = True
            else:
                begun += rest
        if begun or skipping:
            yield Line(number + 1, None if skipping else bytes(begun))

    def _chunks(self) -> Iterator[bytes]:
        """Yield the unpacked text; a problem ends the text and is kept in ``problem``."""
        try:
            # A pipe may return a few bytes at a time; the longest signature has to be complete.
            first = self._next(_PACKED_CHUNK)
            while 0 < len(first) < len(max(_UNSUPPORTED, key=len)) and (more := self._next()):
                first += more
            for signature, problem in _UNSUPPORTED.items():
                if first.startswith(signature):
                    self.problem = problem
                    return
            if first.startswith(_GZIP):
                yield from self._unpacked(first)
            else:
                yield from self._plain(first.removeprefix(_BYTE_ORDER_MARK))
        except OSError as error:
            self.problem = error.strerror or "cannot be read"
        except zlib.error:
            self.problem = "the gzip data is damaged"

    def _next(self, size: int = CHUNK) -> bytes:
        chunk = self._read(size)
        self.position += len(chunk)
        return chunk

    def _plain(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            yield chunk
            chunk = self._next()

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        member = zlib.decompressobj(_GZIP_WINDOW)
        while True:
            text = member.decompress(chunk, CHUNK)
            if text:
                yield text
            if not member.eof:
                # The output is limited to CHUNK, so part of the input may not be unpacked yet.
                chunk = member.unconsumed_tail or (b"" if text else self._next(_PACKED_CHUNK))
                if not chunk and not text:
                    self.problem = "the gzip data ends too early"
                    return
            else:
                # A log may have several members, one after the other, and zeros as padding.
                chunk = member.unused_data.lstrip(b"\0")
                chunk = chunk or self._next(_PACKED_CHUNK).lstrip(b"\0")
                if not chunk:
                    return
                member = zlib.decompressobj(_GZIP_WINDOW)


def size_of_log(name: str) -> int | None:
    """Return the size of a log, bytes, after checking that it can be read; None for a pipe.

    Raises:
        OSError: The log cannot be read.
        ValueError: No file can have this name.
    """
    status = os.stat(name)  # noqa: PTH116  # a Path would take "" for the current folder
    if S_ISDIR(status.st_mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    if not S_ISREG(status.st_mode):
        return None
    Path(name).open("rb").close()
    return status.st_size


@contextmanager
def open_log(name: str) -> Iterator[LogLines]:
    """Open a log; if it has been removed since ``size_of_log``, that becomes its ``problem``."""
    try:
        file = Path(name).open("rb", buffering=0)  # noqa: SIM115  # closed below
    except OSError as error:
        yield LogLines(_raising(error))
        return
    with file:
        yield LogLines(file.read)


def _raising(error: OSError) -> Read:
    def read(_size: int) -> bytes:
        raise error

    return read
