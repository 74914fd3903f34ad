"""Fetched public keys in the Redis of ``revocation_store``: a new replica starts with them.

Redis gets one hash, with one field for each key of each source. A script keeps the newer of two
answers about a key, so that replicas and workers need no lock.

**Who may write it.** A program that writes to this Redis can revoke tokens, and must not be able to
make tokens valid. So each record has an HMAC-SHA256 with a key that is derived from
``admin_token``, which all replicas have. A record without a correct HMAC is passed over. Without an
``admin_token``, no keys are stored in Redis.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Sequence
from typing import Any, Final

from verifier.keys.sources import stored_keys
from verifier.keys.sources.stored_keys import SourceId, StoredKey
from verifier.log import log
from verifier.storage.errors import StoreUnavailableError
from verifier.storage.redis import RedisLink
from verifier.storage.redis_url import RedisUrl

_HASH: Final = "jitsi-verifier:keys"
_PURPOSE: Final = b"jitsi-verifier key cache"
_EXPIRY_SECONDS: Final = 7 * 86_400
_BATCH: Final = 200
_SAVE: Final = """
for i = 3, #ARGV, 3 do
  local before = redis.call('HGET', KEYS[1], ARGV[i])
  local answered = before and tonumber(string.match(before, '^[0-9.]+'))
  local newer = answered and answered >= tonumber(ARGV[i + 1])
  if not newer or answered > tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""
"""Key: the hash. Arguments: seconds to keep it; the latest time that an answer can have had; then
for each record its field, the time of its answer, and its HMAC and JSON."""


class KeyCacheRedis:
    """A ``KeyStore`` in a Redis.

    Args:
        url: The address of the Redis.
        secret: A secret that all replicas have, and no other program.
    """

    def __init__(self, url: RedisUrl, secret: str) -> None:
        self.place = str(url)
        self._link = RedisLink(url)
        self._hmac_key = hmac.digest(secret.encode(), _PURPOSE, "sha256")

    async def load(self, sources: Sequence[SourceId]) -> list[StoredKey]:
        """Return the records of these sources that one of the replicas has written.

        Raises:
            OSError: Redis cannot be reached, or refuses the command.
        """
        fields = await self._execute("HGETALL", _HASH)
        known = [self._read(field, value) for field, value in fields.items()]
        if None in known:
            text, count = "records without a signature by this admin_token", known.count(None)
            log("key cache not used", logging.WARNING, path=self.place, error=text, count=count)
        return [each for each in known if each is not None and each.source in sources]

    async def save(self, known: Sequence[StoredKey], now: float) -> None:
        """Store these records, unless Redis has newer ones.

        Raises:
            OSError: Redis cannot be reached, or refuses the command.
        """
        current = [each for each in known if each.until > now]
        for first in range(0, len(current), _BATCH):
            latest = f"{stored_keys.latest_answer(now):.6f}"
            arguments: list[str | bytes] = [str(_EXPIRY_SECONDS), latest]
            for each in current[first : first + _BATCH]:
                arguments += self._write(each)
            await self._execute("EVAL", _SAVE, "1", _HASH, *arguments)

    async def close(self) -> None:
        """Close all connections."""
        await self._link.close()

    async def _execute(self, *command: str | bytes) -> Any:
        try:
            return await self._link.execute(*command)
        except StoreUnavailableError as error:
            raise OSError(0, str(error)) from None

    def _write(self, record: StoredKey) -> tuple[bytes, bytes, bytes]:
        kind, url = record.source
        name = f"{kind} {url} {record.key_id}".encode("utf-8", "surrogatepass")
        field = hashlib.sha256(name).hexdigest().encode()
        answered = f"{record.answered:.6f}".encode()
        body = stored_keys.write([record])
        return field, answered, self._sign(field, answered, body) + b" " + body

    def _read(self, field: bytes, value: bytes) -> StoredKey | None:
        """Return a record; None if it was not written with our secret."""
        answered, _, rest = value.partition(b" ")
        signature, _, body = rest.partition(b" ")
        if not hmac.compare_digest(signature, self._sign(field, answered, body)):
            return None
        try:
            return stored_keys.read(body)[0]
        except ValueError:
            return None  # of another version of this program

    def _sign(self, field: bytes, answered: bytes, body: bytes) -> bytes:
        text = b" ".join((field, answered, body))
        return hmac.digest(self._hmac_key, text, "sha256").hex().encode()
