"""What the service tells: logs, the audit log, spans."""

from __future__ import annotations

from typing import Final

from verifier.config import kinds
from verifier.config.kinds import choice
from verifier.config.options.option import Option

TELLING: Final = (
    Option(
        "log_format",
        "VERIFIER_LOG_FORMAT",
        choice("json", "console"),
        None,
        "console on a terminal, else json",
        "How log lines are written: json or console.",
    ),
    Option(
        "log_level",
        "VERIFIER_LOG_LEVEL",
        choice("debug", "info", "warning", "error"),
        "info",
        "info",
        "The least level that is logged: debug, info, warning or error.",
    ),
    Option(
        "audit_log",
        "VERIFIER_AUDIT_LOG",
        kinds.AUDIT_LOG,
        None,
        "off",
        "Where each decision is recorded: stdout, syslog or the absolute path of a file.",
    ),
    Option(
        "tracing",
        "VERIFIER_TRACING",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether OpenTelemetry spans are sent; needs jitsi-verifier[otel].",
    ),
)
