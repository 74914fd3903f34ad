"""From arguments to a sub-command and from its end to an exit status."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from verifier.cli import check_config, explain, mint
from verifier.cli.usage import Parser, UsageError, add_config
from verifier.shell.keysource import KeySourceError
from verifier.shell.settings import ConfigError
from verifier.shell.version import VERSION

_INTERRUPTED: Final = 130  # as shells report SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; None takes the process' own.

    Returns:
        0 allowed or done, 1 denied, 78 for a bad configuration.

    Raises:
        SystemExit: with status 2 for bad usage, 0 after ``--help`` and ``--version``.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    _never_fail_to_encode()
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except UsageError as error:
        options.parser.error(str(error))
    except (ConfigError, KeySourceError) as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_CONFIG
    except BrokenPipeError:
        # Whoever read has had enough; the interpreter must not flush into the pipe at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="jitsi-verifier",
        description="Jitsi Meet's verdict on JWT room links: serve it, explain it, mint for it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"jitsi-verifier {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve",
        help="answer a proxy's questions",
        description="Serve until SIGTERM. SIGHUP reads the configuration again.",
        allow_abbrev=False,
    )
    add_config(serve)
    serve.set_defaults(run=_serve, parser=serve)
    explain.add(commands)
    mint.add(commands)
    check_config.add(commands)
    return parser


def _serve(options: argparse.Namespace) -> int:
    # Whoever asks for a reload this early gets it: nothing has been read yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # The other commands shall not wait for a web server to be imported.
    from verifier.app import serve  # noqa: PLC0415

    return serve(options.config)


def _never_fail_to_encode() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
