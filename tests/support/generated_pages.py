"""``python -m tests.support.generated_pages`` writes what documents and files take from the code.

Each page is written by hand, except for the text between two markers.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from tests.conformance.case import decide_case
from tests.support.paths import CONTRIB, DOCS, VECTORS
from verifier.config.docker import SWITCHES
from verifier.config.option import REQUIRED, Option, options_of
from verifier.config.options import CONFIG_VARIABLE, OPTIONS, TOPICS
from verifier.config.value_types import ListForm
from verifier.http.responses import status_of
from verifier.rules.denial_texts import DENIAL_TEXTS
from verifier.rules.denials import ANSWERS
from verifier.rules.model import DenialCode, Deny

CONFIGURATION: Final = DOCS / "configuration.md"
DENIAL_CODES: Final = DOCS / "denial-codes.md"
COMPOSE: Final = CONTRIB / "docker-compose" / "jitsi-verifier.yml"
SAMPLE: Final = CONTRIB / "verifier.toml"

_NAMES: Final = {option.name for option in OPTIONS}
_QUOTED: Final = re.compile(r"`([a-z0-9_.]+)`")
_BLOCKS: Final = (
    re.compile(r"(<!-- generated: .*? -->\n).*(<!-- /generated -->)", re.DOTALL),
    re.compile(r"( *# generated: .*?\n).*?( *# /generated)", re.DOTALL),
)

# What the container needs set.
_COMPOSE_VALUES: Final = {
    "VERIFIER_KEY_CACHE": "/var/lib/jitsi-verifier/keys.json",
    # The other containers: the web container, and Prosody if its modules ask the verifier.
    "VERIFIER_TRUSTED_PROXIES": (
        "${VERIFIER_TRUSTED_PROXIES:-10.0.0.0/8,172.16.0.0/12,192.168.0.0/16}"
    ),
    "VERIFIER_LISTEN": "0.0.0.0:8090",
}


def with_block(path: Path, block: str) -> str:
    """Return a file's text with another text between its markers.

    Raises:
        ValueError: the file does not have exactly one pair of markers.
    """
    text, number = path.read_text("utf-8"), 0
    for pattern in _BLOCKS:
        text, found = pattern.subn(lambda match: f"{match[1]}{block}{match[2]}", text)
        number += found
    if number != 1:
        raise ValueError(f"{path}: expected one block between markers, found {number}")
    return text


# docs/configuration.md


def configuration() -> str:
    """Return the sections of all options, by topic, after a list of links to them."""
    topics = [(inspect.getdoc(topic) or "", list(options_of(topic))) for topic in TOPICS]
    index = [_index_line(doc, options) for doc, options in topics]
    sections = [part for doc, options in topics for part in _topic(doc, options)]
    return "\n".join(["", *index, "", *sections])


def _index_line(doc: str, options: list[Option]) -> str:
    links = ", ".join(f"[`{option.name}`](#{anchor(option.name)})" for option in options)
    return _wrapped(f"- {_title(doc)}: {links}", indent="  ")


def _title(doc: str) -> str:
    return doc.partition("\n")[0].removesuffix(".")


def _topic(doc: str, options: list[Option]) -> Iterator[str]:
    introduction = doc.partition("\n")[2].strip()
    yield f"### {_title(doc)}\n"
    if introduction:
        yield f"{_wrapped(introduction)}\n"
    for option in options:
        yield from _section(option)


def _section(option: Option) -> Iterator[str]:
    yield f"#### `{option.name}`\n"
    yield f"{_escaped(option.help)}\n"
    yield "| | |\n|---|---|"
    yield from (f"| {name} | {value} |" for name, value in _rows(option))
    yield f"\n{_wrapped(_linked(option.note, option.name))}\n" if option.note else ""


def _rows(option: Option) -> Iterator[tuple[str, str]]:
    yield "file", _toml_example(option)
    if option.type.secret:
        yield "environment", f"`{option.variable}`"
        yield "from a file", f"`{option.file_key}`, in the environment `{option.file_variable}`"
    elif option.variable:
        yield "environment", f"`{option.variable}={env_example(option)}`"
    yield "type", option.type.expected.replace("|", "\\|")
    if option.unit:
        yield "unit", option.unit
    if option.type.list_form is not ListForm.SINGLE:
        yield "several values", str(option.type.list_form)
    yield "default", _escaped(option.default_text)
    yield "in `[hosts]` tables", _per_host(option)


def _per_host(option: Option) -> str:
    if not option.per_host:
        return "no"
    group = [each.name for each in OPTIONS if option.together and each.together == option.together]
    others = ", ".join(f"`{name}`" for name in group if name != option.name)
    return f"yes; a host that sets it does not inherit {others}" if others else "yes"


def _toml_example(option: Option) -> str:
    if not option.table:
        return f"`{option.name} = {option.example}`"
    key = option.name.removeprefix(f"{option.table}.")
    return f"`{key} = {option.example}` in `[{option.table}]`"


def anchor(name: str) -> str:
    """Return the anchor of an option's heading, as code hosts make it: without dots."""
    return name.replace(".", "")


