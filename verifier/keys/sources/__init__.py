"""Where verification keys come from, and how they stay fresh, usable and trustworthy."""

from verifier.keys.resolver import KeyRing
from verifier.keys.resolvers import Rings
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
from verifier.keys.sources.locations import KeyLocations, open_ring
from verifier.keys.sources.options import KeySourceSettings, Surroundings, Timing
from verifier.keys.sources.static import SecretSource, StaticSource
from verifier.keys.sources.watch import FileWatch

__all__ = [
    "AsapSource",
    "DocumentSource",
    "FileWatch",
    "Found",
    "KeyLocations",
    "KeyObserver",
    "KeyRing",
    "KeySource",
    "KeySourceError",
    "KeySourceSettings",
    "KeyStatus",
    "Missing",
    "OnChange",
    "Rings",
    "SecretSource",
    "SilentObserver",
    "SourceStatus",
    "StaticSource",
    "Surroundings",
    "Timing",
    "open_ring",
    "open_session",
]
