"""The files of the pages: open to all, with strict headers, and without other sites' files."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import DOCS, ROOT
from tests.support.processes import RunningVerifier, get, running_verifier
from tests.support.tokens import SECRET
from verifier.http.admin.assets import Assets
from verifier.http.admin.bar import BAR
from verifier.http.admin.codes import CODES
from verifier.http.admin.dashboard import DASHBOARD
from verifier.http.admin.inspector import INSPECTOR
from verifier.rules.denial_texts import DENIAL_TEXTS
from verifier.rules.model import DenialCode
from verifier.version import VERSION

PAGES = [
    (INSPECTOR, "inspector", "inspector.html"),
    (DASHBOARD, "dashboard", "page.html"),
    (CODES, "codes", "codes.html"),
]
"""For each page its folder and its first file."""
BODIES = BAR.bodies | INSPECTOR.bodies | DASHBOARD.bodies | CODES.bodies


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    folder = tmp_path_factory.mktemp("files")
    options: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    with running_verifier(folder, **options, VERIFIER_ADMIN_TOKEN="letmein-letmein") as running:
        yield running


@pytest.mark.parametrize("path", BODIES)
def test_page_files_are_open_and_have_strict_headers(verifier: RunningVerifier, path: str) -> None:
    answer = get(verifier.admin, f"{path}?anything")
    assert (answer.status, answer.body.encode()) == (200, BODIES[path])
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_metrics_are_open_and_other_endpoints_guarded(
    verifier: RunningVerifier,
) -> None:
    (read,) = set(re.findall(r'fetch\("(.*?)"', BODIES["/dashboard/page.js"].decode()))
    assert get(verifier.admin, f"/{read}").status == 200
    assert get(verifier.admin, "/v1/keys").status == 401


@pytest.mark.parametrize(("page", "name", "first"), PAGES)
def test_every_page_file_is_served(page: Assets, name: str, first: str) -> None:
    folder = ROOT / "verifier" / "http" / "admin" / name
    there = {file.name for file in folder.iterdir() if file.suffix not in (".py", "")}
    served = {Path(path).name for path in page.bodies if Path(path).suffix}
    text = "".join(body.decode() for body in page.bodies.values())
    named = re.findall(r'(?:from "\./|(?:src|href)="(?:dashboard/)?)([\w-]+\.\w+)"', text)
    shared = {*(path[1:] for path in BAR.bodies), "openapi.json"}
    assert served == set(named) - shared == there - {first}


@pytest.mark.parametrize("path", ["/", "/dashboard", "/codes"])
def test_every_page_has_the_bar_and_marks_its_own_link(path: str) -> None:
    text = BODIES[path].decode()
    assert f'<span class="version">{VERSION}</span>' in text
    assert re.findall(r'href="([\w./]+)" aria-current="page"', text) == [path[1:] or "./"]
    assert 'href="bar.css"' in text
    assert 'src="bar.js"' in text


def test_every_denial_code_has_a_section_that_the_docs_have_too() -> None:
    page, document = BODIES["/codes"].decode(), (DOCS / "denial-codes.md").read_text("utf-8")
    sections = re.findall(r'<section id="([a-z-]+)".*?HTTP (\d+)</span>', page, re.DOTALL)
    assert sections == re.findall(r"^## `([a-z-]+)`\n\nHTTP (\d+)", document, re.MULTILINE)
    assert [code for code, _ in sections] == list(DENIAL_TEXTS) == list(DenialCode)
    words = re.sub(r"<code>(.*?)</code>", r"`\1`", unescape(page))
    for text in DENIAL_TEXTS.values():
        for part in (text.meaning, text.check, text.cure):
            assert part in words


def test_the_page_of_codes_has_no_text_that_stands_for_another() -> None:
    assert "<!--" not in BODIES["/codes"].decode()


@pytest.mark.parametrize("path", BODIES)
def test_page_files_use_no_other_site_and_no_inline_script(path: str) -> None:
    text = BODIES[path].decode()
    # The inspector's sample has a link, to the host of the verifier's own configuration.
    assert not re.search(
        r"https?://(?!www\.w3\.org/2000/svg\"|\$\{host\}/standup)|@import|url\(|\sstyle=|\son[a-z]+=|<style",
        text,
    )
    own = r'type="module" src="(bar|dashboard/page|inspector)\.js"></script>'
    assert re.findall(rf"<script(?! {own})", text) == []
    assert not re.search(r"localStorage|sessionStorage|indexedDB|cookie|innerHTML|pushState", text)


@pytest.mark.parametrize("path", ["/", "/dashboard", "/codes"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_page_files_are_read_only(verifier: RunningVerifier, method: str, path: str) -> None:
    response, _ = exchange(verifier, method, path)
    assert (response.status, response.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/", "/dashboard", "/codes"])
def test_a_head_request_has_no_body(verifier: RunningVerifier, path: str) -> None:
    response, body = exchange(verifier, "HEAD", path)
    assert (response.status, body) == (200, b"")


def exchange(
    verifier: RunningVerifier, method: str, path: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body
