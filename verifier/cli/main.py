"""The command line: runs one sub-command and turns its result or error into an exit status.

A sub-command is a module with ``add``, which adds its parser, and ``run``, which returns the exit
status. Errors that any command may raise are handled here, once.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from verifier.cli import (
    check_config,
    check_gate,
    completion,
    explain,
    mint,
    replay,
    revocations,
    revoke,
    serve,
    why,
)
from verifier.cli.admin_client import NoAnswerError
from verifier.cli.arguments import (
    Parser,
    UsageError,
    refuse_config_files,
)
from verifier.cli.manual import INTERRUPTED, Manual
from verifier.config import ConfigError
from verifier.keys.sources.base import KeySourceError
from verifier.process.memory_protection import protect_memory
from verifier.tokens.redact import hide_tokens
from verifier.version import VERSION, build_kind

_LIBRARIES: Final = (
    "aiohttp",
    "cachetools",
    "cryptography",
    "httptools",
    "prometheus-client",
    "pyjwt",
)
_DESCRIPTION: Final = """\
Gives Jitsi's verdict on JWT room links: to proxies and to Prosody, as an
explanation, and for the requests of an access log. It also signs tokens and
revokes them. 'jitsi-verifier COMMAND --help' describes each command.

Other commands than 'serve' need a network only to fetch keys from a URL.
'revoke' and 'revocations' connect to the running service, and 'check-gate' to
the site."""
_MANUAL: Final = Manual(
    {0: "Done.", 1: "See the command."},
    {},
    (
        ("jitsi-verifier serve", "Answer nginx."),
        (
            "jitsi-verifier explain 'https://meet.example.org/standup?jwt=...'",
            "Explain a decision.",
        ),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments without the program's name; None for those of the process.

    Returns:
        The exit status, as ``--help`` lists it.

    Raises:
        SystemExit: With status 2 for wrong usage, 0 after ``--help`` and ``--version``.
    """
    protect_memory()
    _open_closed_streams()
    parser = program()
    options = parser.parse_args(arguments)
    refuse_config_files(options)
    _escape_unencodable()
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except UsageError as error:
        options.parser.error(str(error))
    except (ConfigError, KeySourceError) as error:
        # A token given where a file name belongs would be in the error.
        sys.stderr.write(f"{hide_tokens(str(error))}\n")
        return os.EX_CONFIG
    except NoAnswerError as error:
        sys.stderr.write(f"jitsi-verifier: {error}\n")
        return 1
    except BrokenPipeError:
        _discard_output()  # the reader, such as head, has closed the pipe
        return 1
    except OSError as error:
        sys.stderr.write(f"jitsi-verifier: {error.strerror or error}\n")
        _discard_output()
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def program() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="jitsi-verifier",
        summary="Jitsi Meet's verdict on JWT room links",
        description=_DESCRIPTION,
        manual=_MANUAL,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve.add(commands)
    explain.add(commands)
    mint.add(commands)
    check_config.add(commands)
    check_gate.add(commands)
    replay.add(commands)
    revoke.add(commands)
    revocations.add(commands)
    why.add(commands)
    completion.add(commands, parser)
    return parser


class _Version(argparse.Action):
    """Prints the versions that a bug report should contain."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print versions and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
        python = f"Python {platform.python_version()}"
        lines = [f"jitsi-verifier {VERSION}", python, f"build {build_kind()}", *libraries]
        sys.stdout.write("\n".join([*lines, ""]))
        parser.exit(0)


def _open_closed_streams() -> None:
    """Open streams that were closed by ``>&-``, so that no socket gets their descriptors."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _discard_output() -> None:
    """Discard the rest of the output, so that the interpreter's last flush does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escape_unencodable() -> None:
    """Write characters that the terminal's encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
