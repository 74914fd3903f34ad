"""A response's body, unpacked, and never more of it than allowed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import aiohttp

from verifier.keys.sources.base import KeySourceError

_CHUNK: Final = 65_536
# zlib's window bits: with a gzip header, or with a zlib header.
_WINDOWS: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": 15}


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read at most ``limit`` bytes, packed or unpacked.

    aiohttp unpacks whole chunks before it counts, so the session leaves that to us.

    Raises:
        KeySourceError: larger, packed in another way than gzip or deflate, or broken.
        aiohttp.ClientError: cut off.
    """
    unpack = _unpacker(response.headers.get("Content-Encoding", "").strip().lower())
    body = bytearray()
    received = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        received += len(chunk)
        body += unpack(chunk, limit + 1 - len(body))
        if received > limit or len(body) > limit:
            raise KeySourceError(f"body of more than {limit} bytes", shared=False)
    return bytes(body)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    if encoding in ("", "identity"):
        return lambda chunk, _limit: chunk
    if encoding not in _WINDOWS:
        words = "body packed in a way that was not asked for: expected gzip or deflate"
        raise KeySourceError(words, shared=False)
    stream = zlib.decompressobj(_WINDOWS[encoding])

    def unpack(chunk: bytes, limit: int) -> bytes:
        try:
            return stream.decompress(chunk, limit)
        except zlib.error:
            raise KeySourceError("body that cannot be unpacked", shared=False) from None

    return unpack
