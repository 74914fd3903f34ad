"""Reading the body of a response: bounded in size, packed and unpacked.

We offer ``gzip`` only (``ACCEPT_ENCODING``). Some servers pack without being asked, and "deflate"
means two different things to them (with a zlib header, as RFC 9110 has it, or without), so both are
read. A gzip body may consist of several members (RFC 1952, section 2.2). Storage servers send
whatever ``Content-Encoding`` a file was uploaded with: "utf-8" and "aws-chunked" are frequent, and
name no packing.

A packed megabyte can unpack to a gigabyte: aiohttp would unpack a whole chunk before it counts, so
the session does not let it unpack.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from verifier.keys.sources.base import KeySourceError

if TYPE_CHECKING:
    import aiohttp
    from multidict import CIMultiDictProxy

ACCEPT_ENCODING: Final = "gzip"

_CHUNK: Final = 65_536
_UNPACKED: Final = ("gzip", "x-gzip", "deflate")
# The packings in the registry of HTTP content codings that are not unpacked here.
_OTHER_PACKINGS: Final = (
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "exi",
    "pack200-gzip",
    "x-compress",
    "zstd",
)
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS  # zlib's way to ask for a gzip header
_RAW_BITS: Final = -zlib.MAX_WBITS


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read and unpack a body of at most ``limit`` bytes, packed and unpacked.

    Raises:
        KeySourceError: The body is too large, packed otherwise than by gzip or deflate, or broken.
        aiohttp.ClientError: The body was cut off.
    """
    unpacker = _unpacker(response.headers)
    body = bytearray()
    received = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        received += len(chunk)
        # One byte more than allowed is enough to see that the body is too large.
        body += unpacker.unpack(chunk, limit + 1 - len(body)) if unpacker else chunk
        if received > limit or len(body) > limit:
            raise KeySourceError(f"body of more than {limit} bytes", source_wide=False)
    if unpacker is not None and received and not unpacker.complete:
        raise _broken()
    return bytes(body)


def _unpacker(headers: CIMultiDictProxy[str]) -> _Unpacker | None:
    named = ",".join(headers.getall("Content-Encoding", ())).lower().split(",")
    packings = [name for each in named if (name := each.strip()) in _UNPACKED + _OTHER_PACKINGS]
    if not packings:
        return None
    if packings[0] not in _UNPACKED or len(packings) > 1:
        error = f"unexpected Content-Encoding: expected gzip, found {', '.join(packings[:3])}"
        raise KeySourceError(error, source_wide=False)
    return _Unpacker(gzip=packings[0] != "deflate")


class _Unpacker:
    """Unpacks a body piece by piece.

    Attributes:
        complete: Whether everything so far ended where a member ended.
    """

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._stream = zlib.decompressobj(_GZIP_BITS) if gzip else None
        self.complete = False

    def unpack(self, chunk: bytes, limit: int) -> bytes:
        """Unpack the next piece; return at most ``limit`` bytes."""
        unpacked = bytearray()
        while chunk and len(unpacked) < limit:
            if self.complete:
                # Padding with zeros after the last member is usual, as on tapes.
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    break
                if not self._gzip:
                    raise _broken()
                self._stream = zlib.decompressobj(_GZIP_BITS)
            stream = self._stream = self._stream or _deflate_stream(chunk)
            try:
                unpacked += stream.decompress(chunk, limit - len(unpacked))
            except zlib.error:
                raise _broken() from None
            self.complete, chunk = stream.eof, stream.unused_data
        return bytes(unpacked)


def _deflate_stream(start: bytes) -> zlib._Decompress:
    """Return a stream for a body that begins so: with a zlib header (RFC 1950), or without."""
    # The first two bytes of a zlib header are a multiple of 31; the first one names the method, 8.
    has_header = start[0] & 0x0F == 8 and (len(start) == 1 or int.from_bytes(start[:2]) % 31 == 0)
    return zlib.decompressobj(zlib.MAX_WBITS if has_header else _RAW_BITS)


def _broken() -> KeySourceError:
    return KeySourceError("the body cannot be decompressed", source_wide=False)
