"""The result of ``check-config``, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from verifier.cli.check_config_show import format_options, list_host_options, list_options
from verifier.config import OPTIONS, Problem, Settings
from verifier.explain.wording import escape_unprintable

if TYPE_CHECKING:  # at run time only ``check_config`` imports these, which load a Lua parser
    from verifier.check_config import Deployment, HostComparison
    from verifier.check_config.comparison import Row
    from verifier.check_config.entrances import Entrance
    from verifier.check_config.prosody_config import Finding
    from verifier.check_config.risk import Risk

_MARKS: Final = {"same": "✓", "differs": "✗", "no-effect": "·", "unknown": "?", "stricter": "+"}
_ENTRANCES: Final = {
    "Let in by Prosody, and refused by this verifier:": True,
    "Nothing to do, unless there are such accounts:": False,
}
_MAX_WIDTH: Final = 60


@dataclass(slots=True)
class CheckResult:
    """Everything that the command found.

    Attributes:
        settings: This program's configuration; None if it is not valid.
        problems: Why the configuration is not valid.
        unknown: Names that the configuration does not know, if it is not valid.
        deployment: The content of the deployment's files; None if no files were given.
        hosts: The comparison of each host.
        entrances: The users that Prosody lets in, and this program refuses.
        risks: The risks of both sides.
        written: The name of the file that was written; None if none was written.
        failure: Why no file could be written; empty if a file was written or not wanted.
        show: Whether to show every option and its origin.
    """

    settings: Settings | None = None
    problems: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    deployment: Deployment | None = None
    hosts: list[HostComparison] = field(default_factory=list)
    entrances: list[Entrance] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    written: str | None = None
    failure: str = ""
    show: bool = False

    @property
    def ok(self) -> bool:
        """Whether the configuration is valid and agrees with everything that was compared."""
        if self.settings is None or self.failure:
            return False
        if self.deployment is None:
            return True
        config = self.deployment.config
        wrong = any(row.result in {"differs", "unknown"} for row in self.rows)
        # Nothing to compare is no agreement, and a skipped statement may set any option.
        doubtful = wrong or self.certain_entrances or config.problems or config.not_evaluated
        return bool(self.hosts) and not doubtful

    @property
    def certain_entrances(self) -> list[Entrance]:
        """The entrances whose users exist for certain; only these are disagreements."""
        return [entrance for entrance in self.entrances if entrance.certain]

    @property
    def rows(self) -> list[Row]:
        """All rows of all hosts."""
        return [row for comparison in self.hosts for row in comparison.rows]


def options_in_force(settings: Settings) -> dict[str, str]:
    """Return important options and those that differ from their default, without secrets."""
    found = {}
    for option in OPTIONS:
        value = settings.value(option.name)
        if option.always_shown or value not in (option.default, None, ()):
            found[option.name] = option.type.show(value)
    return found


def as_json(result: CheckResult) -> dict[str, Any]:
    """Return the result for programs."""
    settings = result.settings
    return {
        "ok": result.ok,
        "configuration": None if settings is None else options_in_force(settings),
        **_shown_json(result),
        "virtual_hosts": [] if settings is None else sorted(settings.hosts),
        "problems": [
            {
                "option": problem.option,
                "where": problem.origin,
                "text": f"found {problem.found}; expected {problem.expected}",
            }
            for problem in result.problems
        ],
        "notices": result.unknown if settings is None else list(settings.notices),
        "prosody": None if result.deployment is None else _prosody_json(result),
        "risks": [asdict(risk) for risk in result.risks],
        "written": result.written,
        "not_written": result.failure or None,
    }


def _shown_json(result: CheckResult) -> dict[str, Any]:
    settings = result.settings
    if settings is None or not result.show:
        return {}
    return {
        "in_force": [asdict(found) for found in list_options(settings)],
        "in_force_for_hosts": {
            name: [asdict(found) for found in list_host_options(own, settings)]
            for name, own in sorted(settings.hosts.items())
        },
    }


def _prosody_json(result: CheckResult) -> dict[str, Any] | None:
    if result.deployment is None:
        return None
    config = result.deployment.config
    return {
        "files": config.files,
        "taken_for": result.deployment.taken_for,
        "problems": _findings_json(config.problems),
        "not_evaluated": _findings_json(config.not_evaluated),
        "notes": _findings_json(config.notes),
        "hosts": [_host_json(comparison) for comparison in result.hosts],
        "entrances": [asdict(entrance) for entrance in result.entrances],
    }


def _findings_json(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [{"where": str(finding.location), "text": finding.text} for finding in findings]


def _host_json(comparison: HostComparison) -> dict[str, Any]:
    return {
        "host": comparison.host.name,
        "where": str(comparison.host.location),
        "table": comparison.table or None,
        "rows": [asdict(row) for row in comparison.rows],
    }


def render(result: CheckResult) -> str:
    """Return the result for people; no line contains what a terminal would interpret."""
    # Names of hosts and files may contain any character, and a line break would forge a line.
    return "\n".join([*map(escape_unprintable, _lines(result)), ""])


def _lines(result: CheckResult) -> Iterator[str]:
    if result.deployment is not None:
        yield from [_summary(result), ""]  # also the last line: what stands between is long
    yield from _own_lines(result)
    if result.deployment is not None:
        config = result.deployment.config
        taken_for = result.deployment.taken_for.items()
        yield from _section("Read:", [f"{name}: {kind}" for name, kind in taken_for])
        for comparison in result.hosts:
            yield from ["", *_table(comparison)]
        for title, certain in _ENTRANCES.items():
            found = [entrance for entrance in result.entrances if entrance.certain is certain]
            yield from _section(
                title, [f"{entrance.text} ({entrance.where})" for entrance in found]
            )
        if not result.deployment.hosts and not config.problems:
            yield from ["", "None of the VirtualHosts with rooms accepts tokens."]
        yield from _section("Prosody would not start, or this cannot be read:", config.problems)
        # A loop or a function may note the same statement several times.
        yield from _section("Not evaluated:", list(dict.fromkeys(config.not_evaluated)))
        yield from _section("Notes:", config.notes)
    yield from _section("Risks:", [f"{risk.text} ({risk.where})" for risk in result.risks])
    yield from ["", _summary(result)]
    if result.written is not None:
        yield f"Written: {result.written} (the service's user must be able to read it)"
    if result.failure:
        yield result.failure


def _own_lines(result: CheckResult) -> Iterator[str]:
    settings = result.settings
    if settings is None:
        yield "The configuration is not valid:"
        yield from (f"  {problem}" for problem in result.problems)
        yield from _section("Notices:", result.unknown)
        return
    yield "The configuration is valid. In force:"
    if result.show:
        yield from _every_option(settings)
        yield from _section("Notices:", settings.notices)
        return
    options = options_in_force(settings)
    width = max(map(len, options))
    for name, value in options.items():
        yield f"  {name:{width}}  {value}"
    if settings.hosts:
        yield f"  {'[hosts]':{width}}  {', '.join(sorted(settings.hosts))}"
    yield from _section("Notices:", settings.notices)


def _every_option(settings: Settings) -> Iterator[str]:
    yield from format_options(list_options(settings))
    for name, own in sorted(settings.hosts.items()):
        yield f'[hosts."{name}"], where it differs:'
        yield from format_options(list_host_options(own, settings))


def _table(comparison: HostComparison) -> Iterator[str]:
    host, table = comparison.host, comparison.table
    options = f'[hosts."{table}"]' if table else "the options at the top of the configuration"
    yield f"VirtualHost {host.name} ({host.location}), compared with {options}:"
    if not comparison.rows:
        yield "  Prosody asks this verifier (jitsi_verifier), so no option can differ."
        return
    rows = [("", "option", "Prosody", "this verifier", "where Prosody sets it")]
    rows += [
        (_MARKS[row.result], row.option, row.prosody, row.verifier, row.where)
        for row in comparison.rows
    ]
    widths = [min(max(map(len, column)), _MAX_WIDTH) for column in zip(*rows, strict=True)]
    for cells in rows:
        padded = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        yield f"  {'  '.join(padded)}".rstrip()


def _section(title: str, items: Sequence[Finding | str]) -> list[str]:
    return ["", title, *(f"  {item}" for item in items)] if items else []


def _summary(result: CheckResult) -> str:
    results = [row.result for row in result.rows]
    config = result.deployment.config if result.deployment else None
    counts = (
        (len(result.problems), "problem{s}"),
        (results.count("differs"), "disagreement{s}"),
        (results.count("unknown"), "option{s} that could not be compared"),
        (len(result.certain_entrances), "entrance{s} that this verifier refuses"),
        (len(config.problems) if config else 0, "unreadable place{s}"),
        (len(set(config.not_evaluated)) if config else 0, "place{s} not evaluated"),
        (len(result.risks), "risk{s}"),
    )
    found = ", ".join(_count(number, noun) for number, noun in counts if number)
    if not result.ok:
        return f"{_verdict(result)}: {found}." if found else f"{_verdict(result)}."
    valid = "Valid" if result.written is None else "Written"
    agrees = f"{valid}." if result.deployment is None else f"{valid}, and in agreement."
    return f"{agrees} {found}".rstrip()


def _verdict(result: CheckResult) -> str:
    if result.settings is None:
        return "Not valid"
    if result.deployment is None:
        return "Not written"
    if result.certain_entrances or any(row.result == "differs" for row in result.rows):
        return "Not in agreement"
    return "Agreement is not certain" if result.rows else "Nothing could be compared"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun.format(s='' if number == 1 else 's')}"
