"""``python -m tests.support.readme_options`` writes the option table of docs/configuration.md."""

from __future__ import annotations

import re

from tests.support.paths import ROOT
from verifier.config import OPTIONS, Option

PAGE = ROOT / "docs" / "configuration.md"
_BLOCK = re.compile(r"(<!-- options: [^>]*-->\n).*?(<!-- /options -->)", re.DOTALL)


def render() -> str:
    """Return the page with a table of today's options."""
    rows = ["| file | environment | default | what it is for |", "|---|---|---|---|"]
    table = "\n".join(rows + [_row(option) for option in OPTIONS])
    return _BLOCK.sub(lambda found: f"{found[1]}{table}\n{found[2]}", PAGE.read_text("utf-8"))


def _row(option: Option) -> str:
    variable = f"`{option.variable}`" if option.variable else "\N{EN DASH}"
    if option.file_variable:
        variable += f", `{option.file_variable}`"
    default = option.default_text.replace("|", "\\|")
    purpose = option.help.replace("<", "&lt;")
    return f"| `{option.name}` | {variable} | {default} | {purpose} |"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
