"""URLs of a Redis: accepted forms, and errors and texts without the password."""

from __future__ import annotations

import pytest

from verifier.storage.redis_url import RedisUrl, is_redis_url, parse_redis_url

GOOD = {
    "redis://cache": RedisUrl(scheme="redis", host="cache", port=6379),
    "redis://cache:7000/3": RedisUrl(scheme="redis", host="cache", port=7000, database=3),
    "redis://cache/?db=3": RedisUrl(scheme="redis", host="cache", port=6379, database=3),
    "redis://[::1]:7000": RedisUrl(scheme="redis", host="::1", port=7000),
    "redis://:pa%2Fss@cache": RedisUrl(scheme="redis", host="cache", port=6379, password="pa/ss"),
    "redis://me:pass@cache": RedisUrl(
        scheme="redis", host="cache", port=6379, user="me", password="pass"
    ),
    "rediss://cache/1?ssl_ca_certs=/etc/ca.pem": RedisUrl(
        scheme="rediss",
        host="cache",
        port=6379,
        database=1,
        files=(("ssl_ca_certs", "/etc/ca.pem"),),
    ),
    "unix:///run/redis.sock": RedisUrl(scheme="unix", path="/run/redis.sock"),
    "unix://me:pass@/run/redis.sock?db=2": RedisUrl(
        scheme="unix", path="/run/redis.sock", database=2, user="me", password="pass"
    ),
    "unix:///run/redis.sock?db=2&password=pass": RedisUrl(
        scheme="unix", path="/run/redis.sock", database=2, password="pass"
    ),
}
BAD = (
    "http://cache",
    "redis://",
    "redis://cache:port",
    "redis://cache:70000",
    "redis://cache/x",
    "redis://cache/1?db=2",
    "redis://cache?timeout=1",
    "redis://cache?db",
    "redis://cache#1",
    "redis://ca che",
    "redis://cache?ssl_ca_certs=/etc/ca.pem",
    "redis://:pa/ss@cache",
    "redis://:pa?ss@cache",
    "redis://:pa#ss@cache",
    "unix://run/redis.sock",
    "unix://",
    "unix:///",
    "rediss://cache/-1",
)


@pytest.mark.parametrize("text", GOOD)
def test_a_url_is_read(text: str) -> None:
    assert parse_redis_url(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_an_error_says_nothing_about_a_faulty_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$") as caught:
        parse_redis_url(text)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("text", [text for text in GOOD if "pass" in text or "%2F" in text])
def test_str_and_repr_hide_user_and_password(text: str) -> None:
    url = parse_redis_url(text)
    for shown in (str(url), repr(url)):
        assert "pa/ss" not in shown
        assert "=pass" not in shown
        assert ":pass" not in shown
        assert "me:" not in shown


def test_str_contains_the_address() -> None:
    shown = [str(parse_redis_url(text)) for text in ("redis://:x@[::1]/2", "unix://:x@/run/r?db=1")]
    assert shown == ["redis://[::1]:6379/2", "unix:///run/r?db=1"]


@pytest.mark.parametrize("text", [*GOOD, "REDIS://cache"])
def test_scheme_shows_that_a_url_is_of_a_redis(text: str) -> None:
    assert is_redis_url(text)


@pytest.mark.parametrize("text", ["memory:", "sqlite:///redis", "redis", "", "redis-x://cache"])
def test_other_schemes_are_not_of_a_redis(text: str) -> None:
    assert not is_redis_url(text)
