"""Write the manual page from the command line's own help: ``python contrib/man/build.py``.

argparse-manpage writes the commands and their options. This program adds the sections that
``--help`` has after the options (``verifier/cli/manual.py``).
"""

from __future__ import annotations

import re
from argparse import RawDescriptionHelpFormatter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from argparse_manpage.manpage import Manpage

from verifier.cli.arguments import Parser
from verifier.cli.main import program
from verifier.cli.manual import COMMON_STATUSES

PAGE: Final = Path(__file__).with_name("jitsi-verifier.1")

_DATE: Final = "2026-11-22"
_COMMON: Final = ("ENVIRONMENT", "FILES")


def build() -> str:
    """Return the page as it should be."""
    parser = program()
    for command in (parser, *parser.commands.values()):
        # One line: roff wraps it, and each version of Python would wrap it in another way.
        command.formatter_class = partial(RawDescriptionHelpFormatter, width=1000)
    data = {"description": parser.summary, "date": _DATE, "manual_title": "User Commands"}
    page = Manpage(parser, data, format="single-commands-section")
    for heading, content in _sections(parser).items():
        page.add_section(heading, ">", content)
    return _lint(str(page))


def _sections(parser: Parser) -> dict[str, str]:
    """Return the content of each section after the commands, by heading."""
    found = {"EXIT STATUS": _terms({str(key): text for key, text in COMMON_STATUSES.items()})}
    for name, command in parser.commands.items():
        for heading, terms in command.sections():
            if heading == "EXIT STATUS":
                # The other statuses mean the same for every command.
                own = {status: text for status, text in terms.items() if status in {"0", "1"}}
                found[heading] += f".SS {_escape(parser.prog)} {_escape(name)}\n{_terms(own)}"
            elif heading not in _COMMON or heading not in found:
                found[heading] = found.get(heading, "") + _terms(terms)
    return found


def _terms(terms: Mapping[str, str]) -> str:
    return "".join(_term(term, meaning) for term, meaning in terms.items())


def _term(term: str, meaning: str) -> str:
    return f".TP\n\\fB{_escape(term)}\\fR\n{_escape(meaning)}\n"


def _escape(text: str) -> str:
    r"""Return a text for roff; ``\-`` is a hyphen that can be copied into a shell."""
    return text.replace("\\", "\\e").replace("-", "\\-")


def _lint(page: str) -> str:
    """Return the page without what mandoc warns of: an escaped date, a quote that begins a line."""
    page = page.replace(_DATE.replace("-", "\\-"), _DATE, 1)
    return re.sub(r"^'", r"\\&'", page, flags=re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(build(), "utf-8")
