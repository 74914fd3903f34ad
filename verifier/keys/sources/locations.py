"""Where the configuration says that keys are, made into a ring of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from verifier.keys.resolver import KeyResolver
from verifier.keys.sources.asap import AsapSource
from verifier.keys.sources.base import KeySource
from verifier.keys.sources.jwks import DocumentSource
from verifier.keys.sources.settings import DEFAULTS, SourceContext
from verifier.keys.sources.static import SecretSource, StaticSource


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLocations:
    """Where keys are.

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


def open_resolver(
    locations: KeyLocations,
    session: aiohttp.ClientSession,
    surroundings: SourceContext = DEFAULTS,
) -> KeyResolver:
    """Make a ring of what is configured; nothing runs before its ``start``.

    Args:
        locations: Where keys are.
        session: From ``open_session``; the caller closes it after the ring.
        surroundings: Options, clocks, and whom to tell.

    Raises:
        ValueError: a URL is not http or https.
    """
    sources: list[KeySource] = []
    if locations.secrets:
        sources.append(SecretSource(locations.secrets, surroundings))
    if locations.public_keys:
        sources.append(StaticSource(locations.public_keys, surroundings))
    if locations.document_url is not None:
        sources.append(DocumentSource(locations.document_url, session, surroundings))
    if locations.asap_url is not None:
        sources.append(AsapSource(locations.asap_url, session, surroundings))
    return KeyResolver(sources, surroundings.settings.key_fetch_timeout)
