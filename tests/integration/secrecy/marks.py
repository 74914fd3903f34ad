"""Marked tokens and secrets, and a search for any piece of them, in whatever form it stands."""

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
"""The shortest piece, characters, that counts."""


def marked(name: str) -> str:
    """Make a secret of 43 characters, the same for the same name, that stands nowhere else."""
    return base64.urlsafe_b64encode(sha256(name.encode()).digest()).decode().rstrip("=")


def forms(secret: str) -> Iterator[str]:
    """Give a secret as it may come to stand somewhere: encoded, and in other letters."""
    raw = secret.encode()
    yield secret
    yield secret[::-1]
    yield "".join(f"%{byte:02x}" for byte in raw)
    yield raw.hex()
    for shift in range(3):
        # Where it stands in something longer, base64 begins a byte or two before it.
        encoded = base64.b64encode(b"\0" * shift + raw + b"\0\0")
        inner = encoded.decode()[4:-4]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


class Marks:
    """Everything that must stand nowhere.

    Args:
        secrets: What is secret, by what to call it.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._pieces: dict[str, str] = {}
        for name, secret in secrets.items():
            for form in forms(secret):
                for piece in _pieces(form):
                    self._pieces[piece] = name

    def found(self, text: str) -> set[str]:
        """Name what pieces of it are in a text; upper and lower case are the same."""
        return {self._pieces[each] for each in _pieces(text) if each in self._pieces}

    def where(self, texts: Mapping[str, str]) -> list[str]:
        """Say which texts hold a piece of what, and what stands around the first."""
        return [self._quoted(name, text) for name, text in texts.items() if self.found(text)]

    def _quoted(self, name: str, text: str) -> str:
        lower = text.lower()
        at, piece = min((lower.find(each), each) for each in _pieces(text) if each in self._pieces)
        return f"{name}: {self._pieces[piece]} in {text[max(0, at - 160) : at + 40]!r}"


def _pieces(text: str) -> Iterable[str]:
    lower = text.lower()
    return (lower[at : at + PIECE] for at in range(len(lower) - PIECE + 1))


def token(secret: str, **claims: Any) -> str:
    """Make a token whose every segment is its own: nothing else begins as its header does."""
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
    """Give a token, or a secret, as a client may write it."""
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
    """Give bodies with a token or a secret in the places of tokens, well-formed or not."""
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
    """Give bodies with a token in the places of rooms, hosts and times."""
    for member in ("jti", "user_id", "kid", "room", "tenant", "reason"):
        yield json.dumps({"jti": "1", member: token}).encode()
    for member in ("url", "room_jid", "room", "query_prefix", "host", "now"):
        yield json.dumps({"token": token, member: token}).encode()
        yield json.dumps({"token": token, member: [token]}).encode()
    yield json.dumps({"token": token, "room_jid": f"{token}@{token}"}).encode()
    yield json.dumps({"token": token, "url": f"https://{token}/{token}?jwt={token}"}).encode()
