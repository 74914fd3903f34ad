"""The live page's files as they are served: strict headers, open, and nothing from elsewhere."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import RunningVerifier, get, running_verifier
from tests.tokens import SECRET
from verifier.http.dashboard import DASHBOARD

PATHS = list(DASHBOARD.bodies)
FOLDER = Path(__file__).parents[2] / "verifier" / "http" / "dashboard"


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    folder = tmp_path_factory.mktemp("files")
    options: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    with running_verifier(folder, **options, VERIFIER_ADMIN_TOKEN="letmein-letmein") as running:
        yield running


@pytest.mark.parametrize("path", PATHS)
def test_every_file_is_served_without_the_admin_token_and_with_strict_headers(
    verifier: RunningVerifier, path: str
) -> None:
    answer = get(verifier.admin, f"{path}?anything")
    assert (answer.status, answer.body.encode()) == (200, DASHBOARD.bodies[path])
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


def test_what_the_page_reads_is_open_too_and_the_rest_is_not(verifier: RunningVerifier) -> None:
    (read,) = set(re.findall(r'fetch\("(.*?)"', DASHBOARD.bodies["/dashboard/page.js"].decode()))
    assert get(verifier.admin, f"/{read}").status == 200
    assert get(verifier.admin, "/v1/keys").status == 401


def test_every_file_is_served_and_every_one_that_is_named_is_there() -> None:
    there = {file.name for file in FOLDER.iterdir() if file.suffix not in (".py", "")}
    assert {path.rpartition("/")[2] for path in PATHS} - {"dashboard"} == there - {"page.html"}
    text = "".join(body.decode() for body in DASHBOARD.bodies.values())
    named = re.findall(r'from "\./(.*?)"|(?:src|href)="dashboard/(.*?)"', text)
    assert {first or second for first, second in named} == there - {"page.html"}


@pytest.mark.parametrize("path", PATHS)
def test_no_file_needs_anything_from_elsewhere_or_holds_a_script_inline(path: str) -> None:
    text = DASHBOARD.bodies[path].decode().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|url\(|\sstyle=|\son[a-z]+=\"|<style", text)
    assert re.findall(r'<script(?! type="module" src="dashboard/page\.js"></script>)', text) == []
    assert not re.search(r"localStorage|sessionStorage|indexedDB|cookie|innerHTML|pushState", text)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_files_are_to_be_read_only(verifier: RunningVerifier, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    connection.request(method, "/dashboard")
    response = connection.getresponse()
    assert (response.status, response.headers["Allow"]) == (405, "GET")
    connection.close()
