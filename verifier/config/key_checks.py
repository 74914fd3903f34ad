"""Which keys are configured, and whether they can verify the algorithm that is accepted.

Fetches nothing: the keys at a URL are unknown here. Key files are read once, to check them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from verifier.config.addresses import is_loopback
from verifier.config.problems import shown_path
from verifier.config.sources import Reading
from verifier.keys.formats import parse_key_file, parse_public_key, parse_secret
from verifier.keys.model import ALGORITHMS, InvalidKeyError, VerificationKey, is_symmetric
from verifier.keys.pem import looks_like_pem

_URL_OPTIONS: Final = ("asap_key_server", "cache_keys_url")
_KEY_OPTIONS: Final = ("app_secret", *_URL_OPTIONS, "public_keys")
STRONG_SECRET: Final = 32
"""The least size, bytes: RFC 7518, section 3.2 wants no less than the output of SHA-256."""

_PUBLIC: Final = "one PEM public key or certificate, JWK or JWK set"


@dataclass(slots=True)
class _Offered:
    """The keys that the configuration has.

    Attributes:
        urls: The options that name a URL of keys.
        shared: Shared secrets.
        static: Public keys without a key id, from ``app_secret``.
        named: Public keys with a key id, from ``public_keys``.
    """

    urls: list[str]
    shared: list[VerificationKey] = field(default_factory=list)
    static: list[VerificationKey] = field(default_factory=list)
    named: list[VerificationKey] = field(default_factory=list)

    @property
    def algorithms(self) -> set[str]:
        """Every algorithm that one of these keys may verify; a URL may have any public key."""
        keys = (*self.shared, *self.static, *self.named)
        found = {name for key in keys for name in key.algorithms}
        return found | {name for name in ALGORITHMS if self.urls and not is_symmetric(name)}


def resolve_keys(reading: Reading, values: dict[str, Any]) -> None:
    """Set the algorithms, and refuse keys that cannot verify them."""
    offered = _Offered([name for name in _URL_OPTIONS if values[name] is not None])
    before = len(reading.problems)
    _read_secrets(reading, values, offered)
    _read_public_keys(reading, values, offered)
    accepted = _accepted_algorithms(reading, values, offered)
    values["signature_algorithm"], *others = accepted
    values["other_algorithms"] = tuple(others)
    if not reading.is_unsure(*_KEY_OPTIONS) and len(reading.problems) == before:
        strict = values["rules"] == "strict"
        _check_keys(reading, accepted, offered, strict=strict)
    _notice_plain_http(reading, values, offered)


def _accepted_algorithms(reading: Reading, values: dict[str, Any], offered: _Offered) -> list[str]:
    """Return the accepted algorithms, first the one that ``mint`` signs with."""
    given: tuple[str, ...] | None = values["signature_algorithm"]
    if given is None:
        public = offered.urls or (offered.named and not offered.shared)
        return ["RS256" if public else "HS256"]
    accepted = list(dict.fromkeys(given))
    if len(accepted) > 1 and values["rules"] != "strict":
        expected = 'one: Jitsi accepts one only, several need rules = "strict"'
        reading.refuse("signature_algorithm", ", ".join(accepted), expected)
    return accepted


def _read_secrets(reading: Reading, values: dict[str, Any], offered: _Offered) -> None:
    for secret in values["app_secret"]:
        try:
            if looks_like_pem(secret):
                offered.static.append(parse_public_key(secret, None, "file"))
            else:
                offered.shared.append(parse_secret(secret))
        except InvalidKeyError as error:
            reading.refuse("app_secret", f"no usable key: {error}", f"a secret or {_PUBLIC}")


def _read_public_keys(reading: Reading, values: dict[str, Any], offered: _Offered) -> None:
    for key_id, location in values["public_keys"].items():
        try:
            body = _read_key(location, reading)
            document = parse_key_file(body, key_id)
        except (OSError, ValueError) as error:
            where = f" in {shown_path(location)}" if isinstance(location, Path) else ""
            found = f"no usable key{where} for key id {key_id!a}: {_in_words(error)}"
            reading.refuse("public_keys", found, _PUBLIC)
        else:
            offered.named.extend((*document.keys.values(), *document.static))


def _read_key(location: str | Path, reading: Reading) -> bytes:
    if isinstance(location, str):
        return location.encode()
    reading.files.append(location)
    return reading.read_file(location)


def _in_words(error: OSError | ValueError) -> str:
    if isinstance(error, InvalidKeyError):
        return str(error)
    return (isinstance(error, OSError) and error.strerror) or "the file cannot be read"


def _check_keys(reading: Reading, accepted: list[str], offered: _Offered, *, strict: bool) -> None:
    if not offered.algorithms:
        expected = f"a key: one of {', '.join(_KEY_OPTIONS)}"
        reading.refuse("app_secret", "nothing", expected)
        return
    if reading.is_unsure("signature_algorithm"):
        return
    before = len(reading.problems)
    for algorithm in accepted:
        _check_algorithm(reading, algorithm, offered)
    if len(reading.problems) > before:
        return
    if any(map(is_symmetric, accepted)):
        _check_strength(reading, offered, strict=strict)
    _notice_unused(reading, accepted, offered)
    if strict:
        _refuse_ambiguous(reading, offered)


def _check_algorithm(reading: Reading, algorithm: str, offered: _Offered) -> None:
    if is_symmetric(algorithm) and offered.static:
        expected = f"a shared secret for {algorithm}, or an algorithm for public keys"
        reading.refuse("app_secret", "a public key, which is not secret", expected)
    elif algorithm not in offered.algorithms:
        found = algorithm if "signature_algorithm" in reading.given else f"{algorithm} by default"
        expected = f"what the configured keys can verify: {', '.join(sorted(offered.algorithms))}"
        reading.refuse("signature_algorithm", found, expected)
    elif is_symmetric(algorithm) and offered.urls:
        found = f"{algorithm} with a key URL, where Jitsi accepts RS tokens only"
        expected = "an algorithm for public keys, or no asap_key_server and cache_keys_url"
        reading.refuse("signature_algorithm", found, expected)


def _check_strength(reading: Reading, offered: _Offered, *, strict: bool) -> None:
    for number, key in enumerate(offered.shared, 1):
        if len(key.material) >= STRONG_SECRET:
            continue
        of_many = len(offered.shared) > 1
        which = f"secret {number} of {len(offered.shared)}" if of_many else "the secret"
        if strict:
            expected = f'{STRONG_SECRET} or more, for rules = "strict" (RFC 8725, section 3.5)'
            reading.refuse("app_secret", f"{which} of {len(key.material)} bytes", expected)
        else:
            text = f"{which} is weak: {len(key.material)} bytes, expected {STRONG_SECRET} or more"
            reading.notice("app_secret", text)


def _notice_unused(reading: Reading, accepted: list[str], offered: _Offered) -> None:
    names = " or ".join(accepted)
    public = [name for name in accepted if not is_symmetric(name)]
    if offered.named and not public:
        reading.notice("public_keys", f"not used: {names} needs app_secret")
    if offered.shared and len(public) == len(accepted):
        reading.notice("app_secret", f"not used for tokens: {names} needs public keys")
    if offered.static and offered.urls:
        text = "not used: with a key URL, keys are found by their key ids only"
        reading.notice("app_secret", text)
    for key in offered.named if public else ():
        if key.algorithms.isdisjoint(accepted):
            fit = ", ".join(sorted(key.algorithms))
            text = f"key id {key.key_id!a} is not used: it is for {fit}, and {names} is accepted"
            reading.notice("public_keys", text)


def _refuse_ambiguous(reading: Reading, offered: _Offered) -> None:
    for name, keys in (("app_secret", offered.static), ("public_keys", offered.named)):
        for key in keys:
            if key.interop_warning:
                which = "" if key.key_id is None else f" of key id {key.key_id!a}"
                expected = 'nothing but the key, for rules = "strict"'
                reading.refuse(
                    name,
                    f"a key{which} that may be read in two ways: {key.interop_warning}",
                    expected,
                )


def _notice_plain_http(reading: Reading, values: dict[str, Any], offered: _Offered) -> None:
    for name in offered.urls:
        parts = urlsplit(values[name])
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            text = "keys are fetched over plain http: an attacker on the way can replace them"
            reading.notice(name, text)
