"""Marked tokens and secrets, and a search for any piece of them, in any encoding."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from tests.support.tokens import sign

PIECE: Final = 12
"""The length of the shortest piece that counts, in characters."""


def marked(name: str) -> str:
    """Return a secret of 43 characters that is unique, and the same for the same name."""
    return base64.urlsafe_b64encode(sha256(name.encode()).digest()).decode().rstrip("=")


def forms(secret: str) -> Iterator[str]:
    """Yield the encodings in which a secret may be written."""
    raw = secret.encode()
    yield secret
    yield secret[::-1]
    yield "".join(f"%{byte:02x}" for byte in raw)
    yield raw.hex()
    for shift in range(3):
        # In base64 of a longer text, the secret may begin one or two bytes into a group.
        encoded = base64.b64encode(b"\0" * shift + raw + b"\0\0")
        inner = encoded.decode()[4:-4]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


class Marks:
    """Finds pieces of secrets in texts.

    Args:
        secrets: The secrets, by a name for the report.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._pieces: dict[str, str] = {}
        for name, secret in secrets.items():
            for form in forms(secret):
                for piece in _pieces(form):
                    self._pieces[piece] = name

    def found(self, text: str) -> set[str]:
        """Return the names of the secrets that a text contains a piece of; case is ignored."""
        return {self._pieces[each] for each in _pieces(text) if each in self._pieces}

    def where(self, texts: Mapping[str, str]) -> list[str]:
        """Describe each text with a piece of a secret: which secret, and the surrounding text."""
        return [self._quoted(name, text) for name, text in texts.items() if self.found(text)]

    def _quoted(self, name: str, text: str) -> str:
        lower = text.lower()
        at, piece = min((lower.find(each), each) for each in _pieces(text) if each in self._pieces)
        return f"{name}: {self._pieces[piece]} in {text[max(0, at - 160) : at + 40]!r}"


def _pieces(text: str) -> Iterable[str]:
    lower = text.lower()
    return (lower[at : at + PIECE] for at in range(len(lower) - PIECE + 1))


def token(secret: str, **claims: Any) -> str:
    """Return a token whose segments are all unique: no other token has the same header."""
    usual = {
        "iss": "app",
        "aud": "jitsi",
        "sub": "*",
        "room": "standup",
        "exp": int(time.time()) + 3600,
        "jti": "the-marked-one",
        "context": {"user": {"id": "u-1", "name": "Ada"}},
    }
    return sign(usual | claims, {"kid": "k", "x": marked("header")[:9]}, secret)


def disguises(sent: str) -> Iterator[str]:
    """Yield the spellings of a token or secret that a client may send."""
    yield sent
    yield sent.lower()
    yield sent.upper()
    yield "".join(f"%{byte:02X}" for byte in sent.encode())
    yield quote(sent, safe="").replace("e", "%65", 1)
    yield f"%2565{sent[1:]}"
    yield sent[:-1]
    yield f'"{sent}"'
    yield f"{sent}={sent}"
    yield sent.replace(".", "..")
    yield sent.replace(".", "\\")


def bodies_with(sent: str) -> Iterator[bytes]:
    """Yield bodies with a value in the places of tokens, well-formed or malformed."""
    for member in ("token", "pasted"):
        yield json.dumps({"token": None, member: sent}).encode()
        yield json.dumps({member: sent, "room_jid": "standup@conference.meet.jitsi"}).encode()
        yield json.dumps({member: [sent]}).encode()
        yield json.dumps({member: {sent: sent}}).encode()
    yield json.dumps({"url": f"https://meet.example.org/standup?jwt={sent}"}).encode()
    yield json.dumps({"pasted": f"https://meet.example.org/standup#jwt={sent}"}).encode()
    yield json.dumps({sent: sent}).encode()
    yield f'{{"token": "{sent}", "token": "{sent}"}}'.encode()
    yield f'{{"token": "{sent}"'.encode()
    yield f'{{"token": {sent}}}'.encode()
    yield sent.encode()
    yield f"token={sent}&jwt={sent}".encode()
    yield b"\xff" + sent.encode()


def bodies_about(token: str) -> Iterator[bytes]:
    """Yield bodies with a token in the places of rooms, hosts and times."""
    for member in ("jti", "user_id", "kid", "room", "tenant", "reason"):
        yield json.dumps({"jti": "1", member: token}).encode()
    for member in ("url", "room_jid", "room", "query_prefix", "host", "now"):
        yield json.dumps({"token": token, member: token}).encode()
        yield json.dumps({"token": token, member: [token]}).encode()
    yield json.dumps({"token": token, "room_jid": f"{token}@{token}"}).encode()
    yield json.dumps({"token": token, "url": f"https://{token}/{token}?jwt={token}"}).encode()
