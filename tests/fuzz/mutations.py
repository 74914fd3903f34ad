"""Changes a part of a request so that it stays a whole request: target, header value or body."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from random import Random
from typing import Final

from tests.support.tokens import segment

_LONGEST_FIELD: Final = 15_900
_LONGEST_BODY: Final = 65_000
_FIXED: Final = (b"content-length", b"transfer-encoding")
_NEVER_IN_FIELDS: Final = bytes(range(0x20)) + b"\x7f"
_SEGMENT: Final = re.compile(rb"[\w-]{16,}")
_LINE_END: Final = b"\r\n"
_UNITS: Final = (
    *(b"%41", b"%25", b"%", b"%c3%a9", b"%cc%81", b"%ef%b7%ba", b"&", b"=", b"+", b"/", b".", b";"),
    *(b"jwt=", b"token=", b"room=", b"prefix=", b"pass=", b"%72oom=", b"/http-bind?", b"eyJ", b"-"),
    *(
        b"1,",
        b'"",',
        b"[],",
        b"{},",
        b'"a":1,',
        b"1e5,",
        b"\\u00e9",
        b"0x1,",
        b"nan,",
        b"[",
        b'{"a":',
    ),
    *(
        b"@",
        b"[a]",
        b":",
        b"#",
        b" ",
        b"\xc3\xa9",
        b"\xff",
        b"\xcc\x81",
        b"Bearer ",
        b"__Host-jitsi-",
    ),
)
_FIELDS: Final = (
    *(
        b"Cookie",
        b"Authorization",
        b"X-Request-Id",
        b"traceparent",
        b"X-Real-IP",
        b"X-Forwarded-For",
    ),
    *(b"X-Original-Method", b"X-Forwarded-Uri", b"Sec-Fetch-Dest", b"X-Jitsi-Handoff", b"Origin"),
)


class Mutator:
    """Makes new requests of others.

    Args:
        random: The source of all choices; the same seed makes the same requests.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._changes: tuple[Callable[[bytes, int], bytes], ...] = (
            self._repeat,
            self._repeat,
            self._fill,
            self._insert,
            self._insert,
            self._delete,
            self._escape,
            self._change_segment,
            self._change_segment,
        )

    def mutate(self, request: bytes) -> bytes:
        """Return a changed request, with the right length of its body."""
        head, _, body = request.partition(_LINE_END * 2)
        first, *fields = head.split(_LINE_END)
        choice = self._random.random()
        if body and choice < 0.6:
            body = self._change(body, _LONGEST_BODY)
        elif choice < 0.1:
            name = self._random.choice(_FIELDS)
            value = self._change(self._random.choice(_UNITS), _LONGEST_FIELD)
            fields.append(name + b": " + value.translate(None, _NEVER_IN_FIELDS).strip())
        else:
            at = self._random.randrange(len(fields) + 1)
            if at < len(fields):
                fields[at] = self._change_field(fields[at])
            else:
                first = self._change_target(first)
        fields = [field for field in fields if not field.lower().startswith(b"content-length:")]
        if body and not any(field.lower().startswith(_FIXED) for field in fields):
            fields.append(b"Content-Length: %d" % len(body))
        return _LINE_END.join([first, *fields, b"", body])

    def _change_field(self, field: bytes) -> bytes:
        name, _, value = field.partition(b": ")
        if name.lower() in _FIXED:
            return field
        changed = self._change(value, _LONGEST_FIELD).translate(None, _NEVER_IN_FIELDS)
        return name + b": " + changed.strip()

    def _change_target(self, line: bytes) -> bytes:
        method, target, version = line.split(b" ")
        changed = self._change(target, _LONGEST_FIELD).translate(None, _NEVER_IN_FIELDS + b" ")
        # The path of the endpoint stays: otherwise most requests would be for unknown paths.
        path = target.partition(b"?")[0] if self._random.random() < 0.9 else b""
        printable = bytes(byte for byte in changed if byte < 0x7F)
        return b" ".join(
            (method, printable if printable.startswith(path or b"/") else target, version)
        )

    def _change(self, text: bytes, longest: int) -> bytes:
        for _ in range(self._random.randint(1, 3)):
            text = self._random.choice(self._changes)(text, longest)[:longest]
        return text

    def _slice(self, text: bytes, longest: int = 24) -> tuple[int, int]:
        start = self._random.randint(0, len(text))
        return start, min(len(text), start + self._random.randint(0, longest))

    def _repeat(self, text: bytes, longest: int) -> bytes:
        start, end = self._slice(text)
        most = max(2, (longest - len(text)) // max(1, end - start))
        times = int(most ** self._random.random()) + 1
        return text[:start] + text[start:end] * times + text[end:]

    def _fill(self, text: bytes, longest: int) -> bytes:
        start, end = self._slice(text)
        part = text[start:end] or b"a"
        return text[:end] + part * ((longest - len(text)) // len(part)) + text[end:]

    def _insert(self, text: bytes, _longest: int) -> bytes:
        start, end = self._slice(text, 4)
        unit = self._random.choice(_UNITS) * self._random.choice((1, 1, 2, 8, 30))
        return text[:start] + unit + text[end:]

    def _delete(self, text: bytes, _longest: int) -> bytes:
        start, end = self._slice(text, max(1, len(text) // 2))
        return text[:start] + text[end:]

    def _escape(self, text: bytes, _longest: int) -> bytes:
        start, end = self._slice(text, 400)
        escaped = b"".join(b"%%%02x" % byte for byte in text[start:end])
        return text[:start] + escaped + text[end:]

    def _change_segment(self, text: bytes, longest: int) -> bytes:
        """Change what a segment of a token decodes to."""
        segments = list(_SEGMENT.finditer(text))
        if not segments:
            return text
        found = self._random.choice(segments)
        try:
            decoded = urlsafe_b64decode(found[0] + b"=" * (-len(found[0]) % 4))
        except binascii.Error:
            return text
        changes = (self._repeat, self._fill, self._insert, self._delete)
        room = (longest - len(text) + len(found[0])) * 3 // 4
        changed = self._random.choice(changes)(decoded, max(1, room))
        return text[: found.start()] + segment(changed[:room]).encode() + text[found.end() :]