def example_value(option: Option) -> Any:
    """Return the example of an option as TOML reads it."""
    return tomllib.loads(f"example = {option.example}")["example"]


def env_example(option: Option) -> str:
    """Return the example of an option as it is written in the environment."""
    value = example_value(option)
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def _linked(text: str, own_name: str = "", page: str = "") -> str:
    """Return a text in which the names of options are links."""

    def link(match: re.Match[str]) -> str:
        name = match[1]
        known = name in _NAMES and name != own_name
        return f"[`{name}`]({page}#{anchor(name)})" if known else match[0]

    return _QUOTED.sub(link, text)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|")


# docs/denial-codes.md

_MOST_ANSWERS: Final = 4
_SEE: Final = {
    DenialCode.REVOKED: ("revocation", "revocation.md"),
    DenialCode.TOKEN_ALREADY_USED: ("single-use tokens", "revocation.md#single-use-tokens"),
    DenialCode.STORE_UNAVAILABLE: ("stores", "revocation.md#where-revocations-are-kept"),
}
"""The section that tells more about a code: its name and address."""


def denial_codes() -> str:
    """Return a section for each denial code, in the order of the checks."""
    links = ", ".join(f"[`{code}`](#{code})" for code in DenialCode)
    recorded = asyncio.run(_recorded_answers())
    sections = [_code_section(code, recorded.get(code, [])) for code in DenialCode]
    return "\n".join(["", f"{_wrapped(links)}\n", *sections])


async def _recorded_answers() -> dict[DenialCode, list[tuple[str, str]]]:
    """Return Jitsi's answers in the recorded cases, the usual one first: error and reason."""
    found: dict[DenialCode, Counter[tuple[str, str]]] = {}
    for line in VECTORS.read_text("utf-8").splitlines():
        decision = await decide_case(json.loads(line))
        if isinstance(decision, Deny):
            error, reason = decision.answer
            words = reason.removesuffix(f" ({decision.figures})")
            found.setdefault(decision.code, Counter()).update([(error, words)])
    return {code: [answer for answer, _ in each.most_common()] for code, each in found.items()}


def _code_section(code: DenialCode, recorded: list[tuple[str, str]]) -> str:
    text = DENIAL_TEXTS[code]
    paragraphs = (
        f"## `{code}`",
        f"HTTP {status_of(code):d}{_xmpp(code, recorded)}.",
        _linked(text.meaning, page="configuration.md"),
        *(
            [f"**What to check:** {_linked(text.check, page='configuration.md')}"]
            * bool(text.check)
        ),
        f"**What to do:** {_linked(text.cure, page='configuration.md')}",
        *(["More: [{}]({}).".format(*_SEE[code])] if code in _SEE else []),
    )
    return "".join(f"{_wrapped(paragraph)}\n\n" for paragraph in paragraphs).removesuffix("\n")


