"""Suggestions about the text of a token: what stands around it, and what was cut off.

What stands behind a token is shown only if its signature is complete: otherwise it may be a part of
the signature.
"""

from __future__ import annotations

import re
from typing import Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.signature_suggestions import expected_octets, suggest_whole_signature
from verifier.explain.wording import COPY_AGAIN, INVISIBLE, hide_pieces, in_backquotes, quote
from verifier.keys.model import is_symmetric
from verifier.rooms.percent import has_many_broken_escapes, percent_decoded
from verifier.tokens.jws import MalformedError, decode_object
from verifier.tokens.redact import find_tokens, hide_tokens

TOKEN: Final = re.compile(r"[\w-]+={0,2}(?:\.[\w-]+={0,2})+", re.ASCII)
"""A token's text from its first character on."""

_WRAPPED: Final = re.compile(r"\s*(bearer\s|[\"'])", re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(
    r"undefined|null|none|nil|nan|true|false|array|\[.*\]|[$#%]?\{.*\}+|<.*>|%\w+%|%[sd@]|[$:]\w+"
    r"|\$\(.*\)|(?:(?:your|my|the|insert|some)[ _-]?)?(?:jwt|token)(?:[ _-]?here)?",
    re.IGNORECASE,
)
_JWE_SEGMENTS: Final = 5
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_.%-]{16}")
_MAX_SHOWN: Final = 40
_MAX_READ: Final = 512
_INVISIBLE: Final = re.compile(f"[{''.join(mark for mark in INVISIBLE if not mark.isspace())}]")
_ENCODED_TWICE: Final = (
    "The token was percent-encoded twice, so that it still has percent signs after it was decoded."
    " Encode it once, or not at all: a token has no character that needs it."
)
_WITHOUT_WRAPPING: Final = (
    "Something stands around the token. Send the token alone, without 'Bearer ' before it or quotes"
    " around it."
)
_TO_BASE64URL: Final = str.maketrans("+/", "-_")


def suggest_token_form(decided: DecidedRequest) -> str:
    """Suggest a strict compact JWT without critical header extensions."""
    token, text = decided.token, decided.request.token or ""
    strict_error = "" if token is None else token.strict_error
    if not strict_error:
        names = " and ".join(name for name in ("crit", "zip") if name in decided.header.raw)
        return f"The token's header has {names}, which Jitsi cannot read. Sign without {names}."
    return (
        _suggest_order(text)
        or _suggest_by_surroundings(decided, text)
        or suggest_signing(decided)
        or suggest_whole_signature(decided)
        or _suggest_by_characters(text)
        or _suggest_by_segments(text)
        or _suggest_by_json(strict_error)
        or f"The token is no compact JWT: {strict_error}. Make the token a compact JWT."
    )


def _suggest_by_json(strict_error: str) -> str | None:
    """Suggest JSON that all programs read in the same way; None for another error."""
    part, _, error = strict_error.partition(": ")
    if part != "payload" or "base64url" in error:
        return None
    return (
        f"The token's payload is not JSON that all programs read in the same way: {error}. Correct"
        " the program that writes the payload; a JSON library writes it correctly."
    )


def suggest_order(decided: DecidedRequest) -> str | None:
    """Return a suggestion if the parts of a token have changed places; None if they have not."""
    return _suggest_order(decided.request.token or "")


def _suggest_order(text: str) -> str | None:
    parts = text.split(".")
    if len(parts) != 3:
        return None
    kinds = [_kind_of(part) for part in parts]
    if kinds == ["header", "payload", ""] or sorted(kinds) != ["", "header", "payload"]:
        return None
    found = ", ".join(kind or "signature" for kind in kinds)
    return (
        f"The parts of the token stand in a wrong order: {found}. Put them in the order header,"
        " payload, signature."
    )


