"""Keys behind a company's proxy, and from a server with a company's certificate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from tests.support.key_server import KeyServer, pem_of, running_key_server
from tests.support.processes import get, running_verifier
from tests.support.raw_ask import ask_raw
from tests.support.tls import tls_context
from tests.support.tokens import sign

HOST = "keys.company.test"  # a name that no machine can resolve
KEY = ec.derive_private_key(7, ec.SECP256R1())
TOKEN = sign(
    {"iss": "app", "aud": "jitsi", "sub": "*", "room": "standup"}, {"kid": "k"}, KEY, "ES256"
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[KeyServer]:
    """Run a key server with a certificate for HOST, which is also in the file ca.pem."""
    now = time.time()
    context, certificate = tls_context([x509.DNSName(HOST)], now - 60, now + 3600)
    (tmp_path / "ca.pem").write_text(certificate)
    async with running_key_server(context) as running:
        running.publish("k", pem_of(KEY.public_key()))
        yield running


class Proxy:
    """A proxy that opens a tunnel to the key server, whatever host it is asked for.

    Attributes:
        heads: The head of each request.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_copy(reader, to_server), _copy(from_server, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def running_proxy(server: KeyServer) -> AsyncIterator[tuple[Proxy, str]]:
    proxy = Proxy(URL(server.url).port or 0)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        yield proxy, f"http://me:s3cret@127.0.0.1:{port}"
        listener.close()


def options(tmp_path: Path, **others: str) -> dict[str, Any]:
    return {
        "JWT_APP_ID": "app",
        "JWT_ASAP_KEYSERVER": f"https://{HOST}/",
        "JWT_SIGN_TYPE": "ES256",
        "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        **others,
    }


async def test_keys_are_fetched_through_the_proxy(server: KeyServer, tmp_path: Path) -> None:
    async with running_proxy(server) as (proxy, url):
        with running_verifier(tmp_path, **options(tmp_path, HTTPS_PROXY=url)) as verifier:
            assert await ask_raw(verifier.port, TOKEN) == (200, "")
            assert "keys are fetched through a proxy" in verifier.log
            assert "s3cret" not in verifier.log
        assert proxy.heads[0].startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic bWU6czNjcmV0" in proxy.heads[0]


async def test_no_proxy_is_honoured(server: KeyServer, tmp_path: Path) -> None:
    async with running_proxy(server) as (proxy, url):
        settings = options(tmp_path, HTTPS_PROXY=url, NO_PROXY=".company.test")
        with running_verifier(tmp_path, **settings) as verifier:
            assert await ask_raw(verifier.port, TOKEN) == (503, "keys-unavailable")
            assert "through a proxy" not in verifier.log
    assert proxy.heads == []


async def test_certificate_of_another_authority_is_reported(
    server: KeyServer, tmp_path: Path
) -> None:
    async with running_proxy(server) as (_, url):
        settings = options(tmp_path, HTTPS_PROXY=url)
        del settings["SSL_CERT_FILE"]
        with running_verifier(tmp_path, **settings) as verifier:
            assert await ask_raw(verifier.port, TOKEN) == (503, "keys-unavailable")
            ready = (await asyncio.to_thread(get, verifier.admin, "/readyz")).json
            assert "SSL_CERT_FILE" in ready["sources"][0]["last_error"]
            assert "verify code 18" in ready["sources"][0]["last_error"]


async def test_certificate_for_another_name_is_reported(server: KeyServer, tmp_path: Path) -> None:
    async with running_proxy(server) as (_, url):
        settings = options(tmp_path, HTTPS_PROXY=url)
        settings["JWT_ASAP_KEYSERVER"] = "https://other.company.test/"
        with running_verifier(tmp_path, **settings) as verifier:
            assert await ask_raw(verifier.port, TOKEN) == (503, "keys-unavailable")
            assert "is for another host name (OpenSSL verify code 62)" in verifier.log