def _xmpp(code: DenialCode, recorded: list[tuple[str, str]]) -> str:
    """Return how Prosody words the denial: as Jitsi's own modules do, where these deny it."""
    if status_of(code) == HTTPStatus.SERVICE_UNAVAILABLE:
        return " with `Retry-After`, because it is temporary"
    answers = recorded or [Deny(code, "", *ANSWERS.get(code, ("not-allowed", None))).answer]
    reasons: dict[str, list[str]] = {}
    for error, reason in answers:
        reasons.setdefault(error, []).extend([reason] if reason else [])
    if answers == [("not-allowed", "")] or len(answers) > _MOST_ANSWERS:
        errors = ", ".join(f"`{error}`" for error in reasons)
        return f"; XMPP {errors} with a text that says what was found"
    words = (
        f"`{error}` {', '.join(f'“{reason}”' for reason in texts)}"
        for error, texts in reasons.items()
    )
    return f"; XMPP {'; '.join(words)}"


# contrib/docker-compose/jitsi-verifier.yml


def compose() -> str:
    """Return the environment of the container: every variable, docker-jitsi-meet's own first.

    Its switches make the verifier use docker-jitsi-meet's defaults for what ``.env`` leaves out.
    """
    variables = [option.variable for option in OPTIONS if option.variable]
    own = sorted(name for name in [*variables, CONFIG_VARIABLE] if name.startswith("VERIFIER_"))
    jitsi = [name for name in variables if name not in own]
    return "".join(f"{' ' * 12}- {_assignment(name)}\n" for name in [*SWITCHES, *jitsi, *own])


def _assignment(name: str) -> str:
    return f"{name}={_COMPOSE_VALUES[name]}" if name in _COMPOSE_VALUES else name


# contrib/verifier.toml

_COMMENT_WIDTH: Final = 100


def sample() -> str:
    """Return every option as a comment: those at the top of the file, then the tables."""
    topics = [(_title(inspect.getdoc(topic) or ""), list(options_of(topic))) for topic in TOPICS]
    topics.sort(key=lambda topic: any(option.table for option in topic[1]))
    parts = [part for title, options in topics for part in _sample_topic(title, options)]
    return "\n".join([*parts, *_SAMPLE_HOSTS, ""])


_SAMPLE_HOSTS: Final = (
    "",
    "# ---- One host " + "-" * (_COMMENT_WIDTH - 16),
    "",
    "# The options above that concern tokens, rooms and [policy] may differ for one virtual host.",
    '#[hosts."meet.example.org"]',
    '#app_id = "another_app"',
    '#app_secret = ["the secret of this host"]',
)


def _sample_topic(title: str, options: list[Option]) -> Iterator[str]:
    yield f"\n# ---- {title} {'-' * (_COMMENT_WIDTH - len(title) - 8)}"
    if options[0].table:
        yield f"\n#[{options[0].table}]"
    for option in options:
        unit = f" Unit: {option.unit}." if option.unit else ""
        required = option.default_text == REQUIRED
        default = "Required." if required else f"Default: {option.default_text}."
        text = f"{option.help}{unit} {default}"
        lines = textwrap.wrap(text, _COMMENT_WIDTH, initial_indent="# ", subsequent_indent="# ")
        yield "\n".join(["", *lines])
        if option.file_key:
            yield f"# A file with it instead: {option.file_key.rpartition('.')[2]}."
        yield f"#{option.name.rpartition('.')[2]} = {option.example}"


PAGES: Final[dict[Path, Callable[[], str]]] = {
    CONFIGURATION: configuration,
    DENIAL_CODES: denial_codes,
    COMPOSE: compose,
    SAMPLE: sample,
}
"""Every file with a generated block, and what makes the block."""


if __name__ == "__main__":
    for path, block in PAGES.items():
        path.write_text(with_block(path, block()), "utf-8")
