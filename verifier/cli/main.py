"""From arguments to a sub-command and from its end to an exit status."""

from __future__ import annotations

import argparse
import io
import os
import platform
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final, NoReturn

from verifier.cli import check_config, completion, explain, mint, replay, revocations, revoke
from verifier.cli.admin_client import NoAnswerError
from verifier.cli.arguments import Parser, UsageError, add_command, add_config
from verifier.cli.manual import INTERRUPTED, Manual, option_terms
from verifier.config import ConfigError
from verifier.keys.sources.base import KeySourceError
from verifier.process.memory_protection import protect_memory
from verifier.tokens.redact import hide_tokens
from verifier.version import VERSION

_LIBRARIES: Final = ("aiohttp", "cachetools", "cryptography", "prometheus-client", "pyjwt")
_DESCRIPTION: Final = """\
Serves Jitsi's verdict to proxies and to Prosody, explains it, makes tokens for
it, tells what it would have been, and takes tokens back. 'jitsi-verifier
COMMAND --help' tells more of each command. Nothing but 'serve' needs a network,
unless keys have to be fetched from a URL; 'revoke' and 'revocations' ask the
running service."""
_MANUAL: Final = Manual(
    {0: "Done.", 1: "See the command."},
    {},
    (
        ("jitsi-verifier serve --config /etc/jitsi-verifier.toml", "Answer nginx' questions."),
        ("jitsi-verifier explain 'https://meet.example.org/standup?jwt=...'", "Explain a verdict."),
    ),
)
_SERVE: Final = """\
Serves until SIGTERM, and then finishes what is in flight. SIGHUP reads the
configuration again; one that cannot be used leaves the running one in force."""
_SERVE_MANUAL: Final = Manual(
    {0: "Stopped by SIGTERM or SIGINT.", 1: "An address cannot be listened on."},
    {"configuration": option_terms()},
    (
        (
            "JWT_APP_ID=my_app JWT_APP_SECRET_FILE=/etc/jitsi/secret jitsi-verifier serve",
            "With the environment of docker-jitsi-meet.",
        ),
        ("jitsi-verifier serve --config /etc/jitsi-verifier.toml", "With a file."),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; None takes the process' own.

    Returns:
        The exit status, as ``--help`` lists it.

    Raises:
        SystemExit: with status 2 for bad usage, 0 after ``--help`` and ``--version``.
    """
    protect_memory()
    _open_what_is_closed()
    parser = program()
    options = parser.parse_args(arguments)
    _never_fail_to_encode()
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except UsageError as error:
        options.parser.error(str(error))
    except (ConfigError, KeySourceError) as error:
        sys.stderr.write(f"{hide_tokens(str(error))}\n")  # such as one for the name of a file
        return os.EX_CONFIG
    except NoAnswerError as error:
        sys.stderr.write(f"jitsi-verifier: {error}\n")
        return 1
    except BrokenPipeError:
        _give_up_output()  # whoever read has had enough
        return 1
    except OSError as error:
        sys.stderr.write(f"jitsi-verifier: {error.strerror or error}\n")
        _give_up_output()
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def program() -> Parser:
    """Describe the whole command line."""
    parser = Parser(
        prog="jitsi-verifier",
        summary="Jitsi Meet's verdict on JWT room links",
        description=_DESCRIPTION,
        manual=_MANUAL,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve = add_command(commands, "serve", "answer a proxy's questions", _SERVE, _SERVE_MANUAL)
    add_config(serve)
    serve.set_defaults(run=_serve, parser=serve)
    explain.add(commands)
    mint.add(commands)
    check_config.add(commands)
    replay.add(commands)
    revoke.add(commands)
    revocations.add(commands)
    completion.add(commands, parser)
    return parser


class _Version(argparse.Action):
    """Print the version, and those of what a report of a bug should name."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print versions and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
        lines = [f"jitsi-verifier {VERSION}", f"Python {platform.python_version()}", *libraries]
        sys.stdout.write("\n".join([*lines, ""]))
        parser.exit(0)


def _serve(options: argparse.Namespace) -> int:
    # Whoever asks for a reload this early gets it: nothing has been read yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A container's first process gets no signal that it does not handle; this is handled always.
    signal.signal(signal.SIGTERM, _end)
    # The other commands shall not wait for a web server to be imported.
    from verifier.process.main import serve  # noqa: PLC0415

    return serve(options.config)


def _end(*_: object) -> NoReturn:
    """End a start that has not come far enough to have anything to finish."""
    sys.exit(0)


def _open_what_is_closed() -> None:
    """Stand in for streams that were closed by ``>&-``, so that no socket gets their numbers."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _give_up_output() -> None:
    """Keep the interpreter from failing once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _never_fail_to_encode() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
