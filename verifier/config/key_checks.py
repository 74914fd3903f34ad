"""Which keys are configured, and whether they can verify the algorithm that is accepted.

This module fetches nothing: the keys at a URL are unknown here. Key files are read once, to check
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from verifier.config.addresses import Address, is_loopback
from verifier.config.input import ConfigInput
from verifier.config.problems import shown_path
from verifier.config.published_secrets import is_published
from verifier.keys.document import Document
from verifier.keys.formats import (
    describe_skipped,
    parse_key_file,
    parse_public_key,
    parse_secret,
)
from verifier.keys.model import ALGORITHMS, InvalidKeyError, VerificationKey, is_symmetric
from verifier.keys.pem import looks_like_pem

KEY_URL_OPTIONS: Final = ("asap_key_server", "cache_keys_url")
"""The options that name a URL of keys."""

_KEY_OPTIONS: Final = ("app_secret", *KEY_URL_OPTIONS, "public_keys")
STRONG_SECRET: Final = 32
"""The least size, bytes: RFC 7518, section 3.2 wants no less than the output of SHA-256."""

# OpenID Connect Discovery 1.0, section 4; RFC 8414, section 3.
_DISCOVERY_PATHS: Final = (
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
)
_KEY_SET_ENDINGS: Final = (".json", "/jwks", "/certs")
_PUBLIC: Final = "one PEM public key or certificate, JWK or JWK set"


@dataclass(slots=True)
class _ConfiguredKeys:
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


def resolve_keys(config: ConfigInput, values: dict[str, Any]) -> None:
    """Set the algorithms, and refuse keys that cannot verify them."""
    configured = _ConfiguredKeys([name for name in KEY_URL_OPTIONS if values[name] is not None])
    before = len(config.problems)
    _read_secrets(config, values, configured)
    _read_public_keys(config, values, configured)
    accepted = _accepted_algorithms(config, values, configured)
    values["signature_algorithm"], *others = accepted
    values["other_algorithms"] = tuple(others)
    if not config.has_bad_value(*_KEY_OPTIONS) and len(config.problems) == before:
        strict = values["rules"] == "strict"
        _check_keys(config, accepted, configured, values["listen"], strict=strict)
    _notice_plain_http(config, values, configured)
    _notice_other_documents(config, values, configured)


def _accepted_algorithms(
    config: ConfigInput, values: dict[str, Any], configured: _ConfiguredKeys
) -> list[str]:
    """Return the accepted algorithms, first the one that ``mint`` signs with."""
    given: tuple[str, ...] | None = values["signature_algorithm"]
    if given is None:
        public = configured.urls or (configured.named and not configured.shared)
        return ["RS256" if public else "HS256"]
    accepted = list(dict.fromkeys(given))
    if len(accepted) > 1 and values["rules"] != "strict":
        expected = 'one: Jitsi accepts one only, several need rules = "strict"'
        config.add_problem("signature_algorithm", ", ".join(accepted), expected)
    return accepted


def _read_secrets(config: ConfigInput, values: dict[str, Any], configured: _ConfiguredKeys) -> None:
    for secret in values["app_secret"]:
        try:
            if looks_like_pem(secret):
                configured.static.append(parse_public_key(secret, None, "file"))
            else:
                configured.shared.append(parse_secret(secret))
        except InvalidKeyError as error:
            config.add_problem("app_secret", f"no usable key: {error}", f"a secret or {_PUBLIC}")


def _read_public_keys(
    config: ConfigInput, values: dict[str, Any], configured: _ConfiguredKeys
) -> None:
    for key_id, location in values["public_keys"].items():
        try:
            body = _read_key(location, config)
            document = parse_key_file(body, key_id)
        except (OSError, ValueError) as error:
            where = f" in {shown_path(location)}" if isinstance(location, Path) else ""
            found = f"no usable key{where} for key id {key_id!a}: {_describe_error(error)}"
            config.add_problem("public_keys", found, _PUBLIC)
        else:
            for key in (*document.keys.values(), *document.static):
                configured.named.extend(key.all)
            _notice_skipped(config, location, document)


def _notice_skipped(config: ConfigInput, location: str | Path, document: Document) -> None:
    if document.skipped:
        where = f" in {shown_path(location)}" if isinstance(location, Path) else ""
        text = f"not all keys{where} are used: {describe_skipped(document.skipped)}"
        config.add_notice("public_keys", text)


def _read_key(location: str | Path, config: ConfigInput) -> bytes:
    if isinstance(location, str):
        return location.encode()
    config.files.append(location)
    return config.read_file(location)


def _describe_error(error: OSError | ValueError) -> str:
    if isinstance(error, InvalidKeyError):
        return str(error)
    return (isinstance(error, OSError) and error.strerror) or "the file cannot be read"


def _check_keys(
    config: ConfigInput,
    accepted: list[str],
    configured: _ConfiguredKeys,
    listen: Sequence[Address],
    *,
    strict: bool,
) -> None:
    if not configured.algorithms:
        expected = f"a key: one of {', '.join(_KEY_OPTIONS)}"
        config.add_problem("app_secret", "nothing", expected)
        return
    if config.has_bad_value("signature_algorithm"):
        return
    before = len(config.problems)
    for algorithm in accepted:
        _check_algorithm(config, algorithm, configured)
    if len(config.problems) > before:
        return
    if any(map(is_symmetric, accepted)):
        _check_strength(config, configured, strict=strict)
        for key in configured.shared:
            check_published(config, "app_secret", key.material.decode(), listen)
    _notice_unused(config, accepted, configured)
    if strict:
        _refuse_ambiguous(config, configured)


def _check_algorithm(config: ConfigInput, algorithm: str, configured: _ConfiguredKeys) -> None:
    if is_symmetric(algorithm) and configured.static:
        expected = f"a shared secret for {algorithm}, or an algorithm for public keys"
        config.add_problem("app_secret", "a public key, which is not secret", expected)
    elif algorithm not in configured.algorithms:
        found = algorithm if "signature_algorithm" in config.given else f"{algorithm} by default"
        expected = (
            f"what the configured keys can verify: {', '.join(sorted(configured.algorithms))}"
        )
        config.add_problem("signature_algorithm", found, expected)
    elif is_symmetric(algorithm) and configured.urls:
        found = f"{algorithm} with a key URL, where Jitsi accepts RS tokens only"
        expected = "an algorithm for public keys, or no asap_key_server and cache_keys_url"
        config.add_problem("signature_algorithm", found, expected)


def check_published(config: ConfigInput, name: str, secret: str, listen: Sequence[Address]) -> None:
    """Refuse a published secret where other machines can reach the service; else name it."""
    if not is_published(secret):
        return
    reached = next((address for address in listen if not address.is_local), None)
    if reached is None:
        text = "a published example: every reader of its document knows it; use it for trials only"
        config.add_notice(name, text)
    else:
        expected = (
            "a random secret of your own, such as that of 'openssl rand -hex 32', since other"
            f" machines can reach {reached}"
        )
        config.add_problem(name, "a published example (not shown)", expected)


def _check_strength(config: ConfigInput, configured: _ConfiguredKeys, *, strict: bool) -> None:
    for number, key in enumerate(configured.shared, 1):
        if len(key.material) >= STRONG_SECRET or (not strict and _is_example(key)):
            continue
        of_many = len(configured.shared) > 1
        which = f"secret {number} of {len(configured.shared)}" if of_many else "the secret"
        if strict:
            expected = f'{STRONG_SECRET} or more, for rules = "strict" (RFC 8725, section 3.5)'
            config.add_problem("app_secret", f"{which} of {len(key.material)} bytes", expected)
        else:
            text = f"{which} is weak: {len(key.material)} bytes, expected {STRONG_SECRET} or more"
            config.add_notice("app_secret", text)


def _is_example(key: VerificationKey) -> bool:
    """Return whether a secret is published, which is worse than weak and said elsewhere."""
    return is_published(key.material.decode())


def _notice_unused(config: ConfigInput, accepted: list[str], configured: _ConfiguredKeys) -> None:
    names = " or ".join(accepted)
    public = [name for name in accepted if not is_symmetric(name)]
    if configured.named and not public:
        config.add_notice("public_keys", f"not used: {names} needs app_secret")
    if configured.shared and len(public) == len(accepted):
        config.add_notice("app_secret", f"not used for tokens: {names} needs public keys")
    if configured.static and configured.urls:
        text = "not used: with a key URL, keys are found by their key ids only"
        config.add_notice("app_secret", text)
    for key in configured.named if public else ():
        if key.algorithms.isdisjoint(accepted):
            fit = ", ".join(sorted(key.algorithms))
            text = f"key id {key.key_id!a} is not used: it is for {fit}, and {names} is accepted"
            config.add_notice("public_keys", text)


def _refuse_ambiguous(config: ConfigInput, configured: _ConfiguredKeys) -> None:
    for name, keys in (("app_secret", configured.static), ("public_keys", configured.named)):
        for key in keys:
            if key.interop_warning:
                which = "" if key.key_id is None else f" of key id {key.key_id!a}"
                expected = 'nothing but the key, for rules = "strict"'
                config.add_problem(
                    name,
                    f"a key{which} that may be read in two ways: {key.interop_warning}",
                    expected,
                )


def _notice_other_documents(
    config: ConfigInput, values: dict[str, Any], configured: _ConfiguredKeys
) -> None:
    for name in configured.urls:
        path = urlsplit(values[name]).path
        # An issuer's own path may follow (RFC 8414, section 3.1).
        if any(each in path for each in _DISCOVERY_PATHS):
            text = "this is a discovery document, which has no keys: set cache_keys_url to its"
            config.add_notice(name, f"{text} jwks_uri")
        elif name == "asap_key_server" and path.endswith(_KEY_SET_ENDINGS):
            text = "this looks like a key set, and a key server has one URL for each key id: set"
            config.add_notice(name, f"{text} cache_keys_url to it")


def _notice_plain_http(
    config: ConfigInput, values: dict[str, Any], configured: _ConfiguredKeys
) -> None:
    for name in configured.urls:
        parts = urlsplit(values[name])
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            text = "keys are fetched over plain http: an attacker on the way can replace them"
            config.add_notice(name, text)
