"""Where verification keys come from, and how they stay fresh, usable and trustworthy."""

from verifier.keys.resolver import KeyResolver
from verifier.keys.resolvers import KeyResolvers
from verifier.keys.sources.asap import AsapSource
from verifier.keys.sources.base import (
    Found,
    KeyObserver,
    KeySource,
    KeySourceError,
    KeyStatus,
    Missing,
    OnChange,
    SilentObserver,
    SourceStatus,
)
from verifier.keys.sources.http import open_session
from verifier.keys.sources.jwks import DocumentSource
from verifier.keys.sources.locations import KeyLocations, open_resolver
from verifier.keys.sources.settings import KeySourceSettings, SourceContext, Timing
from verifier.keys.sources.static import SecretSource, StaticSource
from verifier.keys.sources.watch import FileWatch

__all__ = [
    "AsapSource",
    "DocumentSource",
    "FileWatch",
    "Found",
    "KeyLocations",
    "KeyObserver",
    "KeyResolver",
    "KeyResolvers",
    "KeySource",
    "KeySourceError",
    "KeySourceSettings",
    "KeyStatus",
    "Missing",
    "OnChange",
    "SecretSource",
    "SilentObserver",
    "SourceContext",
    "SourceStatus",
    "StaticSource",
    "Timing",
    "open_resolver",
    "open_session",
]
