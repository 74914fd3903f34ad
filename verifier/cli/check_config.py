"""The ``check-config`` command: validates the configuration, and compares it with Prosody's."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Final

from verifier.cli.arguments import Parser, UsageError, add_command, add_config, settings_of
from verifier.cli.check_config_report import CheckResult, as_json, render
from verifier.cli.manual import Manual
from verifier.config import CONFIG_VARIABLE, DEFAULT_CONFIG, ConfigError, load
from verifier.tokens.redact import hide_tokens

_SUMMARY: Final = "validate the configuration, compare with Prosody's"
_DESCRIPTION: Final = """\
Validates the configuration and prints the options in force. With files of the
deployment, compares the two and names every disagreement and every risk. The
command needs no network, executes no code of a file, and prints no secret:
secrets are compared by their fingerprints.

The command says what it took each file for:
  Prosody's     prosody.cfg.lua (includes are followed), conf.d/*.cfg.lua, or the
                jitsi-meet.cfg.lua that docker's container wrote
  docker's      .env, or the Compose file (with the .env beside it); beside a file
                of Prosody's, the environment of its os.getenv
  Jicofo's      jicofo.conf, for the switches that make every user a moderator
  the web's     config.js, for the hosts to which clients log in
A folder stands for such files in it: /etc/prosody, ~/.jitsi-meet-cfg,
docker-jitsi-meet's own. - is standard input."""
_MANUAL: Final = Manual(
    {
        0: "The configuration is valid and agrees; risks are warnings.",
        1: "The configuration is not valid or disagrees, an option could not be compared, or a"
        " file could not be read.",
        78: "",
    },
    {},
    (
        (
            "jitsi-verifier check-config",
            "Is this configuration valid, and which options are in force?",
        ),
        (
            "jitsi-verifier check-config --prosody /etc/prosody/prosody.cfg.lua",
            "Does it agree with Prosody's?",
        ),
        (
            "jitsi-verifier check-config --prosody /etc/prosody /etc/jitsi",
            "The same, with the files of Jicofo and the web client.",
        ),
        (
            "jitsi-verifier check-config --prosody docker-compose.yml --write verifier.toml",
            "Write a configuration that agrees with docker-jitsi-meet's.",
        ),
    ),
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "check-config", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument(
        "--prosody",
        metavar="PATH",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="files or folders of the deployment to compare with",
    )
    parser.add_argument(
        "--write",
        metavar="FILE",
        type=Path,
        help="with --prosody: write a TOML file that agrees; it contains secrets, so only its"
        " owner can read it",
    )
    parser.add_argument("--force", action="store_true", help="let --write replace a file")
    parser.add_argument(
        "--show",
        action="store_true",
        help="print every option in force, and where its value came from; secrets as fingerprints",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Check the configuration, and print the result.

    Raises:
        UsageError: Two arguments exclude each other, or one needs another.
    """
    if options.write is not None and not options.prosody:
        raise UsageError("--write needs --prosody")
    if options.force and options.write is None:
        raise UsageError("--force needs --write")
    result = _check(options)
    output = json.dumps(as_json(result), indent=2) + "\n" if options.json else render(result)
    sys.stdout.write(hide_tokens(output))
    return 0 if result.ok else 1


def _check(options: argparse.Namespace) -> CheckResult:
    result = CheckResult(show=options.show)
    try:
        result.settings = settings_of(options)
    except ConfigError as error:
        result.problems += error.problems
        result.unknown += error.notices
    if options.prosody:
        _compare(options, result)
    return result


def _compare(options: argparse.Namespace, result: CheckResult) -> None:
    # Imported here, because only this comparison needs a Lua parser.
    from verifier import check_config  # noqa: PLC0415

    deployment = check_config.read_deployment(options.prosody, os.environ)
    result.deployment = deployment
    if options.write is not None:
        _write(options, result)
        if result.written is not None:
            _use_written(options, result)
    result.risks = check_config.find_risks(deployment, result.settings)
    if result.settings is not None:
        result.hosts = check_config.compare_hosts(deployment, result.settings)
        result.entrances = check_config.find_entrances(deployment, result.settings)


def _use_written(options: argparse.Namespace, result: CheckResult) -> None:
    """Compare with the written file, if it is the configuration from now on.

    This is so if there was none yet, or if it replaces the one in use.
    """
    default = DEFAULT_CONFIG if os.path.lexists(DEFAULT_CONFIG) else None
    named = options.config or os.environ.get(CONFIG_VARIABLE) or default
    is_first = result.settings is None and not named
    if is_first or (named and Path(named).resolve() == options.write.resolve()):
        try:
            result.settings = load(os.environ, options.write)
        except ConfigError as error:
            result.settings, result.problems = None, list(error.problems)
        else:
            result.problems = []


def _write(options: argparse.Namespace, result: CheckResult) -> None:
    from verifier import check_config  # noqa: PLC0415  # as above

    deployment = result.deployment
    if deployment is None or not deployment.compared:
        asks_us = deployment is not None and deployment.hosts
        why = "Prosody asks this verifier" if asks_us else "no host of Prosody accepts tokens"
        result.failure = f"{options.write}: not written, {why}"
        return
    try:
        text = check_config.format_agreeing_file(deployment, result.settings)
        check_config.write_private(options.write, text, force=options.force)
    except ConfigError as error:
        why = "; ".join(
            check_config.explain_missing(deployment, problem) for problem in error.problems
        )
        result.failure = f"{options.write}: not written, {why}"
    except FileExistsError:
        result.failure = f"{options.write}: not written, the file exists (--force replaces it)"
    except OSError as error:
        result.failure = f"{options.write}: not written, {error.strerror}"
    else:
        result.written = str(options.write)
