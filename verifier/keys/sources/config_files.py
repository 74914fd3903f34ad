"""Reads configured keys, and the files that hold them, all at once; names everything wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from verifier.keys.formats import (
    MAX_DOCUMENT_BYTES,
    Document,
    SkippedKey,
    parse_key_file,
    parse_public_key,
    parse_secret,
    split_secrets,
)
from verifier.keys.model import InvalidKeyError, VerificationKey
from verifier.keys.pem import looks_like_pem
from verifier.keys.sources.base import KeySourceError


def read_secrets(entries: Sequence[str | Path]) -> Document:
    """Read shared secrets, or public keys in PEM that stand in their place.

    Args:
        entries: Each a secret, a PEM text, or the path of a file with any number of them.

    Raises:
        KeySourceError: some cannot be used; says which and why, never what.
    """
    problems: list[str] = []
    static: list[VerificationKey] = []
    for number, entry in enumerate(entries, 1):
        place = str(entry) if isinstance(entry, Path) else f"secret {number}"
        try:
            static.extend(map(_secret_or_key, _texts(entry)))
        except InvalidKeyError as error:
            problems.append(f"{place}: {error}")
    _raise(problems)
    return Document(static=tuple(static))


def read_public_keys(entries: Mapping[str, str | Path]) -> Document:
    """Read public keys by key id; a JWK set's keys keep their own key ids.

    Raises:
        KeySourceError: some cannot be used, or two have one key id; says which and why.
    """
    problems: list[str] = []
    keys: dict[str, VerificationKey] = {}
    skipped: list[SkippedKey] = []
    for key_id, entry in entries.items():
        place = f"{entry}" if isinstance(entry, Path) else f"key id {key_id!a}"
        try:
            body = _file(entry) if isinstance(entry, Path) else entry.encode("utf-8")
            document = parse_key_file(body, key_id)
        except InvalidKeyError as error:
            problems.append(f"{place}: {error}")
            continue
        twice = sorted(keys.keys() & document.keys.keys())
        problems.extend(f"{place}: expected every key id once, found {name!a}" for name in twice)
        keys.update(document.keys)
        skipped.extend(document.skipped)
    _raise(problems)
    return Document(keys, tuple(skipped))


def _texts(entry: str | Path) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    try:
        found = split_secrets(_file(entry).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidKeyError("expected UTF-8 text") from None
    if not found:
        raise InvalidKeyError("expected one secret a line, found nothing")
    return found


def _secret_or_key(text: str) -> VerificationKey:
    return parse_public_key(text, None, "file") if looks_like_pem(text) else parse_secret(text)


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise InvalidKeyError(error.strerror or "cannot be read") from None
    if len(body) > MAX_DOCUMENT_BYTES:
        raise InvalidKeyError(f"expected at most {MAX_DOCUMENT_BYTES} bytes")
    return body


def _raise(problems: Sequence[str]) -> None:
    if problems:
        raise KeySourceError("; ".join(problems))
