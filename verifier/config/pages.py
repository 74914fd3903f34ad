"""Options of room pages that need more than one look: redirect and hand-off."""

from __future__ import annotations

from typing import Any, Final

from verifier.config.problems import shown
from verifier.config.redirect_template import unknown_placeholders
from verifier.config.settings import is_shared
from verifier.config.sources import Reading
from verifier.keys.pem import looks_like_pem

_STRONG_SECRET: Final = 32  # bytes, as for shared secrets


def check_pages(reading: Reading, values: dict[str, Any]) -> None:
    """Note what is wrong, and what an operator should know."""
    unknown = unknown_placeholders(values["denied_redirect_url"] or "")
    if unknown:
        expected = "no placeholders but {code}, {room} and {url}"
        reading.refuse("denied_redirect_url", shown(unknown), expected)
    secret = values["handoff_secret"]
    if values["handoff"] and secret is None and not reading.is_unsure("handoff_secret"):
        _check_shared(reading, values)
    if secret is not None and not values["handoff"]:
        reading.notice("handoff_secret", "not used: handoff is false")
    elif secret is not None:
        _check_strength(reading, values, "handoff_secret", secret)


def _check_shared(reading: Reading, values: dict[str, Any]) -> None:
    shared = [secret for secret in values["app_secret"] if not looks_like_pem(secret)]
    if not shared and not reading.is_unsure("app_secret"):
        expected = "a shared app_secret, or a handoff_secret (VERIFIER_HANDOFF_SECRET) beside it"
        reading.refuse("handoff", "true, and no secret to sign cookies with", expected)
    # Where it also verifies tokens, it has been looked at already.
    elif shared and not any(map(is_shared, _pinned(values))):
        _check_strength(reading, values, "app_secret", shared[0])


def _pinned(values: dict[str, Any]) -> tuple[str, ...]:
    return (values["signature_algorithm"], *values["other_algorithms"])


def _check_strength(reading: Reading, values: dict[str, Any], name: str, secret: str) -> None:
    size = len(secret.encode())
    if size >= _STRONG_SECRET:
        return
    if values["rules"] == "strict":
        expected = f'{_STRONG_SECRET} or more to sign cookies with, for rules = "strict"'
        reading.refuse(name, f"a secret of {size} bytes", expected)
    else:
        text = f"the secret is weak: {size} bytes, expected {_STRONG_SECRET} or more"
        reading.notice(name, text)
