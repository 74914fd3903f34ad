"""The two kinds of configured keys: shared secrets, and public keys by key id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from verifier.keys.sources.config_files import read_public_keys, read_secrets
from verifier.keys.sources.configured import ConfiguredSource
from verifier.keys.sources.settings import DEFAULTS, SourceContext


class SecretSource(ConfiguredSource):
    """Shared secrets, and public keys in their place where the algorithm is not HMAC.

    Args:
        secrets: Each a secret, a PEM text, or the path of a file with one of them a line. The
            order is kept.
        surroundings: Options, clocks, and whom to tell.
    """

    def __init__(
        self,
        secrets: Sequence[str | Path],
        surroundings: SourceContext = DEFAULTS,
    ) -> None:
        paths = [entry for entry in secrets if isinstance(entry, Path)]
        super().__init__("secret", lambda: read_secrets(secrets), paths, surroundings)


class StaticSource(ConfiguredSource):
    """Public keys by key id.

    Args:
        public_keys: By ``kid``: the text of a PEM key, certificate or JWK, or the path of a file
            with one of them or a JWK set, whose keys keep their own key ids.
        surroundings: Options, clocks, and whom to tell.
    """

    def __init__(
        self,
        public_keys: Mapping[str, str | Path],
        surroundings: SourceContext = DEFAULTS,
    ) -> None:
        paths = [entry for entry in public_keys.values() if isinstance(entry, Path)]
        super().__init__("file", lambda: read_public_keys(public_keys), paths, surroundings)
