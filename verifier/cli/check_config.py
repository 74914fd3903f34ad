"""``check-config``: whether the configuration holds, and whether it agrees with Prosody's."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Final

from verifier.cli.arguments import Parser, UsageError, add_command, add_config, settings_of
from verifier.cli.check_config_report import Checked, as_json, render
from verifier.cli.manual import Manual
from verifier.config import ConfigError
from verifier.tokens.redact import hide_tokens

_SUMMARY: Final = "validate the configuration, compare with Prosody's"
_DESCRIPTION: Final = """\
Validate the configuration and print what is in force. With files of the
deployment, compare the two and name every disagreement and every risk. Needs
no network, executes nothing that is in a file, and prints no secret: secrets
are compared by their fingerprints.

The files, told apart by their names:
  *.lua         Prosody's: prosody.cfg.lua (includes are followed),
                conf.d/*.lua, or docker's rendered jitsi-meet.cfg.lua
  .env, *.env   docker-jitsi-meet's environment; beside a .lua file, what
                os.getenv gives there
  *.conf        jicofo.conf, for the switches that make everybody a moderator"""
_MANUAL: Final = Manual(
    {
        0: "The configuration is valid and agrees; risks are warnings.",
        1: "It does not, something could not be compared, or a file not be read.",
        78: "",
    },
    {},
    (
        (
            "jitsi-verifier check-config --config /etc/jitsi-verifier.toml",
            "Is this configuration valid, and what does it say?",
        ),
        (
            "jitsi-verifier check-config --prosody /etc/prosody/prosody.cfg.lua",
            "Does it agree with Prosody's?",
        ),
        (
            "jitsi-verifier check-config --prosody ~/jitsi/.env --write verifier.toml",
            "A configuration that agrees with docker-jitsi-meet's.",
        ),
    ),
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "check-config", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument(
        "--prosody",
        metavar="FILE",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="files of the deployment to compare with",
    )
    parser.add_argument(
        "--write",
        metavar="FILE",
        type=Path,
        help="with --prosody: write a TOML file that agrees; mode 0600, for it holds secrets",
    )
    parser.add_argument("--force", action="store_true", help="let --write replace a file")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Check, and print what was found.

    Raises:
        UsageError: the arguments do not fit together.
    """
    if options.write is not None and not options.prosody:
        raise UsageError("--write needs --prosody")
    if options.force and options.write is None:
        raise UsageError("--force needs --write")
    checked = _check(options)
    written = json.dumps(as_json(checked), indent=2) + "\n" if options.json else render(checked)
    sys.stdout.write(hide_tokens(written))
    return 0 if checked.ok else 1


def _check(options: argparse.Namespace) -> Checked:
    checked = Checked()
    try:
        checked.settings = settings_of(options)
    except ConfigError as error:
        checked.problems += error.problems
    if options.prosody:
        _compare(options, checked)
    return checked


def _compare(options: argparse.Namespace, checked: Checked) -> None:
    # Only here is a parser of Lua needed.
    from verifier import check_config  # noqa: PLC0415

    checked.deployment = check_config.read_deployment(options.prosody, os.environ)
    checked.risks = check_config.find_risks(checked.deployment, checked.settings)
    if checked.settings is not None:
        checked.hosts = check_config.compare_hosts(checked.deployment, checked.settings)
    if options.write is not None:
        _write(options, checked)


def _write(options: argparse.Namespace, checked: Checked) -> None:
    from verifier import check_config  # noqa: PLC0415

    deployment = checked.deployment
    if deployment is None or not deployment.compared:
        checked.failure = f"{options.write}: not written, no host of Prosody's takes tokens"
        return
    try:
        text = check_config.format_agreeing_file(deployment, checked.settings)
        check_config.write_private(options.write, text, force=options.force)
    except ConfigError as error:
        needs = "; ".join(f"{each.option}: {each.expected}" for each in error.problems)
        checked.failure = f"{options.write}: not written, Prosody's files leave open: {needs}"
    except FileExistsError:
        checked.failure = f"{options.write}: not written, it is there already (--force replaces it)"
    except OSError as error:
        checked.failure = f"{options.write}: not written, {error.strerror}"
    else:
        checked.written = str(options.write)
