"""One process' connections to a Redis or Valkey: short waits, and errors in words fit for logs.

Knows no key and nothing of what is kept there.
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
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from verifier.revocation.stores.base import StoreUnavailableError
from verifier.storage.redis_url import RedisUrl

_WAIT: Final = 1.0  # seconds, for a connection and for each answer
_MOST_CONNECTIONS: Final = 8
_KIND: Final = re.compile(r"[A-Z]{2,20}(?= )")
_CONNECTIONS: Final = {
    "redis": Connection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
}
FAILURES: Final = (RedisError, OSError, TimeoutError)
"""What the client library raises where a Redis cannot be asked, or refuses."""


class RedisLink:
    """Asks a Redis.

    Args:
        url: Where it is.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._url = url
        pool = BlockingConnectionPool(
            max_connections=_MOST_CONNECTIONS,
            timeout=_WAIT,
            connection_class=_CONNECTIONS[url.scheme],
            socket_timeout=_WAIT,
            socket_connect_timeout=_WAIT,
            retry=Retry(NoBackoff(), 0),  # who asks decides whether to ask again
            protocol=2,
            driver_info=None,
            db=url.database,
            username=url.user,
            password=url.password,
            **_place(url),
        )
        self._client: Redis = Redis.from_pool(pool)

    async def ask(self, *command: str | bytes | float) -> Any:
        """Send one command and give its answer.

        Raises:
            StoreUnavailableError: there is none. Where the wait was too long, the command may
                have been carried out.
        """
        try:
            return await self._client.execute_command(*command)
        except FAILURES as error:
            if _is_read_only(error):
                # Who was the primary may be so no more: its name may lead to another by now.
                await self._client.connection_pool.disconnect(inuse_connections=False)
            raise self.unavailable(error) from None

    def listen(self) -> PubSub:
        """Give a connection of its own for messages; its methods raise ``FAILURES``."""
        return self._client.pubsub(ignore_subscribe_messages=True)

    def unavailable(self, error: Exception) -> StoreUnavailableError:
        """Say what went wrong; nothing that a server has said, which may repeat a password."""
        return StoreUnavailableError(f"{self._url}: {_describe(error)}")

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _place(url: RedisUrl) -> dict[str, Any]:
    if url.scheme == "unix":
        return {"path": url.path}
    return {"host": url.host, "port": url.port, **dict(url.files)}


def _is_read_only(error: Exception) -> bool:
    # Redis before 7 says it in the middle of a script's error.
    return isinstance(error, ReadOnlyError) or "-READONLY " in str(error)


def _describe(error: Exception) -> str:
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return f"no answer within {_WAIT:g} s"
    if isinstance(error, AuthenticationError):
        return "refused user and password"
    if isinstance(error, ResponseError):
        # The library takes some of the servers' words for its own, without repeating them.
        word = _KIND.match(str(error))
        kind = word[0] if word else type(error).__name__.removesuffix("Error")
        return "refused" if kind == "Response" else f"refused ({kind})"
    cause = error if isinstance(error, OSError) else error.__context__
    number = cause.errno if isinstance(cause, OSError) else None
    return os.strerror(number) if number else "no connection"
