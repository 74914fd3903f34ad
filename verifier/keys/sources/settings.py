"""What an operator sets about keys: where they are, and the times and limits of their sources.

Plain values. This module reads no file and no environment variable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLocations:
    """Where the keys of one host are.

    Attributes:
        secrets: ``app_secret``: secrets or PEM, or paths of files with them.
        public_keys: ``public_keys``: by key id, PEM, certificate or JWK, or the path of a file.
        document_url: ``cache_keys_url``.
        asap_url: ``asap_key_server``.
    """

    secrets: Sequence[str | Path] = field(default=(), repr=False)
    public_keys: Mapping[str, str | Path] = field(default_factory=dict)
    document_url: str | None = None
    asap_url: str | None = None


@dataclass(frozen=True, slots=True)
class KeySourceSettings:
    """Times and limits of all key sources; times are seconds.

    Attributes:
        key_fetch_timeout: The longest time of a fetch, and of the wait of a request for a key.
        key_connect_timeout: The part of that time that connecting may take.
        key_fetch_connections: The most connections that one source opens.
        key_grace: How long a withdrawn key is used: a key that its source no longer has.
        key_stale_grace: How long a key is used after its freshness ends while its source fails.
        key_lookup_rate: The mean number of lookups a second at a key server that find no key.
        key_cache_size: The most keys that are kept of one source.
        key_min_lifetime: The shortest freshness, whatever the server says.
        key_max_lifetime: The longest freshness, whatever the server says.
        asap_lifetime: The freshness of a key server's response that states none.
        document_lifetime: The freshness of a document that states none.
        key_negative_lifetime: How long a key server's "no such key" is remembered.
        key_recheck: After this time an unknown key id is looked up again at a key server. Unknown
            key ids cause at most one fetch of a document in this time. The documentation promises
            that a newly published key is accepted within 10 s.
        key_backoff_min: The first pause after a failure; each further pause is twice as long.
        key_backoff_max: The longest pause.
        key_file_poll: The pause between two checks of the key files.
    """

    key_fetch_timeout: float = 5.0
    key_connect_timeout: float = 2.0
    key_fetch_connections: int = 16
    key_grace: float = 5400.0
    key_stale_grace: float = 86_400.0
    key_lookup_rate: float = 10.0
    key_cache_size: int = 2000
    key_min_lifetime: float = 60.0
    key_max_lifetime: float = 86_400.0
    asap_lifetime: float = 3600.0
    document_lifetime: float = 21_600.0
    key_negative_lifetime: float = 60.0
    key_recheck: float = 10.0
    key_backoff_min: float = 1.0
    key_backoff_max: float = 60.0
    # A changed file is read when two checks agree: within 5 s, as the documentation promises.
    key_file_poll: float = 1.5

    def lifetime(self, stated: float | None, default: float) -> float:
        """Return the freshness of a response, seconds, within the two limits.

        Args:
            stated: What the server states; None if it states nothing.
            default: What holds if the server states nothing.
        """
        # The lower limit prevents one request for every token if a server forbids caching.
        # The upper limit bounds how long a withdrawn key is used because of one wrong header.
        wanted = default if stated is None else stated
        return min(max(wanted, self.key_min_lifetime), self.key_max_lifetime)
