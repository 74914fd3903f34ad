"""Lines of log files of every size, packed or not, complete or not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.replay.log_file import CHUNK, LONGEST_LINE, LogLines

TEXT = b"one\ntwo\r\n\nfour"


def lines(data: bytes) -> LogLines:
    return LogLines(io.BytesIO(data).read)


class InPieces(io.BytesIO):
    """Returns at most ``most`` bytes at once."""

    most = 1

    def read(self, size: int | None = -1) -> bytes:
        del size
        return super().read(self.most)


def texts(data: bytes) -> list[bytes | None]:
    return [line.text for line in lines(data)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_are_numbered_and_gzip_is_recognised(pack: Callable[[bytes], bytes]) -> None:
    found = lines(pack(TEXT))
    assert [(line.number, line.text) for line in found] == [
        (1, b"one"),
        (2, b"two\r"),
        (3, b""),
        (4, b"four"),
    ]
    assert found.problem == ""
    assert found.position == len(pack(TEXT))


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(1, 7))
@settings(deadline=None)
def test_lines_do_not_depend_on_the_size_of_reads(parts: list[bytes], size: int) -> None:
    text = b"#" + b"\n".join(parts)
    for data in (text, gzip.compress(text)):
        stream = InPieces(data)
        stream.most = size
        assert [line.text for line in LogLines(stream.read)] == text.removesuffix(b"\n").split(
            b"\n"
        )


def test_gzip_members_and_padding_are_one_log() -> None:
    packed = gzip.compress(b"a\n") + gzip.compress(b"b\n") + b"\0" * 1000
    found = lines(packed)
    assert [line.text for line in found] == [b"a", b"b"]
    assert found.problem == ""


def test_many_small_gzip_members_are_read_in_small_pieces() -> None:
    # zlib copies the rest of its input at the end of each member.
    sizes = list[int]()
    stream = io.BytesIO(gzip.compress(b"a\n") * 5000)

    def read(size: int) -> bytes:
        sizes.append(size)
        return stream.read(size)

    assert sum(1 for _ in LogLines(read)) == 5000
    assert max(sizes) <= 1 << 14


def test_truncated_gzip_has_its_lines_and_a_problem() -> None:
    whole = b"".join(f"line {number * 7919}\n".encode() for number in range(50_000))
    found = lines(gzip.compress(whole)[:-20])
    count = sum(1 for _ in found)
    assert 40_000 < count <= 50_000
    assert found.problem == "the gzip data ends too early"


def test_damaged_gzip_ends_the_log_with_a_problem() -> None:
    packed = bytearray(gzip.compress(b"".join(b"%d\n" % (n * n) for n in range(20_000))))
    packed[len(packed) // 2] ^= 0xFF
    found = lines(bytes(packed))
    list(found)
    assert "gzip data" in found.problem
    found = lines(gzip.compress(b"a\n") + b"rubbish")
    assert [line.text for line in found] == [b"a"]
    assert found.problem == "the gzip data is damaged"


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (bz2.compress(TEXT), "bzcat"),
        (lzma.compress(TEXT), "xzcat"),
        (b"(\xb5/\xfd rest", "zstdcat"),
        (b"PK\x03\x04 rest", "unzip"),
        ("a".encode("utf-16"), "UTF-8"),
    ],
)
def test_other_formats_are_named_with_a_remedy(data: bytes, remedy: str) -> None:
    found = lines(data)
    assert list(found) == []
    assert remedy in found.problem


def test_byte_order_mark_is_removed() -> None:
    assert texts(b"\xef\xbb\xbfone\n") == [b"one"]


def test_empty_log_has_no_lines() -> None:
    assert texts(b"") == []
    assert texts(gzip.compress(b"")) == []


@pytest.mark.parametrize("length", [LONGEST_LINE + 1, CHUNK * 4])
def test_line_after_a_huge_line_is_read(length: int) -> None:
    for end in (b"\nnext\n", b""):
        expected = [b"a", None] + ([b"next"] if end else [])
        assert texts(b"a\n" + b"x" * length + end) == expected


def test_unpacked_text_is_never_whole_in_memory() -> None:
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(40)) + packer.flush()
    found = LogLines(io.BytesIO(packed).read)
    largest = 0
    for chunk in found._chunks():
        largest = max(largest, len(chunk))
    assert largest <= CHUNK


def test_read_error_ends_the_log_with_a_problem() -> None:
    def fail(_size: int) -> bytes:
        raise IsADirectoryError(21, "Is a directory")

    found = LogLines(fail)
    assert list(found) == []
    assert found.problem == "Is a directory"
