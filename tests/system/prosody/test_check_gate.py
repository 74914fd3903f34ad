"""``check-gate`` recognises a real Prosody by its answers, and opens no session in it."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.tokens import SECRET
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.tokens import APP_ID
from verifier.check_gate import asker
from verifier.cli import main


def test_answers_of_prosody_are_recognised(
    prosody: Prosody, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JWT_APP_ID", APP_ID)
    monkeypatch.setenv("JWT_APP_SECRET", SECRET)
    monkeypatch.setattr(asker, "PAUSE", 0)
    start = prosody.log_size()
    connect = f"hs.test:80:127.0.0.1:{prosody.port}"
    arguments = ("--json", "--connect-to", connect, "--timeout", "60s")
    assert main(["check-gate", "http://hs.test", *arguments]) == 1  # there is no gate
    questions = json.loads(capsys.readouterr().out)["questions"]
    found = {f"{each['group']}: {each['question']}": each["found"] for each in questions}
    assert found["With a good token: BOSH"] == "200 from Prosody"
    assert found["With a good token: websocket"] == "101, a websocket"
    assert found["With a good token: the websocket's keep-alive"].endswith("from Prosody")
    verdicts = {f"{each['group']}: {each['question']}": each["verdict"] for each in questions}
    for question in ("BOSH", "websocket", "BOSH, by GET", "the websocket's keep-alive"):
        assert verdicts[f"Without a token: {question}"] == "missed"
    assert not re.search("assigned it sid|Authenticated as", prosody.log(start))
