"""Write each proxy's denial pages: one for each language.

A page contains the words of every group of codes. Its style sheet shows the group of the code that
the proxy inserts. So a proxy only chooses a file and inserts two values; it needs neither a script
nor conditions.
"""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent

MARKS: Final = {
    "nginx": (
        '<!--# echo var="jitsi_verifier_code" default="" -->',
        '<!--# echo var="request_id" -->',
    ),
    "caddy": (
        '{{or (placeholder "http.reverse_proxy.header.X-Jitsi-Denial") "no-answer"}}',
        '{{placeholder "http.request.uuid"}}',
    ),
    "envoy": ("%RESP(X-JITSI-DENIAL)%", "%REQ(X-REQUEST-ID)%"),
}
"""The marks that each proxy replaces with the denial code and with the request id.

nginx escapes both values for HTML. Caddy and Envoy do not, but both values come only from the
verifier and from the proxy itself, never from the client.
"""


def pages() -> dict[Path, str]:
    """Return every page by its path below ``contrib``."""
    texts = tomllib.loads((HERE / "texts.toml").read_text("utf-8"))
    codes = texts.pop("codes")
    return {
        Path(proxy, "pages", f"{language}.html"): _page(language, words, codes, proxy)
        for proxy in MARKS
        for language, words in texts.items()
    }


def _page(language: str, words: dict[str, Any], codes: dict[str, list[str]], proxy: str) -> str:
    mark_code, mark_request = MARKS[proxy]
    values = {
        "language": language,
        **{name: escape(words[name]) for name in ("title", "support", "code", "request")},
        "rules": _rules(codes),
        "sections": "\n".join(_section(group, words["groups"][group]) for group in codes),
        "mark_code": mark_code,
        "mark_request": mark_request,
    }
    page = (HERE / "page.html").read_text("utf-8")
    for name, value in values.items():
        page = page.replace(f"{{{name}}}", value)
    return page


def _section(group: str, texts: list[str]) -> str:
    heading, explanation = map(escape, texts)
    return f'<section class="{group}">\n<h1>{heading}</h1>\n<p>{explanation}</p>\n</section>'


def _rules(codes: dict[str, list[str]]) -> str:
    """Return the style rules, as plain attribute selectors, which every browser supports."""
    rules = []
    for group, members in codes.items():
        for action, shown in ((group, "block"), ("other", "none")):
            selectors = [f"{_selector(code)} .{action}" for code in members]
            if selectors:
                rules.append(f"{', '.join(selectors)} {{ display: {shown}; }}")
    return "\n".join(rules)


def _selector(code: str) -> str:
    begins = code.endswith("*")
    return f'[data-code{"^" if begins else ""}="{code.removesuffix("*")}"]'


def main() -> None:
    """Write all pages."""
    for path, page in pages().items():
        file = HERE.parent / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
