"""Addresses of listeners."""

import pytest

from verifier.config.addresses import TcpAddress, UnixAddress, is_loopback, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8090", TcpAddress("127.0.0.1", 8090)),
        ("192.0.2.1:0", TcpAddress("192.0.2.1", 0)),
        ("localhost:65535", TcpAddress("localhost", 65535)),
        ("meet-auth.internal:80", TcpAddress("meet-auth.internal", 80)),
        ("[::1]:8090", TcpAddress("::1", 8090)),
        ("unix:/run/verifier/auth.sock", UnixAddress("/run/verifier/auth.sock")),
    ],
)
def test_address_is_written_as_it_was_read(text: str, address: TcpAddress | UnixAddress) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8090",
        ":8090",
        "*:8090",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:８０９０",  # noqa: RUF001  # full-width digits are the point
        "127.0.0.256:8090",
        "::1:8090",
        "[::1:8090",
        "[127.0.0.1]:8090",
        "[zz]:8090",
        "http://127.0.0.1:8090",
        "unix:",
        "unix:auth.sock",
        "unix:@abstract",
        "unix:/" + "x" * 107,
    ],
)
def test_other_texts_are_not_addresses(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any ValueError is the contract
        parse_address(text)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "localhost", "LOCALHOST."]
)
def test_loopback_host_is_local(host: str) -> None:
    assert is_loopback(host)
    assert TcpAddress(host, 1).is_local


@pytest.mark.parametrize("host", ["::", "192.0.2.1", "::ffff:192.0.2.1", "localhost.x"])
def test_host_that_others_reach_is_not_local(host: str) -> None:
    assert not is_loopback(host)
    assert not TcpAddress(host, 1).is_local


def test_unix_socket_is_local() -> None:
    assert UnixAddress("/run/x").is_local
