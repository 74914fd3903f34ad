"""Reports the entries of a source to operators: which are not used, and which are irregular.

A document stays as it is for months, so each finding is logged once, and again only after the
findings have changed. The status pages show what holds now.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

from verifier.keys.document import Document, SkippedKey
from verifier.keys.model import Source
from verifier.keys.sources.base import KeyObserver
from verifier.log import log

_MOST_LOGGED: Final = 20  # lines of one kind for one document


class EntryReport:
    """Logs and counts the entries of one source that are not used or irregular.

    Args:
        name: The kind of source.
        observer: Counts the entries that are not used.
        url: The source's URL for the log, without secrets; None for keys of the configuration.

    Attributes:
        skipped: The entries that are not used now.
    """

    def __init__(self, name: Source, observer: KeyObserver, url: str | None = None) -> None:
        self.skipped: tuple[SkippedKey, ...] = ()
        self._name: Source = name
        self._observer = observer
        self._url = url
        self._irregular: tuple[tuple[str | None, str], ...] = ()

    def update(self, document: Document) -> None:
        """Report the entries of a document or of files that were read."""
        for entry in document.skipped:
            self._observer.count_skipped(self._name, entry.reason)
        irregular = tuple((key.key_id, key.interop_warning) for key in document.irregular)
        if document.skipped != self.skipped:
            self._log_skipped(document.skipped)
        if irregular != self._irregular:
            self._log_irregular(irregular)
        self._irregular = irregular
        self._set_skipped(document.skipped)

    def copy_from(self, other: EntryReport) -> None:
        """Take over the findings of another source with the same URL."""
        self._irregular = other._irregular
        self._set_skipped(other.skipped)

    def _set_skipped(self, skipped: tuple[SkippedKey, ...]) -> None:
        self.skipped = skipped
        self._observer.set_skipped(self._name, Counter(entry.reason for entry in skipped))

    def _log_skipped(self, skipped: tuple[SkippedKey, ...]) -> None:
        # First what an operator must act upon at once: each reader of the document can sign.
        ordered = sorted(skipped, key=lambda entry: entry.reason != "private")
        for entry in ordered[:_MOST_LOGGED]:
            log_skipped(self._name, self._url, entry)
        if len(ordered) > _MOST_LOGGED:
            count = len(ordered) - _MOST_LOGGED
            fields = {"source": self._name, "url": self._url, "count": count}
            log("further keys not used", logging.WARNING, **fields)

    def _log_irregular(self, irregular: tuple[tuple[str | None, str], ...]) -> None:
        for key_id, form in irregular[:_MOST_LOGGED]:
            log_irregular(self._name, self._url, key_id, form)
        if len(irregular) > _MOST_LOGGED:
            count = len(irregular) - _MOST_LOGGED
            log("further irregular keys used", source=self._name, url=self._url, count=count)


def log_skipped(source: Source, url: str | None, entry: SkippedKey) -> None:
    """Log one entry that is not used."""
    fields = {"source": source, "url": url, "key_id": entry.key_id, "error": entry.detail}
    # A file of this machine is not published.
    if entry.reason == "private" and source != "file":
        log("private key published", logging.ERROR, **fields)
    else:
        log("key not used", logging.WARNING, reason=entry.reason, **fields)


def log_irregular(source: Source, url: str | None, key_id: str | None, form: str) -> None:
    """Log one key that is used and that other programs may refuse."""
    log("irregular key used", source=source, url=url, key_id=key_id, form=form)
