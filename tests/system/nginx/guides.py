"""The tokens of four widely read guides, and the libraries with which sites make them."""

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
"""A booking site: the host is a moderator, the guest is not."""

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
"""The most copied example: any room, ``exp`` like milliseconds, ``moderator`` at the top level."""

PLAIN: Final = {"iss": APP_ID, "aud": APP_ID, "sub": "meet.example.org", "room": "weekly"}
"""The shortest token: it names no user."""

DOCKER: Final = {
    "iss": APP_ID,
    "aud": "your_audience",
    "sub": "meet.jitsi",
    "room": "standup",
    "context": {"user": {"name": "Ada", "email": "ada@example.org"}},
}
"""docker-jitsi-meet: an audience of the operator's, and the internal domain as subject."""


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """One token to make.

    ``expires_in`` is in seconds. None adds no ``exp`` to the claims.
    """

    algorithm: str
    claims: Mapping[str, Any]
    expires_in: int | None


@cache
def private_key() -> str:
    """Return the private key for RS256, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@cache
def public_key() -> str:
    """Return the public key for RS256, as PEM."""
    key = serialization.load_pem_private_key(private_key().encode(), None).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def pyjwt(specs: list[TokenSpec]) -> list[str]:
    """Make tokens with PyJWT (Python)."""
    tokens = []
    for spec in specs:
        claims = dict(spec.claims)
        if spec.expires_in is not None:
            claims["exp"] = int(time.time()) + spec.expires_in
        key = SECRET if spec.algorithm == "HS256" else private_key()
        tokens.append(jwt.encode(claims, key, spec.algorithm))
    return tokens


def jsonwebtoken(specs: list[TokenSpec]) -> list[str]:
    """Make tokens with jsonwebtoken (Node.js)."""
    return _run(["node", MINT / "jsonwebtoken.js"], specs, {})


def golang_jwt(specs: list[TokenSpec]) -> list[str]:
    """Make tokens with Debian's package of golang-jwt (Go)."""
    environ = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    return _run(["go", "run", MINT / "golang_jwt.go"], specs, environ)


def plain_php(specs: list[TokenSpec]) -> list[str]:
    """Make tokens in PHP without a library, as plug-ins of learning platforms do."""
    return _run(["php", MINT / "plain_php.php"], specs, {})


LIBRARIES: Final[tuple[Callable[[list[TokenSpec]], list[str]], ...]] = (
    pyjwt,
    jsonwebtoken,
    golang_jwt,
    plain_php,
)


def _run(
    command: list[str | Path], specs: list[TokenSpec], environ: Mapping[str, str]
) -> list[str]:
    document = {
        "secret": SECRET,
        "private_key": private_key(),
        "requests": [asdict(spec) for spec in specs],
    }
    done = subprocess.run(
        command,
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": gettempdir(), **os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr
    tokens: list[str] = json.loads(done.stdout)
    return tokens
