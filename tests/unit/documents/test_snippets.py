"""Snippets in the documents: configurations load, commands parse, programs run."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.documents import DOCUMENTS, Snippet, commands, name_of, prompts, snippets
from tests.support.paths import ROOT
from tests.support.tokens import SECRET
from verifier.cli.main import program
from verifier.config import load
from verifier.rules.model import Allow

ENVIRON = {"JWT_APP_ID": "my_app", "JWT_APP_SECRET": SECRET, "XMPP_DOMAIN": "meet.jitsi"}


@pytest.mark.parametrize("snippet", snippets("toml"), ids=name_of)
def test_every_configuration_loads(snippet: Snippet, tmp_path: Path) -> None:
    secret, file = tmp_path / "secret", tmp_path / "verifier.toml"
    secret.write_text(SECRET)
    file.write_text(snippet.text.replace("/etc/jitsi-verifier/secret", str(secret)))
    given = {} if "app_id" in snippet.text else ENVIRON
    load(given, file)


@pytest.mark.parametrize("snippet", snippets("python"), ids=name_of)
def test_every_program_runs(snippet: Snippet) -> None:
    names: dict[str, object] = {}
    exec(snippet.text, names)  # noqa: S102
    assert isinstance(names["decision"], Allow)


@pytest.mark.parametrize("snippet", snippets("sh", "console"), ids=name_of)
def test_every_shell_command_has_good_syntax(snippet: Snippet) -> None:
    lines = prompts(snippet) if snippet.language == "console" else [snippet.text]
    assert lines
    done = subprocess.run(
        ["bash", "-n"], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("snippet", snippets("lua"), ids=name_of)
def test_every_prosody_configuration_is_lua(snippet: Snippet) -> None:
    subprocess.run(["luac5.4", "-p", "-"], input=snippet.text, text=True, check=True)


@pytest.mark.parametrize("snippet", snippets("yaml"), ids=name_of)
def test_every_yaml_snippet_parses(snippet: Snippet) -> None:
    assert yaml.safe_load(snippet.text)


@pytest.mark.parametrize("snippet", snippets("sh"), ids=name_of)
def test_every_body_for_curl_is_json(snippet: Snippet) -> None:
    for body in re.findall(r"-d '(.*?)'", snippet.text):
        json.loads(body)


@pytest.mark.parametrize(
    "arguments", [each for document in DOCUMENTS for each in commands(document)], ids=" ".join
)
def test_every_command_parses(arguments: list[str]) -> None:
    if arguments[0] in {"COMMAND", "--version"}:
        return
    program().parse_args([word for word in arguments if word != "…"])


def test_every_named_section_of_the_benchmark_exists() -> None:
    files = (ROOT / "tests" / "perf" / "bench" / "sections").glob("[a-z]*.py")
    texts = [document.read_text("utf-8") for document in DOCUMENTS]
    lists = [names for text in texts for names in re.findall(r"make bench ONLY=([a-z,-]+)", text)]
    assert lists
    assert {name for names in lists for name in names.split(",")} - {
        file.stem for file in files
    } == set()


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    texts = [document.read_text("utf-8") for document in DOCUMENTS]
    named = {name for text in texts for name in re.findall(r"(?:`| {4})make ([a-z-]+)", text)}
    assert named
    assert named - targets == set()
