"""YAML as a tree of nodes with their lines.

Values stay texts, because Docker Compose passes an environment on as texts. An alias is the node
that it names, not a copy; a merge key (``<<``) is followed only while a name is looked up. So the
cost is bounded by the size of the file, also of one whose aliases double from line to line. The
parser (libyaml, if PyYAML has it) reports events; the tree is built without recursion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE: Final = "<<"
_MAX_MERGES: Final = 1000
_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))


class YamlError(Exception):
    """The text is not YAML.

    Attributes:
        line: The line of the error, from 1.
    """

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(f"not YAML at line {line}")


@dataclass(slots=True)
class Scalar:
    """A text; None for YAML's null."""

    value: str | None
    line: int


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """A mapping, with its pairs as they are written."""

    line: int
    pairs: list[tuple[Node, Node]] = field(default_factory=list)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Yield all pairs whose key is a text: those of merged mappings first."""
        seen: set[int] = set()
        stack: list[tuple[Mapping, bool]] = [(self, False)]
        while stack:
            mapping, merged = stack.pop()
            if merged:
                yield from mapping.own_pairs()
                continue
            stack.append((mapping, True))
            if id(mapping) in seen or len(seen) > _MAX_MERGES:
                continue
            seen.add(id(mapping))
            stack += [(other, False) for other in mapping.merged() if id(other) not in seen]

    def get(self, key: str) -> Node | None:
        """Return the value of a key; None without it."""
        found = None
        for name, value in self.items():
            found = value if name == key else found
        return found

    def own_pairs(self) -> Iterator[tuple[str, Node]]:
        """Yield the pairs that are written here."""
        for key, value in self.pairs:
            if isinstance(key, Scalar) and key.value is not None and key.value != _MERGE:
                yield key.value, value

    def merged(self) -> list[Mapping]:
        """Return the merged mappings; an earlier one has precedence, so it is the last to read."""
        found: list[Mapping] = []
        for key, value in self.pairs:
            if isinstance(key, Scalar) and key.value == _MERGE:
                others = value.items if isinstance(value, Sequence) else [value]
                found += [other for other in others if isinstance(other, Mapping)]
        return found


Node: TypeAlias = Scalar | Sequence | Mapping


def read_yaml(text: str) -> Node | None:
    """Return the root of the first document; None if there is none.

    Raises:
        YamlError: The text is not YAML.
    """
    try:
        return _build(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise YamlError(1 if mark is None else mark.line + 1) from None


def _build(events: Iterator[yaml.Event]) -> Node | None:
    root: Node | None = None
    anchors: dict[str, Node] = {}
    open_nodes: list[Sequence | Mapping] = []
    keys: list[Node | None] = []  # the key that waits for its value, for each open node
    for event in events:
        if isinstance(event, yaml.DocumentEndEvent):
            break
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
            keys.pop()
            continue
        node = _node(event, anchors)
        if node is None:
            continue
        if not open_nodes:
            root = node
        elif isinstance(parent := open_nodes[-1], Sequence):
            parent.items.append(node)
        elif (key := keys[-1]) is None:
            keys[-1] = node
        else:
            parent.pairs.append((key, node))
            keys[-1] = None
        if isinstance(event, yaml.CollectionStartEvent) and isinstance(node, Sequence | Mapping):
            open_nodes.append(node)
            keys.append(None)
    return root


def _node(event: yaml.Event, anchors: dict[str, Node]) -> Node | None:
    line = 1 if event.start_mark is None else event.start_mark.line + 1
    node: Node
    match event:
        case yaml.AliasEvent():
            return anchors.get(event.anchor or "", Scalar(None, line))
        case yaml.ScalarEvent():
            is_plain = event.style is None or event.style == ""
            is_null = is_plain and event.value in _NULLS and event.tag is None
            node = Scalar(None if is_null else event.value, line)
        case yaml.SequenceStartEvent():
            node = Sequence(line)
        case yaml.MappingStartEvent():
            node = Mapping(line)
        case _:
            return None
    if event.anchor:
        anchors[event.anchor] = node
    return node
