"""The denial codes at ``/codes``: what each code means, what to check and what to do.

The texts are those of ``docs/denial-codes.md``. Each code has an anchor, as in
``/codes#token-expired``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from http import HTTPStatus
from typing import Final

from verifier.http.admin.assets import Assets
from verifier.http.responses import status_of
from verifier.rules.denial_texts import DENIAL_TEXTS
from verifier.rules.denials import ANSWERS
from verifier.rules.model import DenialCode, Deny

_QUOTED: Final = re.compile("`(.+?)`")


def _index() -> str:
    return "".join(f'<li><a href="codes#{code}">{code}</a></li>\n' for code in DENIAL_TEXTS)


def _sections() -> str:
    return "".join(line for code in DENIAL_TEXTS for line in _section(code))


def _section(code: DenialCode) -> Iterator[str]:
    text, status = DENIAL_TEXTS[code], status_of(code)
    kind = "status temporary" if status == HTTPStatus.SERVICE_UNAVAILABLE else "status"
    yield f'<section id="{code}" aria-labelledby="{code}-name">\n<h2 id="{code}-name">'
    yield f'<a href="codes#{code}"><code>{code}</code></a>'
    yield f' <span class="{kind}">HTTP {status:d}</span></h2>\n'
    yield f"<p>{_html(text.meaning)}</p>\n<dl>\n"
    if text.check:
        yield f"<dt>What to check</dt><dd>{_html(text.check)}</dd>\n"
    yield f"<dt>What to do</dt><dd>{_html(text.cure)}</dd>\n"
    yield f"<dt>Prosody answers</dt><dd>{escape(_prosody(code, status))}</dd>\n"
    yield "</dl>\n</section>\n"


def _prosody(code: DenialCode, status: HTTPStatus) -> str:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "nothing: it closes the connection, and the client tries again"
    error, reason = Deny(code, "", *ANSWERS.get(code, ("not-allowed", None))).answer
    return f"{error}: {reason}" if reason else f"{error}, with a text that says what was found"


def _html(text: str) -> str:
    return _QUOTED.sub(r"<code>\1</code>", escape(text, quote=False))


CODES: Final = Assets(
    __name__,
    {"/codes": "codes.html", "/codes.css": "codes.css"},
    {"index": _index(), "codes": _sections()},
)
"""The page and its style."""
