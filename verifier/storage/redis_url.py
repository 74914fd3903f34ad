"""``redis://``, ``rediss://`` and ``unix://`` URLs: where a Redis is, and how to get in.

Knows no client library, so that a URL can be checked where none is installed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SCHEMES: Final = ("redis", "rediss", "unix")
EXPECTED: Final = (
    "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// with ssl_ca_certs, ssl_certfile "
    "and ssl_keyfile in its query, or unix://[[USER]:PASSWORD@]/path[?db=DATABASE]"
)
"""What is right, in words."""

_PORT: Final = 6379
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_QUERY: Final = {"redis": ("db",), "rediss": ("db", *_FILES), "unix": ("db", "password")}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """Where a Redis is; its text never holds user or password.

    Attributes:
        scheme: One of ``SCHEMES``.
        host: Name or address; empty for a unix socket.
        port: TCP port; 0 for a unix socket.
        path: The unix socket; empty where there is none.
        database: Its number.
        user: The ACL user; None for the default one.
        password: Its password; None for none.
        files: Of ``ssl_ca_certs``, ``ssl_certfile`` and ``ssl_keyfile`` those that are given.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    database: int = 0
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    files: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}?db={self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.database}"


def parse_redis_url(text: str) -> RedisUrl:
    """Read a URL.

    Raises:
        ValueError: it is none; says nothing, since whatever is wrong may be the password.
    """
    try:
        return _read(urlsplit(text), text)
    except ValueError:
        raise ValueError from None


def _read(parts: SplitResult, text: str) -> RedisUrl:
    query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    unfit = parts.scheme not in SCHEMES or parts.fragment or not text.isprintable() or " " in text
    if unfit or not set(query) <= set(_QUERY[parts.scheme]):
        raise ValueError
    local = parts.scheme == "unix"
    if local == bool(parts.hostname) or (local and len(parts.path) < 2):
        raise ValueError
    # An unescaped "/", "?" or "#" in a password ends the host before it, and none may be lost.
    if "@" in parts.path or "@" in parts.query:
        raise ValueError
    named = parts.path.removeprefix("/")
    database = query.get("db") or ("0" if local else named or "0")
    if not (database.isascii() and database.isdecimal()) or (named and "db" in query and not local):
        raise ValueError
    return RedisUrl(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=0 if local else _PORT if parts.port is None else parts.port,
        path=unquote(parts.path) if local else "",
        database=int(database),
        user=unquote(parts.username) if parts.username else None,
        password=_password(parts, query),
        files=tuple((name, query[name]) for name in _FILES if name in query),
    )


def _password(parts: SplitResult, query: dict[str, str]) -> str | None:
    if parts.password:
        return unquote(parts.password)
    return query.get("password") or None
