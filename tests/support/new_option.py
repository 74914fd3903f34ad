"""``python -m tests.support.new_option NAME``: what the package says of one more option, as JSON.

``tests/unit/config/test_new_option.py`` runs it with a copy of the package that has such an option:
a number of seconds that a host may have, with a variable named after it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.generated_pages import compose, configuration
from verifier.cli.check_config_report import options_in_force
from verifier.cli.manual import option_terms
from verifier.config import load

_BASIC = {"JWT_APP_ID": "app", "JWT_APP_SECRET": "s" * 32}


def found(name: str) -> dict[str, Any]:
    """Return the option's value from each source, and its text in each place that lists options."""
    variable = f"VERIFIER_{name.upper()}"
    text = f'{name} = 8\n[hosts."a.example"]\n{name} = 9'
    from_file = load(_BASIC, Path("/etc/v.toml"), read_file=lambda _path: text.encode())
    from_environment = load({**_BASIC, variable: "10"})
    return {
        "default": load(_BASIC).value(name),
        "file": from_file.value(name),
        "host": from_file.hosts["a.example"].value(name),
        "environment": from_environment.value(name),
        "check-config": options_in_force(from_environment).get(name),
        "help": option_terms().get(f"{name}, {variable}"),
        "page": configuration(),
        "compose": compose(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(found(sys.argv[1])))
