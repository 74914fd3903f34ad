"""The report of ``check-gate``, for people and for programs."""

from __future__ import annotations

import json

from verifier.check_gate import Report, Result, Verdict
from verifier.check_gate.model import Expected, Question, Request, Target
from verifier.cli.check_gate_report import as_json, render

URL = "https://meet.example.org"


def result(group: str, text: str, verdict: Verdict, found: str, cure: str = "") -> Result:
    question = Question(group, text, Request("/"), Target.BOSH, Expected.DENIED, "unused")
    return Result(question, verdict, found, cure)


HELD = result("First", "a", Verdict.HOLDS, "401 token-missing")
MISSED = result("Second", "b", Verdict.MISSED, "200 from Prosody", "gate this path")
ALSO = result("Second", "c", Verdict.MISSED, "101, a websocket", "gate this path")
SKIPPED = result("Second", "d", Verdict.NOT_ASKED, "no key")
REPORT = Report((HELD, MISSED, ALSO, SKIPPED), 3)


def lines(report: Report, *notes: str) -> list[str]:
    return render(report, URL, notes, colour=False).splitlines()


def test_table_has_a_line_for_each_question_below_its_group() -> None:
    text = [" ".join(line.split()) for line in lines(REPORT)]
    assert text[0] == "question expected found verdict"
    assert text[2:4] == ["First", "✓ a denied 401 token-missing holds"]
    assert text[5] == "Second"
    assert text[6] == "✗ b denied 200 from Prosody does not hold"
    assert text[8] == "· d denied no key not asked"


def test_columns_are_aligned() -> None:
    table = [line for line in lines(REPORT) if line[:1] in "✓✗·"]
    assert len({line.index("denied") for line in table if line}) == 1


def test_each_cure_stands_once_with_its_questions() -> None:
    text = lines(REPORT)
    at = text.index("What to do")
    assert text[at + 1 : at + 3] == ['- "b"; "c":', "  gate this path"]


def test_last_line_counts_the_verdicts() -> None:
    assert lines(REPORT)[-1] == f"{URL}: 1 hold, 2 do not, 1 were not asked (3 requests)"


def test_complete_gate_needs_nothing() -> None:
    text = lines(Report((HELD,), 1), "a note")
    assert "What to do" not in text
    assert "Note: a note" in text


def test_colours_are_only_for_terminals() -> None:
    assert "\x1b" not in render(REPORT, URL, (), colour=False)
    assert "\x1b[31m✗" in render(REPORT, URL, (), colour=True)


def test_json_has_what_the_table_has() -> None:
    document = json.loads(json.dumps(as_json(REPORT, URL, ["a note"])))
    assert (document["url"], document["holds"], document["requests"]) == (URL, False, 3)
    assert document["counts"] == {"holds": 1, "missed": 2, "not_asked": 1}
    assert document["notes"] == ["a note"]
    assert document["questions"][1] == {
        "group": "Second",
        "question": "b",
        "expected": "denied",
        "found": "200 from Prosody",
        "verdict": "missed",
        "cure": "gate this path",
    }
    assert document["questions"][0]["cure"] is None
