"""What ``check-config`` found, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from verifier.config import OPTIONS, Problem, Settings

if TYPE_CHECKING:  # loading these loads a parser of Lua
    from verifier.check_config import Deployment, HostComparison
    from verifier.check_config.comparison import Row
    from verifier.check_config.risks import Risk

_MARKS: Final = {"same": "✓", "differs": "✗", "no-effect": "·", "unknown": "?", "stricter": "+"}
_WIDEST: Final = 60


@dataclass(slots=True)
class Checked:
    """Everything that was found.

    Attributes:
        settings: This program's configuration; None where it is not valid.
        problems: Why it is not.
        deployment: What the other files say; None where none were given.
        hosts: The comparison, host by host.
        risks: What to think about.
        written: The file that was written; None for none.
        failure: Why none could be written.
    """

    settings: Settings | None = None
    problems: list[Problem] = field(default_factory=list)
    deployment: Deployment | None = None
    hosts: list[HostComparison] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    written: str | None = None
    failure: str = ""

    @property
    def ok(self) -> bool:
        """Whether the configuration is valid and agrees with all that was compared."""
        if self.settings is None or self.failure:
            return False
        if self.deployment is None:
            return True
        config = self.deployment.config
        wrong = any(row.result in {"differs", "unknown"} for row in self.rows)
        return bool(self.hosts) and not (wrong or config.problems or config.unread)

    @property
    def rows(self) -> list[Row]:
        """Every row of every host."""
        return [row for report in self.hosts for row in report.rows]


def in_force(settings: Settings) -> dict[str, str]:
    """Give the options that matter or are not at their defaults, in words, without secrets."""
    found = {}
    for option in OPTIONS:
        value = settings.value(option.name)
        if option.always_shown or value not in (option.default, None, ()):
            found[option.name] = option.type.in_words(value)
    return found


def as_json(checked: Checked) -> dict[str, Any]:
    """Give what was found for programs."""
    settings, deployment = checked.settings, checked.deployment
    config = None if deployment is None else deployment.config
    return {
        "ok": checked.ok,
        "configuration": None if settings is None else in_force(settings),
        "virtual_hosts": [] if settings is None else sorted(settings.hosts),
        "problems": [
            {"option": each.option, "where": each.origin, "text": _of(each)}
            for each in checked.problems
        ],
        "notices": [] if settings is None else list(settings.notices),
        "prosody": None
        if config is None
        else {
            "files": config.files,
            "problems": [{"where": str(each.place), "text": each.text} for each in config.problems],
            "not_evaluated": [
                {"where": str(each.place), "text": each.text} for each in config.unread
            ],
            "notes": [{"where": str(each.place), "text": each.text} for each in config.notes],
            "hosts": [_host_json(report) for report in checked.hosts],
        },
        "risks": [
            {"name": risk.name, "where": risk.where, "text": risk.text} for risk in checked.risks
        ],
        "written": checked.written,
        "not_written": checked.failure or None,
    }


def render(checked: Checked) -> str:
    """Give what was found for people."""
    return "\n".join([*_lines(checked), ""])


def _lines(checked: Checked) -> Iterator[str]:
    yield from _own(checked)
    if checked.deployment is not None:
        config = checked.deployment.config
        for report in checked.hosts:
            yield from ["", *_table(report)]
        if not checked.deployment.hosts:
            yield from ["", "None of the VirtualHosts in these files takes tokens."]
        yield from _section("Prosody would not start, or this could not be read:", config.problems)
        yield from _section("Not evaluated:", list(dict.fromkeys(config.unread)))
        yield from _section("Notes:", config.notes)
    yield from _section("Risks:", [f"{risk.text} ({risk.where})" for risk in checked.risks])
    yield from ["", _verdict(checked)]
    if checked.written is not None:
        yield f"Written: {checked.written} (mode 0600; the service's user must be able to read it)"
    if checked.failure:
        yield checked.failure


def _own(checked: Checked) -> Iterator[str]:
    settings = checked.settings
    if settings is None:
        yield "The configuration is not valid:"
        yield from (f"  {problem}" for problem in checked.problems)
        return
    yield "The configuration is valid. In force:"
    width = max(map(len, in_force(settings)))
    for name, value in in_force(settings).items():
        yield f"  {name:{width}}  {value}"
    if settings.hosts:
        yield f"  {'[hosts]':{width}}  {', '.join(sorted(settings.hosts))}"
    yield from _section("Notices:", settings.notices)


def _table(report: HostComparison) -> Iterator[str]:
    host = report.host
    answers = f'[hosts."{report.table}"]' if report.table else "the top of the configuration"
    yield f"VirtualHost {host.name} ({host.place}), for which {answers} answers:"
    if not report.rows:
        yield "  Prosody asks this verifier (jitsi_verifier): nothing can differ."
        return
    table = [("", "option", "Prosody", "this verifier", "where Prosody has it")]
    table += [
        (_MARKS[row.result], row.option, row.prosody, row.verifier, row.where)
        for row in report.rows
    ]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        yield f"  {'  '.join(padded)}".rstrip()


def _section(title: str, items: Any) -> list[str]:
    return ["", title, *(f"  {item}" for item in items)] if items else []


def _verdict(checked: Checked) -> str:
    results = [row.result for row in checked.rows]
    config = checked.deployment.config if checked.deployment else None
    counted = (
        (len(checked.problems), "problem{s}"),
        (results.count("differs"), "disagreement{s}"),
        (results.count("unknown"), "option{s} that could not be compared"),
        (len(config.problems) if config else 0, "unreadable place{s}"),
        (len(set(config.unread)) if config else 0, "place{s} not evaluated"),
        (len(checked.risks), "risk{s}"),
    )
    found = ", ".join(_counted(number, noun) for number, noun in counted if number)
    if not checked.ok:
        return found or "Nothing could be compared."
    agrees = "Valid." if checked.deployment is None else "Valid, and in agreement."
    return f"{agrees} {found}".rstrip()


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun.format(s='' if number == 1 else 's')}"


def _of(problem: Problem) -> str:
    return f"found {problem.found}; expected {problem.expected}"


def _host_json(report: HostComparison) -> dict[str, Any]:
    return {
        "host": report.host.name,
        "where": str(report.host.place),
        "table": report.table or None,
        "rows": [
            {
                "option": row.option,
                "prosody": row.prosody,
                "verifier": row.verifier,
                "result": row.result,
                "where": row.where,
            }
            for row in report.rows
        ],
    }
