from __future__ import annotations

import asyncio
import gzip
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from tests.support.key_server import KeyServer, Reply, running_key_server, source_context
from verifier.keys.sources.base import KeySourceError
from verifier.keys.sources.http import HttpFetcher, KeyResponse, redacted_url, stated_lifetime

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


async def test_status_404_is_a_response(server: KeyServer, fetcher: HttpFetcher) -> None:
    assert await fetcher.get(URL(server.url)) == KeyResponse("not-found")


@pytest.mark.parametrize("status", [201, 206, 300, 400, 401, 403, 410, 429, 500, 502, 503])
async def test_other_statuses_are_errors(
    server: KeyServer, fetcher: HttpFetcher, status: int
) -> None:
    server.reply_to_all = Reply(b"body", status)
    error = await fetch_error(fetcher, f"{server.url}/k?secret=1")
    assert str(error) == f"status {status} from {server.url}/k"
    assert error.source_wide == (status >= 500 or status == 429)


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


async def test_unresolved_host_name_is_reported() -> None:
    connector = aiohttp.TCPConnector(resolver=FailingResolver())
    async with aiohttp.ClientSession(connector=connector) as session:
        error = await fetch_error(HttpFetcher(session, source_context()), "http://no-such-host/k")
    assert str(error) == "the host's name cannot be resolved: http://no-such-host/k"


async def test_connecting_has_its_own_timeout(
    session: aiohttp.ClientSession, black_hole: int
) -> None:
    fetcher = HttpFetcher(session, source_context(key_fetch_timeout=60, key_connect_timeout=0.1))
    async with asyncio.timeout(5):
        error = await fetch_error(fetcher, f"http://127.0.0.1:{black_hole}/")
    assert error.timeout
    assert str(error) == f"no response in time from http://127.0.0.1:{black_hole}/"


@pytest.mark.slow
@pytest.mark.parametrize("reply", [Reply(fault="stall"), Reply(b"part", fault="stall in body")])
async def test_stalled_response_ends_at_the_timeout(
    server: KeyServer, impatient_fetcher: HttpFetcher, reply: Reply
) -> None:
    server.reply_to_all = reply
    async with asyncio.timeout(5):
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
    assert str(await fetch_error(fetcher, url)) == f"TLS failed: {url}"


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


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "GZIP"])
async def test_compressed_body_is_decompressed(
    server: KeyServer, fetcher: HttpFetcher, encoding: str
) -> None:
    pack = zlib.compress if encoding == "deflate" else gzip.compress
    body = bytes(range(256)) * 1000
    server.reply_to_all = Reply(pack(body), headers={"Content-Encoding": encoding})
    assert (await fetcher.get(URL(server.url))).body == body


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("gzip", "cannot be decompressed"), ("br", "unexpected"), ("gzip, gzip", "unexpected")],
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
        ({"Cache-Control": "max-age=-1"}, None),
        ({"Cache-Control": "max-age=x"}, None),
        ({"Cache-Control": "max-age=99999999999"}, None),
        ({"Cache-Control": "max-age=60", "Age": "20"}, 40),
        ({"Cache-Control": "max-age=60", "Age": "90"}, 0),
        ({"Cache-Control": "max-age=60", "Age": "x"}, 60),
        ({"Cache-Control": "no-store, max-age=60"}, 0),
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
    "location",
    [
        "http://localhost:{port}/",
        "http://127.0.0.1:1/",
        "https://127.0.0.1:{port}/",
        "//127.0.0.2:{port}/",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "http://[",
        "",
    ],
)
async def test_redirect_to_another_origin_is_not_followed(
    server: KeyServer, fetcher: HttpFetcher, location: str
) -> None:
    target = location.format(port=URL(server.url).port)
    server.reply_to_all = Reply(status=302, headers={"Location": target})
    error = await fetch_error(fetcher, f"{server.url}/k")
    assert str(error) == f"redirect to another origin from {server.url}/k: not followed"
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


async def test_proxy_variables_are_ignored(
    server: KeyServer, fetcher: HttpFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply_to_all = Reply(b"body")
    async with running_key_server() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await fetcher.get(URL(server.url))).body == b"body"
        assert proxy.requests == []
