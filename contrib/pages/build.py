"""Write each proxy's denial pages: one for each language.

A page contains the words of every group of codes. Its style sheet shows the group of the code that
the proxy inserts. So a proxy only chooses a file and inserts a few values; it needs no conditions.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
CONTRIB: Final = HERE.parent
LINKS: Final = {
    "contact": r"mailto:[^@]+@[^@]+|tel:\+?[0-9().-]+|https://[^/?#@]+([/?#].*)?",
    "sign_in": r"https://[^/?#@]+([/?#].*)?",
}
"""The links that an operator may set, each with the form that it needs."""
_URL_LETTERS: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")


@dataclass(frozen=True)
class Marks:
    """What a proxy replaces in a page.

    Attributes:
        code: The denial code.
        request: The request id.
        host: The host that the client requested.
        room: The path that the client requested, decoded, up to what can precede a token.
        retry: The seconds of ``Retry-After``.
    """

    code: str
    request: str
    host: str
    room: str
    retry: str


MARKS: Final = {
    "nginx": Marks(
        '<!--# echo var="jitsi_verifier_code" default="" -->',
        '<!--# echo var="request_id" -->',
        '<!--# echo var="host" -->',
        '<!--# echo var="jitsi_verifier_address" default="" -->',
        '<!--# echo var="jitsi_verifier_retry" default="" -->',
    ),
    "caddy": Marks(
        '{{or (placeholder "http.reverse_proxy.header.X-Jitsi-Denial") "no-answer"}}',
        '{{placeholder "http.request.uuid"}}',
        '{{html (placeholder "http.request.host")}}',
        '{{regexReplaceAll `(?s)^/|([?#;&=%]|eyJ).*` (placeholder "http.request.orig_uri.path") ""'
        " | regexFind `^.{0,100}` | html}}",
        '{{placeholder "http.reverse_proxy.header.Retry-After"}}',
    ),
    "envoy": Marks(
        "%RESP(X-JITSI-DENIAL)%",
        "%REQ(X-REQUEST-ID)%",
        "%DYNAMIC_METADATA(jitsi-verifier:host)%",
        "%DYNAMIC_METADATA(jitsi-verifier:room)%",
        "%RESP(RETRY-AFTER)%",
    ),
}
"""The marks of each proxy.

Host and room come from the client: nginx and Caddy escape them for HTML, and Envoy's configuration
keeps only harmless letters. The other values come from the verifier and from the proxy itself.
"""


def script() -> str:
    """Return the script of the pages, without its comments."""
    lines = (HERE / "retry.js").read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.lstrip().startswith("//"))


def policy() -> str:
    """Return the Content-Security-Policy, which allows this script only."""
    digest = b64encode(sha256(script().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}';"
        " base-uri 'none'; form-action 'none'"
    )


def pages(
    contact: str = "", sign_in: str = "", texts_file: Path = HERE / "texts.toml"
) -> dict[Path, str]:
    """Return every page by its path below ``contrib``.

    Args:
        contact: The link to those who help: mailto, tel or https; empty for none.
        sign_in: The https link of the login; empty for none.
        texts_file: The texts.

    Raises:
        ValueError: A link has another form.
    """
    links = {"contact": contact, "sign_in": sign_in}
    for name, link in links.items():
        _check_link(name, link)
    texts = tomllib.loads(texts_file.read_text("utf-8"))
    codes = texts.pop("codes")
    return {
        Path(proxy, "pages", f"{language}.html"): _page(language, words, codes, proxy, links)
        for proxy in MARKS
        for language, words in texts.items()
    }


def _check_link(name: str, link: str) -> None:
    # A page of Caddy is a template: a link with other letters could be a part of it.
    if link and not (_URL_LETTERS.fullmatch(link) and re.fullmatch(LINKS[name], link)):
        schemes = "mailto:, tel: or https:" if name == "contact" else "https:"
        raise ValueError(f"{name}: expected a link that begins with {schemes}, found {link!r}")


def _page(
    language: str,
    words: dict[str, Any],
    codes: dict[str, list[str]],
    proxy: str,
    links: dict[str, str],
) -> str:
    marks = MARKS[proxy]
    icons = tomllib.loads((HERE / "icons.toml").read_text("utf-8"))
    actions = {"invitation": _sign_in(words, links["sign_in"]), "unavailable": _try_again(words)}
    sections = [
        _section(group, words["groups"][group], icons[group], actions.get(group, ""))
        for group in codes
    ]
    labels = ("title", "support", "code", "request", "room", "server")
    values = {
        "language": language,
        "direction": words.get("direction", "ltr"),
        **{name: escape(words[name]) for name in labels},
        "rules": _rules(codes),
        "sections": "\n".join(sections),
        "contact": _contact(words, links["contact"]),
        "script": script(),
    }
    page = _filled((HERE / "page.html").read_text("utf-8"), values)
    if proxy == "envoy":
        page = page.replace("%", "%%")
    return _filled(page, {f"mark_{name}": mark for name, mark in vars(marks).items()})


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)


def _section(group: str, texts: list[str], icon: dict[str, str], action: str) -> str:
    heading, explanation = map(escape, texts)
    return (
        f'<section class="{group}">\n'
        f'<svg class="{icon["class"]}" viewBox="0 0 24 24" aria-hidden="true">'
        f'<path d="{icon["path"]}"/></svg>\n'
        f"<h1>{heading}</h1>\n<p>{explanation}</p>\n{action}</section>"
    )


def _sign_in(words: dict[str, Any], link: str) -> str:
    # A login mostly refuses to open in a frame.
    return link and (
        f'<p><a class="button" href="{escape(link)}" target="_top">{escape(words["sign_in"])}</a>'
        "</p>\n"
    )


def _try_again(words: dict[str, Any]) -> str:
    waiting, gave_up = escape(words["waiting"]), escape(words["gave_up"])
    return (
        f'<p><a class="button" id="again" href="">{escape(words["again"])}</a></p>\n'
        f'<p id="retrying" role="status" data-waiting="{waiting}" data-gave-up="{gave_up}"></p>\n'
    )


def _contact(words: dict[str, Any], link: str) -> str:
    name = link.removeprefix("mailto:").removeprefix("tel:").removeprefix("https://")
    return link and (
        f'<p class="contact">{escape(words["contact"])} '
        f'<a href="{escape(link)}" target="_top">{escape(name.partition("?")[0])}</a></p>'
    )


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


def main(arguments: list[str]) -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(description="Write the denial pages.", allow_abbrev=False)
    parser.add_argument("--contact", default="", help="who helps: mailto:, tel: or https:")
    parser.add_argument("--sign-in", default="", help="the page of your login: https:")
    parser.add_argument("--proxy", choices=MARKS, help="only the pages of this proxy")
    parser.add_argument("--into", type=Path, help="the folder; needs --proxy")
    chosen = parser.parse_args(arguments)
    if chosen.into and not chosen.proxy:
        parser.error("--into: expected --proxy too")
    try:
        written = pages(chosen.contact, chosen.sign_in)
    except ValueError as error:
        parser.error(str(error))
    for path, page in written.items():
        if chosen.proxy in (None, path.parts[0]):
            file = chosen.into / path.name if chosen.into else CONTRIB / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(page, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