def _kind_of(part: str) -> str:
    """Return ``header`` or ``payload`` for a part that is such an object; empty for any other."""
    try:
        members = decode_object(part.encode("utf-8", "surrogatepass"))
    except MalformedError:
        return ""
    return "header" if "alg" in members and "iss" not in members else "payload"


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
    invisible = _INVISIBLE.search(text)
    if invisible:
        kind = INVISIBLE[invisible[0]]
        return (
            f"{kind} stands in the token or beside it. Remove it: copy the token from its source."
        )
    if "%" in text and not has_many_broken_escapes(text):
        decoded = percent_decoded(text, "replace")
        if next((begin for begin, _ in find_tokens(decoded)), None) == 0 and decoded != text:
            return _ENCODED_TWICE
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
        return _WITHOUT_WRAPPING
    if prefix == "3D":
        return (
            "In front of the token stands `3D`, as = is written in the source of a mail (=3D)."
            " Decode the mail's text before you take the link out of it."
        )
    if prefix.endswith(".") and TOKEN.fullmatch(f"x{prefix}x"):
        return f"The token's beginning is missing. {COPY_AGAIN}"
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
    if next(find_tokens(tail), None) is not None:
        return "Two tokens stand one behind the other. Send one token."
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
    text = hide_pieces(hide_tokens(text[:_MAX_READ]))
    return in_backquotes(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")


def _is_whole(decided: DecidedRequest, text: str) -> bool:
    """Return whether a text has three segments, and a signature of the right length."""
    parts = text.split(".")
    if len(parts) != 3:
        return False
    expected = expected_octets(decided, parts[2])
    return expected is not None and len(parts[2]) == (4 * expected + 2) // 3


def _suggest_by_characters(text: str) -> str | None:
    if _WRAPPED.match(text):
        return _WITHOUT_WRAPPING
    if text.rstrip(".").endswith("…") or "..." in text:
        return (
            "The token was shortened by the program that showed it: it has dots in the place of"
            f" its rest. {COPY_AGAIN}"
        )
    if " " in text and _is_base64(text.replace(" ", "+")):
        return (
            "The token is encoded with base64, whose + is a blank in a URL. Encode with base64url,"
            " which has - and _ where base64 has + and /, and no = padding."
        )
    if re.search(r"[\r\n]", text):
        return (
            "A line break stands within the token, as programs write it that wrap long lines."
            " Remove the line breaks and blanks from the token."
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


def _is_base64(text: str) -> bool:
    """Return whether a text is three parts in base64 of which two are JSON objects."""
    parts = text.translate(_TO_BASE64URL).replace("=", "").split(".")
    return len(parts) == 3 and _is_object(parts[0]) and _is_object(parts[1])


def _suggest_by_segments(text: str) -> str | None:
    parts = text.split(".")
    count = len(parts)
    if count == _JWE_SEGMENTS and any(True for _ in find_tokens(parts[2])):
        return "Two tokens stand one behind the other. Send one token."
    if count == _JWE_SEGMENTS:
        return "This is an encrypted token (JWE), and Jitsi accepts only a JWS. Sign it instead."
    letters = re.sub(r"[^A-Za-z]", "", text)
    if count == 3 and len(letters) > _MAX_SHOWN and (letters.isupper() or letters.islower()):
        case = "capitals" if letters.isupper() else "small letters"
        return (
            f"The token has only {case}: a program changed its letters. Take the token as its"
            " issuer wrote it."
        )
    if count == 3 and not parts[2]:
        return "The third part of the token, its signature, is empty. Sign the token."
    if count != 3:
        return (
            f"{_describe_parts(parts)} Send the whole token: it has three parts with dots between"
            f" them, and this one has {count}."
        )
    if not _is_object(parts[0]) and _is_object(parts[1]) and not text.startswith(("ey", "ew")):
        return f"The token's beginning is missing. {COPY_AGAIN}"
    return None


def _describe_parts(parts: list[str]) -> str:
    if len(parts) > 3:
        return "The token has too many parts."
    if _kind_of(parts[0]) == "payload":
        return "The token's header is missing: this begins with its payload."
    if len(parts) == 1 and _is_object(parts[0]):
        return "This is only the header of a token: the rest is missing."
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
