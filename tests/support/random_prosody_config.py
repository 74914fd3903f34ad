"""Random configurations of Prosody, of ordinary and extraordinary statements."""

from __future__ import annotations

import random

NAMES = ("app_id", "app_secret", "modules_enabled", "a", "b", "c")
LOCALS = ("l", "m", "n")
HOSTS = ("a.test", "B.test", "c.test")


class Generator:
    """Writes one configuration for each seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # no secret depends on it

    def configuration(self) -> str:
        """Write a file."""
        statements = [self._statement(0) for _ in range(self._random.randint(1, 12))]
        return "\n".join(["local l, m, n = { x = { 1, x = 'y' }; 'z' }, 'm', 3", *statements])

    def _pick(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _statement(self, depth: int) -> str:
        kinds = [self._option] * 6 + [self._host] * 4 + [self._local] * 3 + [self._part]
        kinds += [] if depth > 2 else [self._block] * 2
        return self._random.choice(kinds)(depth)

    def _option(self, depth: int) -> str:
        end = self._pick("", ";", " -- a comment", "; --[[ a comment ]]")
        return f"{self._pick(*NAMES)} = {self._expression(depth)}{end}"

    def _local(self, depth: int) -> str:
        attribute = self._pick("", " <const>")
        return f"local {self._pick('k', *LOCALS)}{attribute} = {self._expression(depth)}"

    def _part(self, depth: int) -> str:
        key = self._pick(".x", "[1]", "[#l + 1]", "['y z']", ".x.y")
        return f"{self._pick('l', 'l', *LOCALS)}{key} = {self._expression(depth)}"

    def _host(self, depth: int) -> str:
        name = f'"{self._pick(*HOSTS)}"'
        muc = f'"muc.{self._pick(*HOSTS)}"'
        if self._random.random() < 0.6:
            kind = self._pick("VirtualHost", "VirtualHost", "Host")
            return f"{kind} {name}{self._pick('', '', f' {self._table(depth)}')}"
        module = self._pick("", ' "muc"', ' "muc"', f' "muc" {self._table(depth)}')
        return f"Component {muc}{module}"

    def _block(self, depth: int) -> str:
        body = "\n".join(self._statement(depth + 1) for _ in range(self._random.randint(0, 3)))
        if self._random.random() < 0.4:
            return f"do {body} end"
        return f"if {self._expression(depth + 1)} then {body} else {self._statement(depth + 1)} end"

    def _expression(self, depth: int) -> str:
        if depth < 3 and self._random.random() < 0.35:
            left, right = self._expression(depth + 1), self._expression(depth + 1)
            operator = self._pick("..", "and", "or", "and", "or", "==", "~=")
            return f"({left} {operator} {right})" if depth else f"{left} {operator} {right}"
        if depth < 3 and self._random.random() < 0.25:
            return self._table(depth + 1)
        return self._random.choice((self._constant, self._constant, self._variable))()

    def _constant(self) -> str:
        return self._pick(
            *(
                '"text"',
                "'it\\'s'",
                "[[\nlong]]",
                "(2 * 3 + 1)",
                "[=[ ]] ]=]",
                '"\\65\\x42\\u{20AC}\\z  c"',
            ),
            *("1", "2.0", "0x1F", "1e3", "-7", "true", "false", "nil", '"10"', '""'),
        )

    def _variable(self) -> str:
        plain = self._pick(*LOCALS, *LOCALS, *LOCALS, *NAMES)
        return self._pick(plain, plain, f"not {plain}", "#m", "l.x", "l.x.x", "l[1]", f"{plain}.x")

    def _table(self, depth: int) -> str:
        items = [self._item(depth) for _ in range(self._random.randint(0, 3))]
        return "{ " + "".join(f"{item}{self._pick(',', ';')} " for item in items) + "}"

    def _item(self, depth: int) -> str:
        key = self._pick("", "", "x = ", '["y z"] = ', "[1] = ", "[2.0] = ")
        return f"{key}{self._expression(depth + 1)}"
