"""Lines out of files of every size, packed or not, whole or not."""

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
    """Gives no more than ``most`` bytes at once."""

    most = 1

    def read(self, size: int | None = -1) -> bytes:
        del size
        return super().read(self.most)


def texts(data: bytes) -> list[bytes | None]:
    return [line.text for line in lines(data)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_are_numbered_and_packing_is_seen_by_content(pack: Callable[[bytes], bytes]) -> None:
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
def test_reading_in_pieces_changes_nothing(parts: list[bytes], size: int) -> None:
    text = b"#" + b"\n".join(parts)
    for data in (text, gzip.compress(text)):
        stream = InPieces(data)
        stream.most = size
        assert [line.text for line in LogLines(stream.read)] == text.removesuffix(b"\n").split(
            b"\n"
        )


def test_members_that_follow_each_other_and_padding_are_one_log() -> None:
    packed = gzip.compress(b"a\n") + gzip.compress(b"b\n") + b"\0" * 1000
    found = lines(packed)
    assert [line.text for line in found] == [b"a", b"b"]
    assert found.problem == ""


def test_a_cut_gzip_gives_what_is_there_and_says_so() -> None:
    whole = b"".join(f"line {number * 7919}\n".encode() for number in range(50_000))
    found = lines(gzip.compress(whole)[:-20])
    count = sum(1 for _ in found)
    assert 40_000 < count <= 50_000
    assert found.problem == "the gzip data ends too early"


def test_damage_ends_a_log_and_is_named() -> None:
    packed = bytearray(gzip.compress(b"".join(b"%d\n" % (n * n) for n in range(20_000))))
    packed[len(packed) // 2] ^= 0xFF
    found = lines(bytes(packed))
    list(found)
    assert "gzip data" in found.problem
    found = lines(gzip.compress(b"a\n") + b"rubbish")
    assert [line.text for line in found] == [b"a"]
    assert found.problem == "the gzip data is damaged"


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (bz2.compress(TEXT), "bzcat"),
        (lzma.compress(TEXT), "xzcat"),
        (b"(\xb5/\xfd rest", "zstdcat"),
        (b"PK\x03\x04 rest", "unzip"),
        ("a".encode("utf-16"), "UTF-8"),
    ],
)
def test_other_packings_are_named_with_what_helps(data: bytes, named: str) -> None:
    found = lines(data)
    assert list(found) == []
    assert named in found.problem


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert texts(b"\xef\xbb\xbfone\n") == [b"one"]


def test_nothing_has_no_lines() -> None:
    assert texts(b"") == []
    assert texts(gzip.compress(b"")) == []


@pytest.mark.parametrize("length", [LONGEST_LINE + 1, CHUNK * 4])
def test_a_huge_line_is_left_out_and_the_next_is_read(length: int) -> None:
    for end in (b"\nnext\n", b""):
        expected = [b"a", None] + ([b"next"] if end else [])
        assert texts(b"a\n" + b"x" * length + end) == expected


def test_gigabytes_in_one_packed_line_are_never_in_memory() -> None:
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(40)) + packer.flush()
    found = LogLines(io.BytesIO(packed).read)
    held = 0
    for chunk in found._chunks():
        held = max(held, len(chunk))
    assert held <= CHUNK


def test_an_error_of_the_system_ends_a_log_and_is_named() -> None:
    def fail(_size: int) -> bytes:
        raise IsADirectoryError(21, "Is a directory")

    found = LogLines(fail)
    assert list(found) == []
    assert found.problem == "Is a directory"
