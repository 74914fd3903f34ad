"""The declaration of one option; everything else about options follows from it.

An option is declared once, as a field of a dataclass in ``options``::

    decision_ttl: int = option("VERIFIER_DECISION_TTL", UP_TO_A_DAY, 30, unit="seconds", help="…")

The field's name is the TOML key, its annotation is the type of the attribute of ``Settings``, and
``option`` puts everything else into the field's metadata. A table beside a dataclass would repeat
each name and could disagree; a plain dataclass has no room for help, units and variables. mypy
checks the attributes, because they are ordinary fields.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from verifier.config.value_types import ValueType

REQUIRED: Final = "required"
"""The default, in words, of an option that must be given."""

_KEY: Final = "option"


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        variable: Its environment variable; None where there is none.
        type: How its value is written.
        default: Its value where none is given; None where it is off or follows from other options.
        default_text: The default in words, for documentation.
        help: What the option does, in one line.
        unit: What its number counts; empty where the value is not a number.
        note: What else an operator should know, for the configuration page.
        example: A TOML value for documents.
        per_host: Whether a ``[hosts."…"]`` table may have it.
        together: The name of the group of options that a host's table replaces as a whole.
        always_shown: Whether ``check-config`` shows it even at its default.
        table: The TOML table that it belongs to; empty for the top of the file.
        attribute: The attribute of ``Settings``.
    """

    variable: str | None
    type: ValueType
    default: Any
    default_text: str
    help: str
    unit: str
    note: str
    example: str
    per_host: bool
    together: str
    always_shown: bool
    table: str
    attribute: str = ""

    @property
    def name(self) -> str:
        """The TOML key, dotted in a table."""
        if not self.table:
            return self.attribute
        return f"{self.table}.{self.attribute.removeprefix(f'{self.table}_')}"

    @property
    def file_key(self) -> str | None:
        """The TOML key that names a file with this secret; None where it is not a secret."""
        return f"{self.name}_file" if self.type.secret else None

    @property
    def file_variable(self) -> str | None:
        """The variable that names a file with this secret; None where it is not a secret."""
        return f"{self.variable}_FILE" if self.type.secret and self.variable else None

    @property
    def names(self) -> list[str]:
        """Every name: the TOML key and the environment variables."""
        return [name for name in (self.name, self.variable, self.file_variable) if name]


def option(  # noqa: PLR0913  # a declaration has as many parts as there are places that use it
    variable: str | None,
    type_: ValueType,
    default: Any = None,
    default_text: str | None = None,
    *,
    help: str,  # noqa: A002  # the word that argparse uses
    example: str,
    unit: str = "",
    note: str = "",
    per_host: bool = False,
    together: str = "",
    always_shown: bool = False,
    table: str = "",
) -> Any:
    """Declare an option as a field of a dataclass; the arguments are attributes of ``Option``.

    Args:
        variable: Its environment variable.
        type_: How its value is written.
        default: Its value where none is given.
        default_text: The default in words; None makes the words from ``default``.
        help: What the option does.
        example: A TOML value.
        unit: What its number counts.
        note: What else an operator should know.
        per_host: Whether a host's table may have it.
        together: The group that a host's table replaces as a whole.
        always_shown: Whether ``check-config`` shows it always.
        table: The TOML table that it belongs to.
    """
    text = _describe_default(default) if default_text is None else default_text
    declared = Option(
        variable=variable,
        type=type_,
        default=default,
        default_text=text,
        help=help,
        unit=unit,
        note=inspect.cleandoc(note),
        example=example,
        per_host=per_host,
        together=together,
        always_shown=always_shown,
        table=table,
    )
    # No default of the field: ``validate`` must decide about each option.
    return field(repr=not type_.secret, metadata={_KEY: declared})


def options_of(topic: type) -> Iterator[Option]:
    """Return the options that a dataclass declares, in the order of the file."""
    for declared in dataclasses.fields(topic):
        if _KEY in declared.metadata:
            yield dataclasses.replace(declared.metadata[_KEY], attribute=declared.name)


def _describe_default(default: Any) -> str:
    if default is None or default in ((), {}):
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ", ".join(map(str, default))
    return f"{default:.12g}" if isinstance(default, float) else str(default)
