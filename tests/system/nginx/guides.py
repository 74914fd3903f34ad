"""The tokens that four widely read guides tell people to make, and libraries that make them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.tokens import SECRET
from tests.system.nginx.sites import APP_ID

MINT: Final = Path(__file__).parent / "mint"
DAY: Final = 24 * 3600
ALGORITHMS: Final = ("HS256", "RS256")

BOOKING: Final = {
    "iss": APP_ID,
    "aud": "jitsi",
    "sub": "meet.example.org",
    "room": "booking-123-3f9a",
    "context": {
        "user": {"name": "Зоя <Müller>", "email": "zoe@example.org", "moderator": "true"},
    },
}
"""A booking site: who pays is moderator, the other side is not."""

WILDCARD: Final = {
    "iss": APP_ID,
    "aud": "jitsi",
    "sub": "meet.example.org",
    "room": "*",
    "exp": 98753496345768,
    "moderator": True,
    "context": {
        "user": {
            "id": "abcd:a1b2c3-d4e5f6-0abc1-23de-abcdef01fedcba",
            "name": "John Doe",
            "email": "jdoe@example.com",
            "avatar": "https://example.com/avatars/john.png",
        },
    },
}
"""The most copied: any room, an expiry that looks like milliseconds, top-level moderator."""

PLAIN: Final = {"iss": APP_ID, "aud": APP_ID, "sub": "meet.example.org", "room": "weekly"}
"""The shortest: nobody's name in it."""

DOCKER: Final = {
    "iss": APP_ID,
    "aud": "your_audience",
    "sub": "meet.jitsi",
    "room": "standup",
    "context": {"user": {"name": "Ada", "email": "ada@example.org"}},
}
"""For docker-jitsi-meet: an audience of one's own, and the internal domain as subject."""


@dataclass(frozen=True, slots=True)
class Order:
    """One token to be made; ``expires_in`` in seconds, None where the claims say it or nobody."""

    algorithm: str
    claims: Mapping[str, Any]
    expires_in: int | None


@cache
def private_key() -> str:
    """Make the key for RS256, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@cache
def public_key() -> str:
    """Give its public half, as PEM."""
    key = serialization.load_pem_private_key(private_key().encode(), None).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def pyjwt(orders: list[Order]) -> list[str]:
    """Python's PyJWT."""
    tokens = []
    for order in orders:
        claims = dict(order.claims)
        if order.expires_in is not None:
            claims["exp"] = int(time.time()) + order.expires_in
        key = SECRET if order.algorithm == "HS256" else private_key()
        tokens.append(jwt.encode(claims, key, order.algorithm))
    return tokens


def jsonwebtoken(orders: list[Order]) -> list[str]:
    """Node's jsonwebtoken."""
    return _run(["node", MINT / "jsonwebtoken.js"], orders, {})


def golang_jwt(orders: list[Order]) -> list[str]:
    """Go's golang-jwt, as Debian packages it."""
    environ = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    return _run(["go", "run", MINT / "golang_jwt.go"], orders, environ)


def plain_php(orders: list[Order]) -> list[str]:
    """PHP without a library, as plug-ins of learning platforms do it."""
    return _run(["php", MINT / "plain_php.php"], orders, {})


LIBRARIES: Final[tuple[Callable[[list[Order]], list[str]], ...]] = (
    pyjwt,
    jsonwebtoken,
    golang_jwt,
    plain_php,
)


def _run(command: list[str | Path], orders: list[Order], environ: Mapping[str, str]) -> list[str]:
    asked = {
        "secret": SECRET,
        "private_key": private_key(),
        "requests": [asdict(order) for order in orders],
    }
    done = subprocess.run(
        command,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": gettempdir(), **os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr
    tokens: list[str] = json.loads(done.stdout)
    return tokens
