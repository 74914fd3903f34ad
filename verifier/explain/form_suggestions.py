"""Suggestions about the text of a token: what stands around it, and what was cut off.

What stands behind a token is shown only if its signature is complete: otherwise it may be a part of
the signature.
"""

from __future__ import annotations

import re
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.wording import make_printable, quote
from verifier.keys.model import is_symmetric
from verifier.tokens.jws import MalformedError, decode_object
from verifier.tokens.redact import find_tokens

TOKEN: Final = re.compile(r"[\w-]+={0,2}(?:\.[\w-]+={0,2})+", re.ASCII)
"""A token's text from its first character on."""

_WRAPPED: Final = re.compile(r"\s*(bearer\s|[\"'])", re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(
    r"undefined|null|none|nil|nan|true|false|\[object \w+\]|[$#%]?\{.*\}+|<.*>|%\w+%|\$\w+",
    re.IGNORECASE,
)
_OCTETS: Final = {
    "HS256": 32,
    "HS384": 48,
    "HS512": 64,
    "ES256": 64,
    "ES384": 96,
    "ES512": 132,
    "EdDSA": 64,
}
_RSA_OCTETS: Final = (256, 384, 512)
_JWE_SEGMENTS: Final = 5
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_.%-]{16}")
_MAX_SHOWN: Final = 40
_COPY_AGAIN: Final = (
    "Copy the whole link or token again; a token is cut by columns, fields and mail programs that"
    " are too narrow for it."
)


def suggest_token_form(decided: DecidedRequest) -> str:
    """Suggest a strict compact JWT without critical header extensions."""
    token, text = decided.token, decided.request.token or ""
    strict_error = "" if token is None else token.strict_error
    if not strict_error:
        names = " and ".join(name for name in ("crit", "zip") if name in decided.header.raw)
        return f"The token's header has {names}, which Jitsi cannot read. Sign without {names}."
    return (
        _suggest_by_surroundings(decided, text)
        or suggest_signing(decided)
        or suggest_whole_signature(decided)
        or _suggest_by_characters(text)
        or _suggest_by_segments(text)
        or f"The token is no compact JWT: {strict_error}. Make the token a compact JWT."
    )


def suggest_by_text(decided: DecidedRequest) -> str | None:
    """Return what to change of a token that was read leniently, and was changed on its way."""
    text = decided.request.token or ""
    return _suggest_by_surroundings(decided, text) or _suggest_by_characters(text)


def is_unsigned(decided: DecidedRequest) -> bool:
    """Return whether the token's header says that it has no signature."""
    algorithm = decided.header.algorithm
    return isinstance(algorithm, str) and algorithm.lower() == "none"


def suggest_signing(decided: DecidedRequest) -> str | None:
    """Return how to sign a token that says that it is unsigned; None for another token."""
    if not is_unsigned(decided):
        return None
    expected = decided.policy.signature_algorithm
    symmetric = is_symmetric(expected)
    key = "app_secret (JWT_APP_SECRET)" if symmetric else "the private key of this server's issuer"
    return (
        'The token is unsigned ("alg": "none"), and an unsigned token is never accepted.'
        f' Put "alg": "{expected}" into the token\'s header, and sign with {key}.'
    )


def suggest_whole_signature(decided: DecidedRequest) -> str | None:
    """Return a suggestion if the signature is too short or too long for its algorithm."""
    parts = (decided.request.token or "").split(".")
    if len(parts) != 3 or not re.fullmatch(r"[\w-]+", parts[2], re.ASCII):
        return None
    expected, found = _expected_octets(decided, parts[2]), len(parts[2]) * 3 // 4
    if expected is None or found == expected:
        return None
    if found < expected:
        return f"The signature has {found} of {expected} bytes: the link was cut off. {_COPY_AGAIN}"
    return (
        f"The signature has {found} bytes, and {decided.header.algorithm} makes {expected}: other"
        " text stands behind the token. Send the token alone."
    )


def _expected_octets(decided: DecidedRequest, signature: str) -> int | None:
    """Return how many octets the token's signature should have; None if that is not known."""
    algorithm = decided.header.algorithm
    if not isinstance(algorithm, str):
        return None
    if algorithm in _OCTETS:
        return _OCTETS[algorithm]
    if algorithm[:2] not in ("RS", "PS"):
        return None
    found = len(signature) * 3 // 4
    sizes = _RSA_OCTETS + ((size,) if (size := _key_octets(decided)) else ())
    if found in sizes:
        return found
    return size or next((usual for usual in _RSA_OCTETS if found < usual), None)


