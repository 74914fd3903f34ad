"""The inspector's files as they are served: strict headers, and nothing from elsewhere."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes import RunningVerifier, get, running_verifier
from tests.tokens import SECRET
from verifier.http.inspector import INSPECTOR


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    folder = tmp_path_factory.mktemp("files")
    options: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
    with running_verifier(folder, **options, VERIFIER_ADMIN_TOKEN="letmein-letmein") as running:
        yield running


@pytest.mark.parametrize("path", INSPECTOR.bodies)
def test_every_file_is_served_without_the_admin_token_and_with_strict_headers(
    verifier: RunningVerifier, path: str
) -> None:
    answer = get(verifier.admin, f"{path}?anything")
    assert (answer.status, answer.body.encode()) == (200, INSPECTOR.bodies[path])
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


@pytest.mark.parametrize("path", INSPECTOR.bodies)
def test_no_file_needs_anything_from_elsewhere_or_holds_a_script_inline(path: str) -> None:
    text = INSPECTOR.bodies[path].decode()
    assert not re.search(
        r"https?://(?!www\.w3\.org/2000/svg\")|@import|url\(|\sstyle=|\son[a-z]+=|<style", text
    )
    assert re.findall(r"<script(?! type=\"module\" src=\"inspector\.js\"></script>)", text) == []
    assert not re.search(r"localStorage|sessionStorage|indexedDB|cookie|innerHTML|pushState", text)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_files_are_to_be_read_only(verifier: RunningVerifier, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    connection.request(method, "/")
    response = connection.getresponse()
    assert (response.status, response.headers["Allow"]) == (405, "GET")
    connection.close()


def test_a_head_has_no_body(verifier: RunningVerifier) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    connection.request("HEAD", "/")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    connection.close()
