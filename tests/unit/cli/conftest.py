from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

import pytest

from tests.support.commands import Outcome, Run
from tests.support.tokens import SECRET
from verifier.cli import main

OURS = ("JWT_", "XMPP_", "VERIFIER_", "NO_COLOR")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets these variables of ours and removes all others."""

    def configure(**environ: str) -> None:
        for name in list(os.environ):
            if name.startswith(OURS):
                monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

    configure(JWT_APP_ID="app", JWT_APP_SECRET=SECRET, XMPP_DOMAIN="meet.jitsi")
    return configure


@pytest.fixture
def run(
    configured: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Return a function that runs one command line in this process."""
    del configured

    def call(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            status = main(arguments)
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call
