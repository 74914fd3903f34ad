"""``jitsi-verifier serve``: runs the service."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Final, NoReturn

from verifier.cli.arguments import Parser, UsageError, add_command, add_config, text
from verifier.cli.manual import Manual, option_terms
from verifier.config import ARGUMENTS, Option
from verifier.config.value_types import ListForm

_DESCRIPTION: Final = """\
Answers requests until SIGTERM, then finishes the requests in flight and ends.
SIGHUP reads the configuration again. If the new configuration cannot be used,
the service goes on with the old one."""
_MANUAL: Final = Manual(
    {0: "Stopped by SIGTERM or SIGINT.", 1: "An address cannot be listened on."},
    {"configuration": option_terms()},
    (
        (
            "JWT_APP_ID=my_app JWT_APP_SECRET_FILE=/etc/jitsi-verifier/secret jitsi-verifier serve",
            "Configured by the variables of docker-jitsi-meet.",
        ),
        (
            "jitsi-verifier serve --config /etc/jitsi-verifier/verifier.toml",
            "Configured by a file.",
        ),
    ),
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command to those of the command line."""
    parser = add_command(
        commands, "serve", "run the service that answers proxies and Prosody", _DESCRIPTION, _MANUAL
    )
    add_config(parser)
    for name, option in ARGUMENTS.items():
        parser.add_argument(
            name,
            action="append",
            dest=option.attribute,
            type=text,
            metavar="ADDRESS" if name.endswith("listen") else name.rpartition("-")[2].upper(),
            help=_help(option),
        )
    parser.set_defaults(run=run, parser=parser)


def _help(option: Option) -> str:
    several = "; can be given several times" if _takes_several(option) else ""
    return f"{option.help[:1].lower()}{option.help[1:].removesuffix('.')}{several}"


def _takes_several(option: Option) -> bool:
    return option.type.list_form is ListForm.COMMAS


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status."""
    arguments = _arguments(options)
    # A reload requested this early needs no work: the configuration has not been read yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Linux sends the first process of a container only the signals that it handles.
    signal.signal(signal.SIGTERM, _exit)
    # Imported here, because importing the web server would delay the other commands.
    from verifier.process.main import serve  # noqa: PLC0415

    return serve(options.config, arguments)


def _arguments(options: argparse.Namespace) -> dict[str, str]:
    """Return the options of the configuration that are arguments, as texts by their names."""
    arguments = {}
    for name, option in ARGUMENTS.items():
        given = getattr(options, option.attribute)
        if given is None:
            continue
        if len(given) > 1 and not _takes_several(option):
            raise UsageError(f"argument {name}: expected one, found {len(given)}")
        arguments[option.name] = ",".join(given)
    return arguments


def _exit(*_: object) -> NoReturn:
    """End the process during its start, when there are no requests to finish."""
    sys.exit(0)
