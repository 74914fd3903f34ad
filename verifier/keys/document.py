"""The keys of a document or of files, and which key a ``kid`` names that several entries have.

An entry that cannot check signatures is skipped, and the other entries are used. What several
usable entries with one ``kid`` give:

=================================  =================================================================
usable entries                     the key of the ``kid``
=================================  =================================================================
the same key again                 this key, for all algorithms that its entries name
different keys, no common          all of them, each for its own algorithms (``alternatives``)
algorithm
different keys for one algorithm   none for this algorithm (``ambiguous``): another program may take
                                   the other key
a key, and its private key         none: each reader of the document can sign
=================================  =================================================================

A key is the same if its ``SubjectPublicKeyInfo`` is, whatever form it was written in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from verifier.keys.model import SkipReason, VerificationKey


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """One entry of a document that is not used; never the entry itself.

    Attributes:
        reason: The kind of reason, a label of a metric.
        key_id: The entry's ``kid``, if it has one.
        detail: What is wrong, in words.
    """

    reason: SkipReason
    key_id: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """The keys that a document or a file contains.

    Attributes:
        keys: By ``kid``.
        skipped: The entries that are not used: first those that cannot be used, in the
            document's order, then those that are ambiguous.
        static: Keys that are tried for every token (from files and secrets only).
        ambiguous: The key ids that name different keys for one algorithm.
    """

    keys: Mapping[str, VerificationKey] = field(default_factory=dict)
    skipped: tuple[SkippedKey, ...] = ()
    static: tuple[VerificationKey, ...] = ()
    ambiguous: frozenset[str] = frozenset()

    @property
    def irregular(self) -> tuple[VerificationKey, ...]:
        """The keys that other programs may refuse for their form, in the document's order."""
        every = [key for named in self.keys.values() for key in named.all]
        return tuple(key for key in (*self.static, *every) if key.interop_warning)

    @property
    def refused(self) -> frozenset[str]:
        """The key ids that are named with something that must not be trusted, and with no key."""
        named = {entry.key_id for entry in self.skipped if refuses_key(entry.reason)}
        private = {entry.key_id for entry in self.skipped if entry.reason == "private"}
        # The private key may be that of a key in use, so it counts even if two other keys are
        # named, of which neither is used.
        return frozenset(filter(None, named - self.keys.keys() - (self.ambiguous - private)))

    @property
    def contested(self) -> frozenset[str]:
        """The key ids that are named, but neither refused nor with one key that can be read."""
        named = frozenset(entry.key_id for entry in self.skipped if entry.key_id is not None)
        return ((named - self.keys.keys()) | self.ambiguous) - self.refused


def refuses_key(reason: SkipReason | None) -> bool:
    """Return whether an entry that was skipped for this reason refuses the key with its ``kid``.

    Such an entry says that the key is published, or that the ``kid`` has another purpose now. An
    entry with a mistake in its form says nothing about the key that was there before.
    """
    return reason not in (None, "malformed", "duplicate-key-id")


def choose_keys(
    usable: Iterable[tuple[str, VerificationKey]], skipped: Sequence[SkippedKey] = ()
) -> Document:
    """Return the key of each ``kid``.

    Args:
        usable: Keys with their ``kid``, in the document's order.
        skipped: The entries that cannot be used.
    """
    by_id: dict[str, list[VerificationKey]] = {}
    for key_id, key in usable:
        by_id.setdefault(key_id, []).append(key)
    keys: dict[str, VerificationKey] = {}
    all_skipped = list(skipped)
    ambiguous = set()
    for key_id, named in by_id.items():
        unique, conflicting = _separate(named)
        if unique:
            keys[key_id] = replace(unique[0], alternatives=unique[1:])
        if conflicting:
            ambiguous.add(key_id)
            all_skipped += [_skip_ambiguous(key_id, conflicting)] * len(conflicting)
    return Document(keys, tuple(all_skipped), (), frozenset(ambiguous))


def join_documents(documents: Iterable[Document]) -> Document:
    """Return what several documents contain together."""
    documents = list(documents)
    pairs = [pair for document in documents for pair in document.keys.items()]
    skipped = [entry for document in documents for entry in document.skipped]
    static = tuple(key for document in documents for key in document.static)
    return replace(choose_keys(pairs, skipped), static=static)


def keep_contested(document: Document, before: Document) -> Document:
    """Add the contested keys that were used before."""
    kept = {name: before.keys[name] for name in document.contested & before.keys.keys()}
    return replace(document, keys={**document.keys, **kept})


def _separate(
    named: Sequence[VerificationKey],
) -> tuple[tuple[VerificationKey, ...], list[VerificationKey]]:
    """Return the keys of one ``kid`` for the algorithms that only one has, and the other keys."""
    if len(named) == 1:
        return tuple(named), []
    different: dict[str, VerificationKey] = {}
    for key in [part for each in named for part in each.all]:
        same = different.get(key.fingerprint)
        different[key.fingerprint] = key if same is None else _merge(same, key)
    counts = Counter(name for key in different.values() for name in key.algorithms)
    common = frozenset(name for name, count in counts.items() if count > 1)
    usable = [
        replace(key, algorithms=key.algorithms - common, alternatives=())
        for key in different.values()
        if key.algorithms - common
    ]
    # Jitsi, which asks for one key, can use RS keys only.
    usable.sort(key=lambda key: "RS256" not in key.algorithms)
    return tuple(usable), [key for key in different.values() if key.algorithms & common]


def _merge(key: VerificationKey, again: VerificationKey) -> VerificationKey:
    """Return one key that was written twice; its plainest form decides for strict rules."""
    return replace(
        key,
        algorithms=key.algorithms | again.algorithms,
        interop_warning=key.interop_warning and again.interop_warning,
        validity=key.validity and again.validity and max(key.validity, again.validity),
    )


def _skip_ambiguous(key_id: str, conflicting: Sequence[VerificationKey]) -> SkippedKey:
    common = Counter(name for key in conflicting for name in key.algorithms)
    names = ", ".join(sorted(name for name, count in common.items() if count > 1))
    detail = f"{len(conflicting)} different keys have this kid, for {names}: expected one"
    return SkippedKey("duplicate-key-id", key_id, detail)