def _key_octets(decided: DecidedRequest) -> int:
    """Return the octets of the RSA key that the token names; 0 if there is no such key."""
    key_id: Any = decided.header.key_id
    named = decided.keys.get(key_id) if isinstance(key_id, str) else None
    for key in (*(named.all if named else ()), *decided.keys.static):
        if "RS256" in key.algorithms or "PS256" in key.algorithms:
            return int((getattr(key.material, "key_size", 0) + 7) // 8)
    return 0


def _suggest_by_surroundings(decided: DecidedRequest, text: str) -> str | None:
    if not text.strip():
        return (
            "The token is empty. Send the whole token: it has three parts with dots between them,"
            " and this one has 1."
        )
    if len(text) <= _MAX_SHOWN and _PLACEHOLDER.fullmatch(text):
        return (
            f"In the token's place stands {quote(text)}: the program that made the link had no"
            " token. Correct that program."
        )
    begin = next((begin for begin, _ in find_tokens(text)), None)
    if begin is None:
        return None
    if begin:
        return _suggest_without_prefix(text[:begin])
    match = TOKEN.match(text)
    tail = text[match.end() :] if match and _is_whole(decided, match[0]) else ""
    return _suggest_without_tail(tail) if tail else None


def _suggest_without_prefix(prefix: str) -> str:
    if prefix.endswith(("b'", 'b"')):
        return (
            f"The token was written as Python's bytes, {prefix[-2:]}…{prefix[-1]}. Decode them:"
            " token.decode()."
        )
    if _WRAPPED.match(prefix):
        return (
            "Something stands around the token. Send the token alone, without 'Bearer ' before it"
            " or quotes around it."
        )
    if prefix.endswith(".") and TOKEN.fullmatch(f"{prefix}x"):
        return f"The token's beginning is missing. {_COPY_AGAIN}"
    if not prefix.strip():
        return "A blank stands in front of the token. Remove the blanks and line breaks."
    # A long word may be a part of this token or of another one.
    if _LONG_WORD.search(prefix):
        return "Other text stands in front of the token. Send the token alone."
    return f"In front of the token stands {_shown(prefix[-_MAX_SHOWN:])}. Send the token alone."


def _suggest_without_tail(tail: str) -> str | None:
    if set(tail) == {"="}:
        return None
    if not tail.strip():
        return "A blank stands behind the token. Remove the blanks and line breaks from the token."
    behind = f"Behind the token stands {_shown(tail)}"
    if tail[0] in "/\\":
        return (
            f"{behind}: put the room before the question mark. Write https://HOST/ROOM?jwt=TOKEN,"
            " with nothing behind the token."
        )
    if tail[0] in "?&;" and "=" in tail:
        return f"{behind}: a link has one question mark. Write & between further parameters."
    return f"{behind}, which is no part of it. Send the token alone, and end the link behind it."


def _shown(text: str) -> str:
    """Return what stands beside a token, in backquotes."""
    short = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return f"`{make_printable(short)}`"


def _is_whole(decided: DecidedRequest, text: str) -> bool:
    """Return whether a text has three segments, and a signature of the right length."""
    parts = text.split(".")
    if len(parts) != 3:
        return False
    expected = _expected_octets(decided, parts[2])
    return expected is not None and len(parts[2]) == (4 * expected + 2) // 3


def _suggest_by_characters(text: str) -> str | None:
    if _WRAPPED.match(text):
        return (
            "Something stands around the token. Send the token alone, without 'Bearer ' before it"
            " or quotes around it."
        )
    if text.rstrip(".").endswith("…") or "..." in text:
        return (
            "The token was shortened by the program that showed it: it has dots in the place of"
            f" its rest. {_COPY_AGAIN}"
        )
    if re.search(r"\s", text):
        return "Blanks stand within the token. Remove the blanks and line breaks from the token."
    if "=" in text:
        return "The token is padded. Remove the = padding: a JWT's parts are base64url without it."
    if "+" in text or "/" in text:
        return (
            "The token is encoded with base64. Encode with base64url, which has - and _ where"
            " base64 has + and /."
        )
    return None


def _suggest_by_segments(text: str) -> str | None:
    parts = text.split(".")
    count = len(parts)
    if count == _JWE_SEGMENTS and any(True for _ in find_tokens(parts[2])):
        return "Two tokens stand one behind the other. Send one token."
    if count == _JWE_SEGMENTS:
        return "This is an encrypted token (JWE), and Jitsi accepts only a JWS. Sign it instead."
    if count == 3 and not parts[2]:
        return "The third part of the token, its signature, is empty. Sign the token."
    if count != 3:
        return (
            f"{_describe_parts(parts)} Send the whole token: it has three parts with dots between"
            f" them, and this one has {count}."
        )
    if not _is_object(parts[0]) and _is_object(parts[1]) and not text.startswith(("ey", "ew")):
        return f"The token's beginning is missing. {_COPY_AGAIN}"
    return None


def _describe_parts(parts: list[str]) -> str:
    if len(parts) > 3:
        return "The token has too many parts."
    if not any(True for _ in find_tokens(parts[0])):
        return "This is not the beginning of a JWT."
    if len(parts) == 1:
        return "The token ends within its header: it was cut off."
    if _is_object(parts[1]):
        return "The token ends before its signature: it was cut off."
    return "The token ends within its payload: it was cut off."


def _is_object(segment: str) -> bool:
    try:
        decode_object(segment.encode("utf-8", "surrogatepass"))
    except MalformedError:
        return False
    return True
