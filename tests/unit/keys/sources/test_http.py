from __future__ import annotations

import asyncio
import gzip
import hashlib
import socket
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from multidict import CIMultiDict
from yarl import URL

from tests.support.key_server import KeyServer, Reply, running_key_server, source_context
from tests.support.tls import tls_context
from verifier.keys.sources.base import KeySourceError
from verifier.keys.sources.freshness import stated_lifetime
from verifier.keys.sources.http import HttpFetcher, KeyResponse, redacted_url
from verifier.keys.sources.proxy import proxy_for

LIMIT = 1 << 20
NOW = 1_767_225_600  # Thu, 01 Jan 2026 00:00:00 GMT


@pytest.fixture
def fetcher(session: aiohttp.ClientSession) -> HttpFetcher:
    return HttpFetcher(session, source_context())


@pytest.fixture
def impatient_fetcher(session: aiohttp.ClientSession) -> HttpFetcher:
    return HttpFetcher(session, source_context(key_fetch_timeout=0.3))


async def fetch_error(fetcher: HttpFetcher, url: str, etag: str = "") -> KeySourceError:
    with pytest.raises(KeySourceError) as failure:
        await fetcher.get(URL(url), etag)
    return failure.value


@pytest.fixture
def black_hole() -> Iterator[int]:
    """Return a port that neither accepts nor refuses connections."""
    with ExitStack() as stack:
        listener = stack.enter_context(closing(socket.socket()))
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(closing(socket.socket()))
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("status", [200, 204])
async def test_statuses_200_and_204_are_responses(
    server: KeyServer, fetcher: HttpFetcher, status: int
) -> None:
    body = b"body" if status == 200 else b""
    server.reply_to_all = Reply(body, status, {"ETag": '"1"', "Cache-Control": "max-age=9"})
    assert await fetcher.get(URL(server.url)) == KeyResponse("ok", body, '"1"', 9)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451])
async def test_missing_key_is_a_response(
    server: KeyServer, fetcher: HttpFetcher, status: int
) -> None:
    server.reply_to_all = Reply(b"body", status)
    assert await fetcher.get(URL(server.url)) == KeyResponse("not-found", status=status)


@pytest.mark.parametrize("status", [201, 206, 300, 407, 408, 425, 429, 500, 502, 503])
async def test_other_statuses_are_errors(
    server: KeyServer, fetcher: HttpFetcher, status: int
) -> None:
    server.reply_to_all = Reply(b"body", status)
    error = await fetch_error(fetcher, f"{server.url}/k?secret=1")
    assert str(error) == f"status {status} from {server.url}/k"
    assert error.source_wide == (status >= 500 or status in {407, 408, 425, 429})


async def test_error_hides_the_secrets_of_a_url(fetcher: HttpFetcher) -> None:
    error = await fetch_error(fetcher, "http://user:password@127.0.0.1:1/k?token=secret#fragment")
    assert str(error) == "cannot connect (Connection refused): http://127.0.0.1:1/k"
    assert error.__cause__ is None
    assert redacted_url(URL("http://u:p@host/k?q#f")) == "http://host/k"


