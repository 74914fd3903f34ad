"""Every nginx snippet of the documents works in a real nginx, at the place that its page names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import snippets
from tests.support.processes import free_port
from tests.system.nginx.sites import FILES, FRONT, JITSI, Edits, Nginx

SERVERS = "    server 127.0.0.1:8090 max_fails=0;\n" * 8
COMPLETE = "".join((FILES / "example.conf").read_text("utf-8").split())
REPLACED = {
    "proxy_cache off;": ("proxy_cache $jitsi_verifier_memory;", "jitsi-verifier-locations.conf"),
    "server unix:": (SERVERS, "jitsi-verifier.conf"),
    "hash ": (f"{SERVERS}    keepalive 256;\n", "jitsi-verifier.conf"),
}
"""The snippets that replace lines of the shipped files: their start, the lines and the file."""
TESTED_ELSEWHERE = ("map ", "location = /_jitsi-verifier ", "pcre_jit ", "access_log ")
"""By test_smallest_gate.py and test_operation.py, also at work."""

SNIPPETS = [snippet.text for snippet in snippets("nginx")]


def replacement(text: str) -> tuple[str, str] | None:
    """Return the shipped lines that a snippet replaces, and their file; None without them."""
    return next((lines for start, lines in REPLACED.items() if text.startswith(start)), None)


def edits() -> Iterator[Edits]:
    for text in SNIPPETS:
        lines = replacement(text)
        if lines is not None:
            yield [(lines[0], text)]


def test_every_snippet_is_tested() -> None:
    assert len(SNIPPETS) >= 9
    for text in SNIPPETS:
        in_example = "".join(text.split()) in COMPLETE
        elsewhere = text.startswith(TESTED_ELSEWHERE)
        assert in_example + elsewhere + (replacement(text) is not None) == 1, text


def test_replaced_lines_exist() -> None:
    for lines, file in REPLACED.values():
        assert lines in (FILES / file).read_text("utf-8")


@pytest.mark.parametrize("edit", list(edits()), ids=lambda edit: edit[0][1].partition("\n")[0])
@pytest.mark.parametrize("example", [JITSI, FRONT])
def test_nginx_starts_with_the_documented_lines(edit: Edits, example: str, tmp_path: Path) -> None:
    Nginx(tmp_path / "nginx", example, free_port(), free_port(), edit).stop()
