"""Secrets that are published: examples of documents and guides, and placeholders.

Every reader of such a document can sign tokens with its secret. Most examples are made of a few
words (``change-me``, ``my_jitsi_app_secret``, ``your-256-bit-secret``), so a secret that consists
of such words and a few digits counts as published. A random secret does not.
"""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 120
"""The greatest length of a placeholder, in letters and digits."""

_MOST_DIGITS: Final = 6

_OTHERS: Final = frozenset(
    {
        "keyboard cat",
        # What a program writes for a variable that it does not have.
        *("nil", "none", "null", "undefined"),
        "passw0rd",
        "shhhhh",
        "shhhhhared-secret",
        # RFC 7515, appendix A.1: the example of an HS256 key.
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    }
)
"""Published secrets that consist of other words."""

_UNFILLED: Final = re.compile(r"\$\{[A-Za-z_]\w*\}|\{\{[^{}]*\}\}|%\([A-Za-z_]\w*\)s")
"""A variable or a template that no program has replaced by its value."""

_LETTERS_OF_SIGNS: Final = str.maketrans("013457@$!", "oleastasi")
"""What people write in place of letters, as in ``s3cr3t``."""

_TELLING_WORDS: Final = """
change changed changeme default demo dummy example examples fake foobar insecure jitsi jwt key keys
openssl passphrase passwd password placeholder random replace sample secret secrets test testing
tests todo token tokens unsafe use xxx your
"""
_OTHER_WORDS: Final = """
a an and any at be for from here i in is it long me my not of on one only or our own please same
some that the this to too very which with you
do enter everybody generate generated insert keep known knows put rand set sign signing signs so
bit bits byte bytes char character characters chars hex letters least long longer min minimum more
safe
secure short simple string strong super top ultra valid value word words
admin api app apps application auth authentication authenticate backend bearer client clients
deployment docker frontend host id keycloak machine machines matrix meet meeting moodle nextcloud
party portal prosody server service
tenant user verifier video web
bar base baz code current dev development first foo hash hmac hs local new next old pass previous
private prod production pwd second sha shared something string text trial trials
"""
_TELLING: Final = frozenset(_TELLING_WORDS.split())
"""Each placeholder has one of these words at least."""

_WORDS: Final = _TELLING | frozenset(_OTHER_WORDS.split())
_WIDEST: Final = max(map(len, _WORDS))


def is_published(secret: str) -> bool:
    """Return whether a secret is an example or a placeholder that documents publish."""
    if secret in _OTHERS or secret.lower() in _OTHERS:
        return True
    if _UNFILLED.fullmatch(secret.strip()):
        return True
    lower = secret.lower()
    return any(map(_is_example, {lower, lower.translate(_LETTERS_OF_SIGNS)}))


def _is_example(text: str) -> bool:
    letters = re.sub(r"[\W_]+", "", text)
    few_digits = sum(map(str.isdigit, letters)) <= _MOST_DIGITS
    return letters.isascii() and few_digits and _consists_of_words(letters[: _LONGEST + 1])


def _consists_of_words(letters: str) -> bool:
    """Return whether a text is a sequence of words and digits, one of them a telling word.

    The words may stand together without anything between them.
    """
    # By position: whether words and digits end there, and whether one of the words is telling.
    ends: dict[int, bool] = {0: False}
    for end in range(1, len(letters) + 1):
        found = [
            ends[start] or word in _TELLING
            for start in range(max(0, end - _WIDEST), end)
            if start in ends
            and ((word := letters[start:end]) in _WORDS or (word.isdigit() and len(word) == 1))
        ]
        if found:
            ends[end] = any(found)
    return len(letters) <= _LONGEST and ends.get(len(letters), False)
