"""``redis://``, ``rediss://`` and ``unix://`` URLs: the address of a Redis, user and password.

This module needs no client library, so that a configuration can be checked where none is installed.
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
"""The accepted forms, for error messages."""

_DEFAULT_PORT: Final = 6379
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_QUERY_NAMES: Final = {
    "redis": ("db",),
    "rediss": ("db", *_TLS_FILES),
    "unix": ("db", "password"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """The address of a Redis; ``str`` and ``repr`` never show user or password.

    Attributes:
        scheme: One of ``SCHEMES``.
        host: Name or address; empty for a unix socket.
        port: TCP port; 0 for a unix socket.
        path: Path of the unix socket; empty for TCP.
        database: Number of the database.
        user: ACL user; None for the default user.
        password: Password of the user; None for no password.
        files: Those of ``ssl_ca_certs``, ``ssl_certfile`` and ``ssl_keyfile`` that are given, as
            pairs of name and path.
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


def is_redis_url(text: str) -> bool:
    """Return whether a text has the scheme of a Redis URL."""
    scheme, colon, _ = text.partition(":")
    return bool(colon) and scheme.lower() in SCHEMES


def parse_redis_url(text: str) -> RedisUrl:
    """Read a URL.

    Raises:
        ValueError: the text is no such URL. The error has no text, because the faulty part may be
            the password.
    """
    try:
        return _parse(urlsplit(text), text)
    except ValueError:
        raise ValueError from None


def _parse(parts: SplitResult, text: str) -> RedisUrl:
    query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    _check(parts, query, text)
    is_unix = parts.scheme == "unix"
    return RedisUrl(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=0 if is_unix else _DEFAULT_PORT if parts.port is None else parts.port,
        path=unquote(parts.path) if is_unix else "",
        database=_database(parts, query),
        user=unquote(parts.username) if parts.username else None,
        password=_password(parts, query),
        files=tuple((name, query[name]) for name in _TLS_FILES if name in query),
    )


def _check(parts: SplitResult, query: dict[str, str], text: str) -> None:
    if parts.scheme not in SCHEMES or not set(query) <= set(_QUERY_NAMES[parts.scheme]):
        raise ValueError
    if parts.fragment or not text.isprintable() or " " in text:
        raise ValueError
    is_unix = parts.scheme == "unix"
    if is_unix == bool(parts.hostname) or (is_unix and len(parts.path) < len("/x")):
        raise ValueError
    # An unescaped "/", "?" or "#" in a password ends the host name too early: the rest of the
    # password, and the host behind "@", would be taken for a path or a query.
    if "@" in parts.path or "@" in parts.query:
        raise ValueError


def _database(parts: SplitResult, query: dict[str, str]) -> int:
    in_path = "" if parts.scheme == "unix" else parts.path.removeprefix("/")
    if in_path and "db" in query:
        raise ValueError
    text = query.get("db") or in_path or "0"
    if not (text.isascii() and text.isdecimal()):
        raise ValueError
    return int(text)


def _password(parts: SplitResult, query: dict[str, str]) -> str | None:
    if parts.password:
        return unquote(parts.password)
    return query.get("password") or None
