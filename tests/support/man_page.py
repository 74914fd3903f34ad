"""``python -m tests.support.man_page`` writes the manual page from what ``--help`` knows."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping

from tests.support.paths import ROOT
from verifier.cli.arguments import Parser
from verifier.cli.main import program
from verifier.cli.manual import ALWAYS, ENVIRONMENT, FILES

PAGE = ROOT / "contrib/man/jitsi-verifier.1"
_DATE = "2026-11-22"
_SHARED = ("EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES")


def render() -> str:
    """Give the page as it should be."""
    main = program()
    lines = [
        '.\\" Written by "python -m tests.support.man_page"; edit verifier/cli instead.',
        f'.TH JITSI-VERIFIER 1 {_DATE} jitsi-verifier "User Commands"',
        *(".SH NAME", f"{_text(main.prog)} \\- {_text(main.summary)}", ".SH SYNOPSIS"),
        *_synopsis(main),
        *(f"{line}" for name in main.commands.values() for line in (".br", *_synopsis(name))),
        *(".SH DESCRIPTION", *_paragraphs(main.description)),
        *(".SH OPTIONS", *_options(main)),
        ".SH COMMANDS",
        *(line for command in main.commands.values() for line in _command(command)),
        ".SH EXIT STATUS",
        *_terms({"0, 1": "See the command.", **{str(each): ALWAYS[each] for each in ALWAYS}}),
        *(".SH ENVIRONMENT", *_terms(ENVIRONMENT), ".SH FILES", *_terms(FILES), ".SH EXAMPLES"),
        *(
            line
            for each in main.commands.values()
            for line in _terms(dict(each.sections()).get("EXAMPLES", {}))
        ),
    ]
    return "\n".join([*lines, ""])


def _command(parser: Parser) -> Iterator[str]:
    yield f".SS {_quoted(parser.prog)}"
    yield f"{_sentence(parser.summary)}"
    yield from (".PP", *_synopsis(parser), ".PP")
    yield from _paragraphs(parser.description)
    yield from _options(parser)
    sections = dict(parser.sections())
    for title, terms in sections.items():
        if title not in _SHARED:
            yield from (".PP", f".I {_quoted(_sentence(title).rstrip('.') + ':')}")
            yield from _terms(terms)
    own = {number: sections["EXIT STATUS"].get(number, "") for number in ("0", "1")}
    yield from (".PP", ".I Exit status:")
    yield from _terms({number: meaning for number, meaning in own.items() if meaning})


def _synopsis(parser: Parser) -> Iterator[str]:
    if parser.commands:
        yield f".B {_text(parser.prog)}\n.RB [ \\-h ]\n.RB [ \\-\\-version ]\n.I COMMAND ..."
        return
    yield f".B {_text(parser.prog)}"
    yield ".RI [ OPTION ]..."
    for action in _positionals(parser):
        shown = _text(str(action.metavar or "|".join(map(str, action.choices or ()))))
        yield f".RI [ {shown} ]" if action.nargs == "?" else f".I {shown}"
        if action.nargs == "+":
            yield "\\&..."


def _options(parser: Parser) -> Iterator[str]:
    if parser.commands:
        named = [action for action in parser.arguments if action.option_strings]
    else:
        options = [action for action in parser.arguments if action.option_strings]
        named = [*_positionals(parser), *options]
    for action in named:
        value = "" if action.nargs == 0 else f" \\fI{_text(_value(action))}\\fR"
        names = ", ".join(f"\\fB{_text(name)}\\fR{value}" for name in action.option_strings)
        yield from (".TP", names or value.strip(), _sentence(action.help or ""))


def _value(action: argparse.Action) -> str:
    return str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper())


def _positionals(parser: Parser) -> list[argparse.Action]:
    return [action for action in parser.arguments if not action.option_strings]


def _terms(terms: Mapping[str, str]) -> Iterator[str]:
    for term, meaning in terms.items():
        yield from (".TP", f"\\fB{_text(term)}\\fR", _text(meaning))


def _paragraphs(text: str | None) -> Iterator[str]:
    for number, paragraph in enumerate((text or "").split("\n\n")):
        yield from ([".PP"] if number else [])
        yield from map(_text, paragraph.splitlines())


def _sentence(text: str) -> str:
    return _text(text[:1].upper() + text[1:] + ("" if text.endswith(".") else "."))


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def _text(text: str) -> str:
    r"""Take from a text what means something to roff; a hyphen is one that can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\&.", escaped.replace('"', "\\(dq").replace("`", "\\(ga"))


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
