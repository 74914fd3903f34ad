"""Where verification keys come from, and how they stay fresh, usable and trustworthy."""

from verifier.shell.keysource.asap import AsapSource
from verifier.shell.keysource.document import DocumentSource
from verifier.shell.keysource.fetcher import open_session
from verifier.shell.keysource.interface import (
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
from verifier.shell.keysource.locations import KeyLocations, open_ring
from verifier.shell.keysource.options import KeySourceSettings, Surroundings, Timing
from verifier.shell.keysource.ring import KeyRing
from verifier.shell.keysource.rings import Rings
from verifier.shell.keysource.static import SecretSource, StaticSource
from verifier.shell.keysource.watch import FileWatch

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