class FailingResolver(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise socket.gaierror(socket.EAI_NONAME, f"unknown: {host}, {port}, {family}")

    async def close(self) -> None:
        pass


async def test_long_and_numerous_header_fields_are_read(
    server: KeyServer, session: aiohttp.ClientSession
) -> None:
    policy = {"Content-Security-Policy": "x" * 30_000}
    server.reply_to_all = Reply(b"body", headers=policy | {f"X-{n}": "" for n in range(400)})
    assert (await HttpFetcher(session, source_context()).get(URL(server.url))).body == b"body"


async def test_end_of_a_connection_in_a_handshake_is_reported(fetcher: HttpFetcher) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listener:
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/k"
        error = str(await fetch_error(fetcher, url))
    # The second one, if the server closes it before it has read everything.
    reasons = ("the server closed the connection", "Connection reset by peer")
    assert error in [f"cannot connect ({reason}): {url}" for reason in reasons]


async def test_unresolved_host_name_is_reported() -> None:
    connector = aiohttp.TCPConnector(resolver=FailingResolver())
    async with aiohttp.ClientSession(connector=connector) as session:
        error = await fetch_error(HttpFetcher(session, source_context()), "http://no-such-host/k")
    assert str(error) == "the host's name cannot be resolved: http://no-such-host/k"


async def test_connecting_has_its_own_timeout(
    session: aiohttp.ClientSession, black_hole: int
) -> None:
    fetcher = HttpFetcher(session, source_context(key_fetch_timeout=60, key_connect_timeout=0.1))
    async with asyncio.timeout(30):
        error = await fetch_error(fetcher, f"http://127.0.0.1:{black_hole}/")
    assert error.timeout
    assert str(error) == f"no response in time from http://127.0.0.1:{black_hole}/"


@pytest.mark.slow
@pytest.mark.parametrize("reply", [Reply(fault="stall"), Reply(b"part", fault="stall in body")])
async def test_stalled_response_ends_at_the_timeout(
    server: KeyServer, impatient_fetcher: HttpFetcher, reply: Reply
) -> None:
    server.reply_to_all = reply
    async with asyncio.timeout(30):
        assert (await fetch_error(impatient_fetcher, server.url)).timeout


async def test_truncated_body_is_an_error(server: KeyServer, fetcher: HttpFetcher) -> None:
    server.reply_to_all = Reply(b"part", fault="cut off")
    assert str(await fetch_error(fetcher, server.url)).startswith("the response was cut off")


async def test_response_that_is_not_http_is_an_error(session: aiohttp.ClientSession) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"secret garbage\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as garbage:
        port = garbage.sockets[0].getsockname()[1]
        error = await fetch_error(
            HttpFetcher(session, source_context()), f"http://127.0.0.1:{port}/"
        )
    assert "secret" not in str(error)
    assert not error.timeout


async def test_https_to_a_plain_server_is_an_error(server: KeyServer, fetcher: HttpFetcher) -> None:
    url = server.url.replace("http:", "https:") + "/k"
    fault = "TLS failed: the server does not speak TLS on this port (WRONG_VERSION_NUMBER)"
    assert str(await fetch_error(fetcher, url)) == f"{fault}: {url}"


# Size


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT])
async def test_body_of_up_to_one_mebibyte_is_read(
    server: KeyServer, fetcher: HttpFetcher, size: int
) -> None:
    server.reply_to_all = Reply(b"x" * size)
    assert len((await fetcher.get(URL(server.url))).body) == size


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)],
)
async def test_larger_body_is_refused_in_every_encoding(
    server: KeyServer, fetcher: HttpFetcher, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    server.reply_to_all = Reply(pack(b"x" * (LIMIT + 1)), headers={"Content-Encoding": encoding})
    error = await fetch_error(fetcher, server.url)
    assert str(error) == f"body of more than {LIMIT} bytes"
    assert not error.source_wide


@pytest.mark.slow
async def test_compression_bomb_is_not_decompressed(
    server: KeyServer, fetcher: HttpFetcher
) -> None:
    bomb = gzip.compress(bytes(200 * LIMIT))
    assert len(bomb) < LIMIT
    server.reply_to_all = Reply(bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        assert str(await fetch_error(fetcher, server.url)) == f"body of more than {LIMIT} bytes"
        assert tracemalloc.get_traced_memory()[1] < 20 * LIMIT
    finally:
        tracemalloc.stop()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def members(body: bytes) -> bytes:
    """Return several members, of which some are empty, and the padding of a tape."""
    parts = [body[:7], b"", b"", body[7:70_000], body[70_000:]]
    return b"".join(map(gzip.compress, parts)) + bytes(512)


PACKINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "upper case": ("GZIP", gzip.compress),
    "with identity": ("identity, gzip", gzip.compress),
    "members": ("gzip", members),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "identity": ("identity", bytes),
    "character set": ("utf-8", bytes),
    "upload's framing": ("aws-chunked", bytes),
    "upload's framing, gzip": ("aws-chunked, gzip", gzip.compress),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("size", [0, 1, 256_000])
async def test_compressed_body_is_decompressed(
    server: KeyServer, fetcher: HttpFetcher, packing: str, size: int
) -> None:
    encoding, pack = PACKINGS[packing]
    body = hashlib.shake_256(b"body").digest(size)
    server.reply_to_all = Reply(pack(body), headers={"Content-Encoding": encoding})
    assert (await fetcher.get(URL(server.url))).body == body
    assert server.requests[0].headers["Accept-Encoding"] == "gzip"


async def test_bomb_of_many_members_is_not_decompressed(
    server: KeyServer, fetcher: HttpFetcher
) -> None:
    bomb = gzip.compress(bytes(LIMIT // 2)) * 100
    assert len(bomb) < LIMIT
    server.reply_to_all = Reply(bomb, headers={"Content-Encoding": "gzip"})
    assert str(await fetch_error(fetcher, server.url)) == f"body of more than {LIMIT} bytes"


async def test_empty_body_may_name_an_encoding(server: KeyServer, fetcher: HttpFetcher) -> None:
    server.reply_to_all = Reply(b"", 204, {"Content-Encoding": "gzip"})
    assert (await fetcher.get(URL(server.url))).body == b""


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"x" * 1000)[:-1],
        gzip.compress(b"x" * 1000) + gzip.compress(b"y" * 1000)[:-9],
        gzip.compress(b"x") + b"garbage",
        gzip.compress(b"x" * 1000)[:-8] + bytes(8),
    ],
    ids=["cut off", "second member cut off", "garbage", "wrong checksum"],
)
async def test_incomplete_gzip_is_an_error(
    server: KeyServer, fetcher: HttpFetcher, body: bytes
) -> None:
    server.reply_to_all = Reply(body, headers={"Content-Encoding": "gzip"})
    assert str(await fetch_error(fetcher, server.url)) == "the body cannot be decompressed"


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("gzip", "cannot be decompressed"),
        ("br", "expected gzip, found br"),
        ("gzip, zstd", "expected gzip, found gzip, zstd"),
    ],
)
async def test_body_with_a_bad_encoding_is_an_error(
    server: KeyServer, fetcher: HttpFetcher, encoding: str, words: str
) -> None:
    server.reply_to_all = Reply(b"not packed at all", headers={"Content-Encoding": encoding})
    assert words in str(await fetch_error(fetcher, server.url))


