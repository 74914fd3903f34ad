"""How keys are fetched, and for how long they are good."""

from __future__ import annotations

from typing import Final

from verifier.config import kinds
from verifier.config.options.option import Option

FETCHING: Final = (
    Option(
        "key_fetch_timeout",
        "VERIFIER_KEY_FETCH_TIMEOUT",
        kinds.UP_TO_A_MINUTE,
        5.0,
        "5",
        "The longest wait, seconds, for a key that must be fetched first.",
    ),
    Option(
        "key_grace",
        "VERIFIER_KEY_GRACE",
        kinds.SECONDS,
        5400.0,
        "5400",
        "How long, seconds, a key works after it has gone from its document.",
    ),
    Option(
        "key_stale_grace",
        "VERIFIER_KEY_STALE_GRACE",
        kinds.SECONDS,
        86400.0,
        "86400",
        "How long, seconds, known keys work while their source fails.",
    ),
    Option(
        "key_lookup_rate",
        "VERIFIER_KEY_LOOKUP_RATE",
        kinds.POSITIVE,
        10.0,
        "10",
        "How many unknown key ids a second may be looked up.",
    ),
)
