"""``replay``: report which requests of an access log the service would allow and deny."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from contextlib import AbstractContextManager
from typing import Final

from verifier.cli.arguments import Parser, add_command, add_config, settings_of
from verifier.cli.log_arguments import open_argument, size_of
from verifier.cli.manual import Manual
from verifier.cli.progress import Report, progress
from verifier.cli.replay_report import Log, as_json, as_text, notes_on
from verifier.config import Settings
from verifier.log import LOGGER
from verifier.replay.access_log import LineReader
from verifier.replay.json_lines import FIELDS, ROLES, Role
from verifier.replay.keys import ReplayKeys, open_keys
from verifier.replay.replay import Replay, replay_verifier
from verifier.rooms.host import name_of_host
from verifier.rooms.url import parse_url

_FIELD: Final = re.compile(r"(\w+)=([\w@.-]+)")

_SUMMARY: Final = "report which requests of access logs would be denied"
_DESCRIPTION: Final = """\
Decides the requests of access logs with the configured rules and keys, each as
of the time of its line. The report says how many requests would have been
allowed, how many denied with which code, and shows examples without tokens. Use
it before the rollout.

The shares are those of the requests about which a proxy asks the verifier, if
the log shows the token. The others are counted apart, with the reason: public
files, preflights (OPTIONS of signalling), keep-alives, redirects and refusals
of the web server itself, queries that the log redacts or leaves out, and lines
that are cut off.

Log lines have nginx' or Apache's combined form, with or without a virtual host
before it, or Envoy's own form, or they are JSON objects of nginx, Caddy,
Traefik or Envoy. (HAProxy: "option httplog clf".) Logs may be packed with gzip
and may have the prefixes of Docker, Kubernetes, syslog and journald.

The report can differ from what the service would have done:
  - Logs contain the URL. A token in a header, cookie or fragment is missing.
    docker-jitsi-meet's log contains no token at all.
  - A websocket's line is written when the websocket closes. Its start is known
    only if the line has the duration ($request_time).
  - Keys are those of today. A token signed with a removed key is counted as
    key-unknown or signature-invalid, unless public_keys or app_secret has it.
  - A key source that does not respond is not asked again after the third key.
    Tokens that need it are counted as keys-unavailable.

Memory use does not grow with the log. On a terminal, standard error shows a
progress bar."""
_MANUAL: Final = Manual(
    {
        0: "All logs were read to their ends, whatever the decisions are.",
        1: "A log could not be read to its end. With --fail-on-denied also: a request would be"
        " denied.",
    },
    {
        "members of JSON lines (the first one that a line has is used)": {
            role: ", ".join(FIELDS[role]) for role in ROLES
        }
    },
    (
        (
            "jitsi-verifier replay /var/log/nginx/access.log /var/log/nginx/access.log.*.gz",
            "Replay the logs of the last weeks.",
        ),
        (
            "docker compose logs --no-log-prefix proxy | jitsi-verifier replay -",
            "Replay the log of a container.",
        ),
        (
            "jitsi-verifier replay --json --fail-on-denied --host meet.example.org access.log",
            "Print JSON, with the rules of one virtual host.",
        ),
        (
            "jitsi-verifier replay --field target=http.url --field time=when requests.json",
            "Replay JSON lines with member names of your own.",
        ),
    ),
)


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the sub-command."""
    parser = add_command(commands, "replay", _SUMMARY, _DESCRIPTION, _MANUAL)
    parser.add_argument(
        "logs",
        nargs="+",
        metavar="ACCESS_LOG",
        help="a log in combined form or JSON, packed with gzip or not; - for standard input",
    )
    parser.add_argument(
        "--host",
        metavar="HOST",
        type=_host,
        help="the host of requests whose line does not contain it (combined form); default: the"
        " options at the top of the configuration apply",
    )
    parser.add_argument(
        "--field",
        metavar="WHAT=NAME",
        type=_field,
        action="append",
        default=[],
        help=f"the member of JSON lines that has the {', '.join(ROLES)}; a dot leads into a nested"
        " object; repeatable",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="fetch no keys; tokens that need a key from a URL are keys-unavailable",
    )
    parser.add_argument(
        "--fail-on-denied", action="store_true", help="exit with 1 if a request would be denied"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    add_config(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Replay the logs, and write the report to standard output.

    Raises:
        UsageError: A log cannot be opened.
        ConfigError: The configuration cannot be used.
        KeySourceError: A configured key cannot be used.
    """
    settings = settings_of(options)
    if not LOGGER.handlers:
        LOGGER.addHandler(logging.NullHandler())  # the report contains the problems of key sources
    sizes = [size_of(name) for name in options.logs]
    with _open_keys(settings, offline=options.offline) as keys, progress(sizes) as report:
        verifier = replay_verifier(settings, keys, options.host)
        replay = Replay(verifier, LineReader({**FIELDS, **dict(options.field)}))
        logs = [_replay(name, replay, report) for name in options.logs]
        notes = notes_on(replay.tally, settings, keys.problems(), offline=options.offline)
    render = as_json if options.json else as_text
    sys.stdout.write(render(replay.tally, logs, notes, several=bool(settings.hosts)))
    incomplete = any(log.problem for log in logs)
    return 1 if incomplete or (options.fail_on_denied and replay.tally.denied) else 0


def _open_keys(settings: Settings, *, offline: bool) -> AbstractContextManager[ReplayKeys]:
    locations = [host.key_locations() for host in (settings, *settings.hosts.values())]
    return open_keys(locations, settings.key_source_settings(), offline=offline)


def _replay(name: str, replay: Replay, report: Report) -> Log:
    lines_before = replay.tally.lines
    # One log is open at a time, because there may be hundreds.
    with open_argument(name) as lines:
        replay.run(name, lines, lambda: report(name, lines.position, replay.tally.lines))
    return Log(name, replay.tally.lines - lines_before, lines.problem)


def _host(value: str) -> str:
    url = parse_url(f"https://{value}/")
    if url is None:
        raise argparse.ArgumentTypeError("expected a host name, such as meet.example.org")
    return name_of_host(url.host)


def _field(value: str) -> tuple[Role, tuple[str, ...]]:
    found = _FIELD.fullmatch(value)
    for role in ROLES:
        if found and found[1] == role:
            return role, (found[2],)
    raise argparse.ArgumentTypeError(f"expected WHAT=NAME; WHAT is one of {', '.join(ROLES)}")