# Freshness


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Cache-Control": ""}, None),
        ({"Cache-Control": "public"}, None),
        ({"Cache-Control": "max-age=60"}, 60),
        ({"cache-control": "Public, Max-Age = 60"}, 60),
        ({"Cache-Control": 'max-age="60", private'}, 60),
        ({"Cache-Control": "s-maxage=5, max-age=60"}, 60),
        ({"Cache-Control": "s-maxage=5"}, None),
        ({"Cache-Control": "x-max-age=5"}, None),
        ({"Cache-Control": "max-age=-1"}, 0),
        ({"Cache-Control": "max-age=x"}, 0),
        ({"Cache-Control": "max-age"}, 0),
        ({"Cache-Control": "max-age=99999999999"}, 2**31),
        ({"Cache-Control": "max-age=" + "9" * 5000}, 2**31),
        ({"Cache-Control": "max-age=60, max-age=5"}, 60),
        ({"Cache-Control": 'private="a, max-age=5", max-age=60'}, 60),
        ({"Cache-Control": 'ext="\\", no-store", max-age=60'}, 60),
        ({"Cache-Control": 'no-cache="Set-Cookie", max-age=60'}, 60),
        ({"Cache-Control": ", ,max-age=60,"}, 60),
        ({"Cache-Control": "must-revalidate, immutable, max-age=60"}, 60),
        ({"Cache-Control": "max-age=60", "Age": "20"}, 40),
        ({"Cache-Control": "max-age=60", "Age": "90"}, 0),
        ({"Cache-Control": "max-age=60", "Age": "x"}, 60),
        ({"Cache-Control": "max-age=60", "Age": "20, 5"}, 40),
        ({"Cache-Control": "no-store, max-age=60"}, 0),
        ({"Cache-Control": "max-age=60, No-Store"}, 0),
        ({"Cache-Control": "no-cache"}, 0),
        ({"Cache-Control": 'no-cache="Set-Cookie"'}, None),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00 GMT"}, 3600),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00"}, 3600),
        (
            {"Expires": "Thu, 01 Jan 2026 01:00:00 GMT", "Date": "Thu, 01 Jan 2026 00:30:00 GMT"},
            1800,
        ),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00 GMT", "Date": "yesterday"}, 3600),
        ({"Expires": "Wed, 31 Dec 2025 00:00:00 GMT"}, 0),
        ({"Expires": "0"}, 0),
        ({"Expires": ""}, 0),
        ({"Expires": "Thu, 01 Jan 99999 00:00:00 GMT"}, 0),
        ({"Expires": "Thu, 01 Jan 2026 01:00:00 GMT", "Cache-Control": "max-age=5"}, 5),
    ],
)
def test_lifetime_is_what_the_headers_state(headers: dict[str, str], seconds: float | None) -> None:
    assert stated_lifetime(CIMultiDict(headers), NOW) == seconds


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([("Cache-Control", "public"), ("Cache-Control", "max-age=60")], 60),
        ([("Cache-Control", "max-age=60"), ("cache-control", "no-store")], 0),
        ([("Cache-Control", ""), ("Cache-Control", "private"), ("Cache-Control", "max-age=7")], 7),
        ([("Cache-Control", "max-age=60"), ("Age", "20"), ("Age", "50")], 40),
        (
            [
                ("Expires", "Thu, 01 Jan 2026 01:00:00 GMT"),
                ("Expires", "0"),
                ("Date", "Thu, 01 Jan 2026 00:30:00 GMT"),
                ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
                ("Age", "300"),
            ],
            1500,
        ),
    ],
)
async def test_several_lines_of_a_header_are_one_list(
    session: aiohttp.ClientSession, lines: list[tuple[str, str]], seconds: float
) -> None:
    """A real connection carries the lines: an HTTP client may join or drop them."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "".join(f"{name}: {value}\r\n" for name, value in lines)
        writer.write(f"HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        response = await HttpFetcher(session, source_context()).get(URL(f"http://127.0.0.1:{port}"))
    assert response.lifetime == seconds


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_to_the_same_origin_is_followed(
    server: KeyServer, fetcher: HttpFetcher, status: int
) -> None:
    for location in ("/there", f"{server.url}/there", "there#fragment"):
        server.replies["/here"] = Reply(status=status, headers={"Location": location})
        server.replies["/there"] = Reply(b"body")
        assert (await fetcher.get(URL(f"{server.url}/here"), '"1"')).body == b"body"


async def test_at_most_three_redirects_are_followed(
    server: KeyServer, fetcher: HttpFetcher
) -> None:
    for step in range(4):
        server.replies[f"/{step}"] = Reply(status=302, headers={"Location": f"/{step + 1}"})
    server.replies["/4"] = Reply(b"body")
    assert (await fetcher.get(URL(f"{server.url}/1"))).body == b"body"
    assert "more than 3 redirects" in str(await fetch_error(fetcher, f"{server.url}/0"))


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("http://localhost:{port}/", "'http://localhost:{port}/'"),
        ("http://127.0.0.1:1/", "'http://127.0.0.1:1/'"),
        ("https://127.0.0.1:{port}/", "'https://127.0.0.1:{port}/'"),
        ("//127.0.0.2:{port}/", "'http://127.0.0.2:{port}/'"),
        ("https://me:secret@sso.test/login?state=secret", "'https://sso.test/login'"),
        ("https://sso.test/" + "x" * 500, "'https://sso.test/" + "x" * 99 + "..."),
        ("file:///etc/passwd", "no URL of HTTP"),
        ("ftp://127.0.0.1:{port}/", "'ftp://127.0.0.1:{port}/'"),
        ("http://[", "no URL of HTTP"),
        ("", "no URL of HTTP"),
    ],
)
async def test_redirect_to_another_origin_is_not_followed(
    server: KeyServer, fetcher: HttpFetcher, location: str, shown: str
) -> None:
    port = URL(server.url).port
    target, to = location.format(port=port), shown.format(port=port)
    server.reply_to_all = Reply(status=302, headers={"Location": target})
    error = await fetch_error(fetcher, f"{server.url}/k")
    assert str(error) == f"redirect from {server.url}/k to another origin ({to}): not followed"
    assert len(server.requests) == 1


async def test_url_credentials_are_sent_to_its_origin_only(
    server: KeyServer, fetcher: HttpFetcher
) -> None:
    server.replies["/here"] = Reply(status=302, headers={"Location": "/there"})
    server.replies["/there"] = Reply(b"body")
    url = URL(server.url).with_user("me").with_password("secret")
    await fetcher.get(url / "here")
    assert {request.headers["Authorization"] for request in server.requests} == {
        "Basic bWU6c2VjcmV0"
    }


@pytest.fixture
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxy_variables")
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
async def test_proxy_is_used_with_its_password(
    fetcher: HttpFetcher, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    async with running_key_server() as proxy:
        proxy.reply_to_all = Reply(b"body")
        monkeypatch.setenv(variable, proxy.url.replace("//", "//me:secret@"))
        assert (await fetcher.get(URL("http://keys.test/k"))).body == b"body"
        headers = proxy.requests[0].headers
        assert (headers["Host"], headers["Proxy-Authorization"]) == (
            "keys.test",
            "Basic bWU6c2VjcmV0",
        )
        assert "Authorization" not in headers


@pytest.mark.usefixtures("no_proxy_variables")
async def test_tunnel_through_the_proxy_is_opened_for_https(
    fetcher: HttpFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 403 Secret Reason\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{port}")
        error = str(await fetch_error(fetcher, "https://keys.test/k"))
    assert asked == [b"CONNECT keys.test:443 HTTP/1.1\r\n"]
    assert error == "the proxy of HTTPS_PROXY answered with status 403: https://keys.test/k"
    error = str(await fetch_error(fetcher, "https://keys.test/k"))
    assert error == "cannot connect to the proxy of HTTPS_PROXY or HTTP_PROXY: https://keys.test/k"


@pytest.mark.usefixtures("no_proxy_variables")
@pytest.mark.parametrize(
    ("proxy", "found"),
    [
        ("socks5://me:secret@proxy:1080", "one of scheme 'socks5'"),
        ("ftp://proxy", "one of scheme 'ftp'"),
        ("http://", "one without a host"),
        ("http://me:secret@proxy:99999", "no URL"),
        ("http://[", "no URL"),
    ],
)
async def test_other_kinds_of_proxy_are_an_error(
    fetcher: HttpFetcher, monkeypatch: pytest.MonkeyPatch, proxy: str, found: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    error = str(await fetch_error(fetcher, "http://keys.test/k"))
    expected = "expected an http or https URL in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
    assert error == f"{expected}, found {found}"


@pytest.mark.usefixtures("no_proxy_variables")
async def test_unresolved_name_of_a_proxy_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://no-such-proxy:3128")
    connector = aiohttp.TCPConnector(resolver=FailingResolver())
    async with aiohttp.ClientSession(connector=connector) as session:
        error = await fetch_error(HttpFetcher(session, source_context()), "http://keys.test/k")
    assert str(error) == "the proxy's name cannot be resolved: http://keys.test/k"


NO_PROXY = (
    "10.0.0.0/8, .svc,example.org, h.test:8443,2001:db8::/32 *.Stars.test blank.test,"
    " [2001:dead::1],."
)


@pytest.mark.usefixtures("no_proxy_variables")
@pytest.mark.parametrize(
    ("url", "proxied"),
    [
        ("http://keys.test/", True),
        ("http://10.1.2.3/", False),
        ("http://11.1.2.3/", True),
        ("http://[2001:db8::1]/", False),
        ("http://a.svc/", False),
        ("http://a.example.org/", False),
        ("http://EXAMPLE.org/", False),
        ("http://notexample.org/", True),
        ("http://a.stars.test/", False),
        ("http://stars.test/", False),
        ("http://notstars.test/", True),
        ("http://blank.test/", False),
        ("http://[2001:dead::1]/", False),
        ("http://10.0.0.1.test/", True),
        ("http://h.test:8443/", False),
        ("http://h.test/", True),
        ("http://localhost/", False),
        ("http://127.0.0.9/", False),
        ("http://[::1]/", False),
        ("https://keys.test/", False),
    ],
)
def test_no_proxy_lists_what_is_fetched_directly(
    monkeypatch: pytest.MonkeyPatch, url: str, proxied: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", NO_PROXY)
    assert proxy_for(URL(url)) == (URL("http://proxy.test:3128") if proxied else None)
    monkeypatch.setenv("NO_PROXY", "*")
    assert proxy_for(URL(url)) is None


# TLS


LOOPBACK: list[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1"))]
DAY = 86_400


@pytest.mark.parametrize(
    ("trusted", "names", "days", "fault"),
    [
        (False, LOOPBACK, (-1, 1), "self-signed: name it in SSL_CERT_FILE to trust it (OpenSSL"),
        (True, LOOPBACK, (-2, -1), "certificate has expired (OpenSSL verify code 10)"),
        (True, LOOPBACK, (1, 2), "certificate is not valid yet: check the clocks (OpenSSL"),
        (True, [x509.DNSName("other.test")], (-1, 1), "is for another IP address (OpenSSL"),
        (True, [], (-1, 1), "is for another IP address (OpenSSL verify code 64)"),
        (True, LOOPBACK, (-1, 1), ""),
    ],
    ids=["not trusted", "expired", "not yet valid", "wrong name", "no name", "good"],
)
async def test_tls_error_says_what_is_wrong(
    trusted: bool, names: list[x509.GeneralName], days: tuple[int, int], fault: str
) -> None:
    context, certificate = tls_context(names, *(time.time() + day * DAY for day in days))
    client = ssl.create_default_context()
    if trusted:
        client.load_verify_locations(cadata=certificate)
    async with (
        running_key_server(context) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client)) as session,
    ):
        server.reply_to_all = Reply(b"body")
        fetcher, url = HttpFetcher(session, source_context()), f"{server.url}/k"
        if not fault:
            assert (await fetcher.get(URL(url))).body == b"body"
            return
        error = str(await fetch_error(fetcher, url))
    assert error.startswith("TLS failed: the server's certificate")
    assert fault in error
    assert error.endswith(f": {url}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "now cannot be read (No such file or directory) (OpenSSL"),
        ("", "now has no certificate in PEM (OpenSSL"),
        ("garbage", "now has no certificate in PEM (OpenSSL"),
        ("another certificate", "name it in SSL_CERT_FILE to trust it (OpenSSL"),
    ],
)
async def test_unfit_file_of_authorities_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, words: str
) -> None:
    names_and_times = (LOOPBACK, time.time() - DAY, time.time() + DAY)
    context, _ = tls_context(*names_and_times)
    if content == "another certificate":
        _, content = tls_context(*names_and_times)
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with running_key_server(context) as server, aiohttp.ClientSession() as session:
        error = await fetch_error(HttpFetcher(session, source_context()), server.url)
    assert words in str(error)
