"""What every source of keys offers, what it tells about itself, and whom it tells.

Knows neither HTTP nor files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, Protocol, TypeAlias

from verifier.keys.model import SkipReason, Source, VerificationKey

State = Literal["never-needed", "starting", "ready", "stale", "failing"]
LookupResult = Literal["hit", "miss", "stale", "negative"]
FetchResult = Literal["ok", "not-found", "error", "timeout"]


class Missing(Enum):
    """Why there is no key: nobody has it, or those who might cannot be asked now."""

    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"


Found: TypeAlias = VerificationKey | Missing


class KeySourceError(Exception):
    """Keys could not be read or fetched; its words are fit for logs and status pages.

    Attributes:
        timeout: It was time that ran out.
        shared: It says something of the whole source, not only of the key that was asked for.
        reason: What is wrong with the key that was sent, if that was it.
    """

    def __init__(
        self,
        words: str,
        *,
        timeout: bool = False,
        shared: bool = True,
        reason: SkipReason | None = None,
    ) -> None:
        super().__init__(words)
        self.timeout = timeout
        self.shared = shared
        self.reason: SkipReason | None = reason


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One key for ``/v1/keys``; no material.

    Attributes:
        key_id: Its ``kid``; None for a key that serves any token.
        source: Where it came from.
        algorithms: What it may verify, sorted.
        fetched: When it was last confirmed, Unix seconds.
        expires: When it will be stale, Unix seconds; None where nothing ends it.
        fingerprint: SHA-256 of its DER, hex; empty for a secret.
    """

    key_id: str | None
    source: Source
    algorithms: tuple[str, ...]
    fetched: float
    expires: float | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How one source is doing, for ``/readyz`` and ``/v1/keys``.

    Attributes:
        name: Which kind of source.
        state: ``never-needed`` nobody has asked it for anything, ``starting`` the first answer is
            awaited, ``ready`` its last answer was good, ``stale`` it fails and its known keys go
            on working, ``failing`` it fails and there is nothing to go on with.
        answered: Whether it has ever given a good answer.
        last_success: When it last did, Unix seconds.
        last_error: What was wrong last, in words; empty when nothing is.
        keys: The keys that it holds.
    """

    name: Source
    state: State
    answered: bool
    last_success: float | None
    last_error: str
    keys: tuple[KeyStatus, ...]

    @property
    def ready(self) -> bool:
        """What ``/readyz`` asks: it has answered once, or was never needed."""
        return self.answered or self.state == "never-needed"


class KeyObserver(Protocol):
    """Is told what happens to keys; every word comes from a fixed list."""

    def lookup(self, source: Source, result: LookupResult) -> None:
        """Count a key that was asked for: at hand, fetched, past its freshness, or refused."""

    def fetched(self, source: Source, result: FetchResult, seconds: float) -> None:
        """Count a fetch and how long it took."""

    def succeeded(self, source: Source, time: float) -> None:
        """Note the last good answer, Unix seconds."""

    def keys(self, source: Source, count: int) -> None:
        """Note how many keys a source holds."""

    def skipped(self, source: Source, reason: SkipReason) -> None:
        """Count a key that was sent and is not trusted."""


class SilentObserver:
    """A ``KeyObserver`` that keeps it to itself."""

    def lookup(self, source: Source, result: LookupResult) -> None:
        """Count nothing."""

    def fetched(self, source: Source, result: FetchResult, seconds: float) -> None:
        """Count nothing."""

    def succeeded(self, source: Source, time: float) -> None:
        """Note nothing."""

    def keys(self, source: Source, count: int) -> None:
        """Note nothing."""

    def skipped(self, source: Source, reason: SkipReason) -> None:
        """Count nothing."""


SILENT: Final = SilentObserver()

OnChange: TypeAlias = Callable[[frozenset[str | None]], None]
"""Called at once with the key ids whose keys were dropped or replaced; None is a key without."""


def ignore_change(_key_ids: frozenset[str | None]) -> None:
    """Tell nobody."""


class KeySource(Protocol):
    """Where keys come from."""

    @property
    def name(self) -> Source:
        """Which kind of source."""

    @property
    def static(self) -> tuple[VerificationKey, ...]:
        """Keys for tokens of any key id, tried in order."""

    def get(self, key_id: str) -> VerificationKey | None:
        """Give a key that is at hand; never waits."""

    async def fetch(self, key_id: str) -> Found:
        """Give a key, fetched if need be; waits for at most one shared fetch."""

    def may_fetch(self, key_id: str) -> bool:
        """Tell whether ``find`` might have to wait; changes nothing."""

    def answer_without_fetch(self, key_id: str) -> Missing:
        """Say what ``find`` says of a key that it would not ask for."""

    async def find_by_digest(self, digest: str) -> tuple[VerificationKey, float] | None:
        """Give the public key whose ``kid`` has this SHA-256 (hex), and its freshness, seconds."""

    async def start(self) -> None:
        """Begin to keep keys fresh.

        Raises:
            KeySourceError: keys that must be there from the start are not (files, secrets).
        """

    async def close(self) -> None:
        """Stop all work in the background."""

    async def tick(self) -> None:
        """Do what is due now; what ``start`` begins calls this again and again."""

    def status(self) -> SourceStatus:
        """Say how the source is doing."""
