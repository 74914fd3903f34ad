"""Connections of one process to a Redis or Valkey: short timeouts, and errors without secrets.

This module knows no key and no data of this program. It translates the client library's exceptions
in one place, so that the stores handle a single error.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.client import PubSub
from redis.asyncio.connection import UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from verifier.storage.errors import StoreUnavailableError
from verifier.storage.redis_url import RedisUrl

_TIMEOUT: Final = 1.0  # seconds, for opening a connection and for each answer
_MAX_CONNECTIONS: Final = 8
_ERROR_CODE: Final = re.compile(r"\b[A-Z]{2,20}(?= )")
_CONNECTION_CLASSES: Final = {
    "redis": Connection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
}
# The library has exception classes for some error codes, and removes the code from the text.
_CODES: Final = {OutOfMemoryError: "OOM", ReadOnlyError: "READONLY"}
FAILURES: Final = (RedisError, OSError, TimeoutError)
"""What the client library raises where a Redis cannot be reached, or refuses a command."""


class RedisLink:
    """Sends commands to a Redis.

    Args:
        url: The address of the Redis.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._url = url
        pool = BlockingConnectionPool(
            max_connections=_MAX_CONNECTIONS,
            timeout=_TIMEOUT,
            connection_class=_CONNECTION_CLASSES[url.scheme],
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            # The library must not repeat a command. A store knows whether repeating is safe.
            retry=Retry(NoBackoff(), 0),
            # RESP2 is what every version of Redis and Valkey speaks without a handshake.
            protocol=2,
            # No CLIENT SETINFO: the ACL of an operator need not allow it.
            driver_info=None,
            db=url.database,
            username=url.user,
            password=url.password,
            **_address_options(url),
        )
        self._client: Redis = Redis.from_pool(pool)

    async def execute(self, *command: str | bytes | float) -> Any:
        """Send one command and return its answer.

        Raises:
            StoreUnavailableError: there is no answer, or Redis refused the command. After a
                timeout, Redis may still have carried out the command.
        """
        try:
            return await self._client.execute_command(*command)
        except FAILURES as error:
            if _is_read_only(error):
                # A failover made this primary a replica. The host name may lead to the new primary
                # by now, which only new connections reach.
                await self._client.connection_pool.disconnect(inuse_connections=False)
            raise self.unavailable_error(error) from None

    def open_pubsub(self) -> PubSub:
        """Return a separate connection for messages; its methods raise ``FAILURES``."""
        return self._client.pubsub(ignore_subscribe_messages=True)

    def unavailable_error(self, error: Exception) -> StoreUnavailableError:
        """Translate an exception of the client library.

        The text repeats nothing that the server sent, because that may contain a password.
        """
        return StoreUnavailableError(f"{self._url}: {_describe(error)}")

    def refusal_text(self, error: str) -> str:
        """Return an error that a script has caught, in the words of ``unavailable_error``."""
        # Before version 7, a script's error begins with its place in the script.
        code = _ERROR_CODE.search(error)
        return f"{self._url}: {_refused(code[0] if code else None)}"

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def _address_options(url: RedisUrl) -> dict[str, Any]:
    if url.scheme == "unix":
        return {"path": url.path}
    return {"host": url.host, "port": url.port, **dict(url.files)}


def _is_read_only(error: Exception) -> bool:
    # Before version 7, Redis reports this in the middle of a script's error.
    return isinstance(error, ReadOnlyError) or "-READONLY " in str(error)


def _refused(code: str | None) -> str:
    return f"refused ({code})" if code else "refused"


def _describe(error: Exception) -> str:
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return f"no answer within {_TIMEOUT:g} s"
    if isinstance(error, AuthenticationError):
        return "refused user and password"
    if isinstance(error, ResponseError):
        code = _ERROR_CODE.match(str(error))
        name = type(error).__name__.removesuffix("Error")
        kind = code[0] if code else _CODES.get(type(error), name)
        return _refused(None if kind == "Response" else kind)
    # The library wraps the operating system's error, once or several times, without its number.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return "no connection"
