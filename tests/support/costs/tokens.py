"""Crafted tokens: forms that cost a reader of tokens much for each byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from tests.support.costs.modes import KEY_ID
from tests.support.tokens import segment

_HS: Final = b'{"typ":"JWT","alg":"HS256"}'
_RS: Final = json.dumps({"typ": "JWT", "alg": "RS256", "kid": KEY_ID}).encode()
_UNITS: Final = {
    "numbers": b"1,",
    "long numbers": b"1234567890123456789,",
    "floats": b"1e5,",
    "signs": b"-1,",
    "hexadecimal numbers": b"0x1,",
    "words": b"null,",
    "bad words": b"nan,",
    "lists": b"[],",
    "objects": b"{},",
    "strings": b'"",',
    "escapes": b'"\\u00e9",',
    "surrogates": b'"\\ud83d\\ude00",',
    "bytes beyond UTF-8": b'"\xff",',
}


def crafted(size: int) -> Iterator[tuple[str, str]]:
    """Yield tokens of about so many bytes, none with a good signature."""
    room = max(10, (size - 100) * 3 // 4)
    for name, unit in _UNITS.items():
        payload = b'{"exp":1,"a":[' + unit * (room // len(unit)) + b"1]}"
        for algorithm, header in (("HS256", _HS), ("RS256", _RS)):
            token = f"{segment(header)}.{segment(payload)}.{'A' * 43}"
            yield f"{algorithm}, {name}", token
            yield f"{algorithm}, {name}, padded", token.replace(".", "=.")
            # Strict readers refuse a doubled name at the end of an object, after all the work.
            doubled = segment(payload[:-1] + b',"exp":1}')
            yield f"{algorithm}, {name}, doubled", f"{segment(header)}.{doubled}.{'A' * 43}"
        header = _HS[:-1] + b',"a":[' + unit * (room // len(unit)) + b"1]}"
        yield f"header of {name}", f"{segment(header)}.e30.{'A' * 43}"
        yield f"header of {name}, padded", f"{segment(header)}=.e30.{'A' * 43}"
    members = b",".join(b'"%x":1' % number for number in range(room // 9))
    yield "members", f"{segment(_HS)}.{segment(b'{' + members + b'}')}.{'A' * 43}"
    yield "members, padded", f"{segment(_HS)}=.{segment(b'{' + members + b'}')}.{'A' * 43}"
    for levels in (60, min(499, room // 6), room // 3):
        nested = b'{"a":' * levels + b"1" + b"}" * levels
        yield f"{levels} levels", f"{segment(_HS)}=.{segment(nested)}.{'A' * 43}"
    for key_id in ("k", "eyJ", "eyjh", "é", "\x1f", "\ufdfa"):
        for length in (room // len(key_id), 60):
            named = {"typ": "JWT", "alg": "RS256", "kid": key_id * length}
            yield f"{length} times the key id {key_id!r}", f"{segment(named)}.e30.{'A' * 43}"
    yield "algorithm", f"{segment({'typ': 'JWT', 'alg': 'R' * room})}.e30.{'A' * 43}"
    yield "type", f"{segment({'typ': 'eyJh' * (room // 4), 'alg': 'HS256'})}.e30.{'A' * 43}"
    yield "dots", "." * size
    yield "backslashes", "a" + "\\" * (size - 2) + "b"
    yield "padding", "=" * size
    yield "segments", "a." * (size // 2)
    yield "no dot", "A" * size
    yield "signature", f"{segment(_HS)}.e30.{'A' * (size - 60)}"
    yield "text beyond ASCII", "é" * (size // 2)
    yield "zero byte", f"{segment(_HS)}.{segment(b'{}' + bytes(room))}.{'A' * 43}"
    yield "blanks", f"{segment(_HS)}.{segment(b'{' + b' ' * room + b'}')}.{'A' * 43}"
    yield (
        "backslashes in text",
        f"{segment(_HS)}=.{segment(b'{' + bytes([34]) + bytes([92]) * room)}.",
    )
