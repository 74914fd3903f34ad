from __future__ import annotations

import subprocess
import sys

# What a package may import is checked by import-linter (pyproject.toml). This test is for what
# import-linter cannot see: what is loaded when a program imports the library.


def test_importing_the_library_loads_no_server() -> None:
    code = "import sys, verifier; sys.exit('aiohttp' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
