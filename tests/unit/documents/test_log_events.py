from __future__ import annotations

import ast
import re

from tests.support.paths import ROOT

# Four come from tables, and two are logged by code of their own.
NOT_LITERAL = {
    *("denied", "would deny", "keep-alive denied", "keep-alive would be denied"),
    *("internal error", "log: lines lost"),
}


def logged_events() -> set[str]:
    """Every literal that is logged as an event, anywhere in the package."""
    calls = (
        node
        for path in (ROOT / "verifier").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )
    first = [call.args[0] for call in calls if ast.unparse(call.func) == "log" and call.args]
    return {str(arg.value) for arg in first if isinstance(arg, ast.Constant)}


def test_monitoring_page_names_exactly_the_logged_events() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    table = page.partition("<!-- log events:")[2].partition("<!-- /log events -->")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    documented = {event for cell in cells for event in re.findall("`(.*?)`", cell)}
    assert documented == logged_events() | NOT_LITERAL
