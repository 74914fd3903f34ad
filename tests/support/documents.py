"""The documents and the snippets in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.paths import CONTRIB, DOCS, ROOT, TESTS

DOCUMENTS: Final = sorted(
    document
    for folder in (ROOT.glob("*.md"), DOCS.glob("*.md"), CONTRIB.rglob("*.md"), TESTS.rglob("*.md"))
    for document in folder
    if "node_modules" not in document.parts
)
"""Every Markdown file of the project."""

_FENCED: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INDENTED: Final = re.compile(r"(?:^(?: {4}.*)?\n)+", re.MULTILINE)
_COMMAND: Final = re.compile(r".*(?:^|[ (/])jitsi-verifier ((?:--)?[a-z-]+(?: [^)]*)?)(?:\)|$)")
_INLINE: Final = re.compile(r"`([^`\n]+)`")


class Snippet(NamedTuple):
    """A fenced block; ``language`` is the word behind the fence."""

    document: Path
    language: str
    text: str


def snippets(*languages: str) -> list[Snippet]:
    """Return every fenced block in one of these languages, without its indentation."""
    return [
        Snippet(document, language, text)
        for document in DOCUMENTS
        for language in languages
        for text in blocks(document.read_text("utf-8"), language)
    ]


def section(text: str, title: str) -> str:
    """Return a section of a document, without its heading.

    Raises:
        AssertionError: The document has no such section, or the section is empty.
    """
    found = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found, f"expected a section with the title {title!r}, found none"
    return found


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a part of a document, without their indentation.

    Args:
        text: The part of the document.
        language: The word behind the fence; empty for blocks without one.
    """
    return [
        re.sub(f"^{indent}", "", block, flags=re.MULTILINE)
        for indent, found, block in _FENCED.findall(text)
        if found == language
    ]


def name_of(snippet: Snippet) -> str:
    """Return a snippet's name for a test's id."""
    return f"{snippet.document.name}: {snippet.text.partition(chr(10))[0][:40]}"


def prompts(snippet: Snippet) -> list[str]:
    """Return the commands of a ``console`` block."""
    return re.findall(r"^\$ (.*)$", snippet.text, re.MULTILINE)


def transcript(block: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a ``console`` block, each with the lines of its output."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert parts[0] == "", "a transcript begins with a command"
    lines = [part.rstrip("\n").split("\n") for part in parts[1:]]
    return [(command, output) for command, *output in lines]


def shows(output: str, shown: list[str]) -> bool:
    """Return whether an output has these lines in this order; ``…`` stands for what is left out."""
    rest = iter(output.splitlines())
    wanted = [re.escape(line).replace("…", ".*") for line in shown if line not in {"…", ""}]
    return all(any(re.fullmatch(line, found) for found in rest) for line in wanted)


def commands(document: Path) -> list[list[str]]:
    """Return the arguments of every ``jitsi-verifier`` command that a document gives."""
    text = document.read_text("utf-8").replace("\\\n", " ")
    lines = [line for block in _FENCED.findall(text) for line in block[2].splitlines()]
    lines += [line for block in _INDENTED.findall(text) for line in block.splitlines()]
    lines += _INLINE.findall(_FENCED.sub("", text))
    found = map(_COMMAND.search, lines)
    return [arguments(match[1]) for match in found if match]


def arguments(text: str) -> list[str]:
    """Return a command's arguments as a shell would split them, up to a pipe or a redirection."""
    words = shlex.split(text, comments=True)
    ends = [at for at, word in enumerate(words) if word in {"<", ">", "|", "&&", ";"}]
    return words[: ends[0]] if ends else words
