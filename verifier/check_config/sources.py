"""The files that people have of a deployment: found in folders, told apart, and read once.

A name may be a file, a folder, ``-`` for standard input, or a pipe such as a shell's
``<(docker exec … cat …)``. A folder may be Prosody's (``/etc/prosody``), docker-jitsi-meet's own
(with ``.env`` and the Compose file), the one of its settings (``~/.jitsi-meet-cfg``), or a copy of
one of them. ``_PLACES`` lists the files that are looked for. The kind of a file is what it
contains; its name decides only if the content does not.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["prosody", "env", "compose", "jicofo", "properties", "web", "unknown"]

MAX_BYTES: Final = 500_000
STANDARD_INPUT: Final = Path("-")
KIND_NAMES: Final[dict[Kind, str]] = {
    "prosody": "Prosody's configuration",
    "env": "docker-jitsi-meet's .env",
    "compose": "a Compose file",
    "jicofo": "Jicofo's configuration",
    "properties": "Jicofo's older configuration",
    "web": "the web client's configuration",
    "unknown": "not read: no file of Jitsi's",
}
COMPOSE_NAMES: Final = (
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
)
_OVERRIDES: Final = tuple(name.replace(".y", ".override.y") for name in COMPOSE_NAMES)
_PROSODY_FOLDERS: Final = (".", "prosody", "prosody/config", "config")
_PLACES: Final = (
    *("jicofo.conf", "jicofo/jicofo.conf", "jitsi/jicofo/jicofo.conf"),
    *("jicofo/sip-communicator.properties", "jitsi/jicofo/sip-communicator.properties"),
    *("config.js", "web/config.js", "meet/*-config.js", "jitsi/meet/*-config.js"),
)
"""The files beside Prosody's, from the folder that is named."""
_CONTENTS: Final[dict[Kind, re.Pattern[str]]] = {
    "prosody": re.compile(r"^[ \t]*(?:VirtualHost|Component|Include)[ \t]*[(\"'\[]", re.MULTILINE),
    "compose": re.compile(r"^(?:services[ \t]*:[ \t]*(?:#.*)?$|\{\s*\"services\")", re.MULTILINE),
    "jicofo": re.compile(r"^[ \t]*\"?jicofo\"?[ \t]*(?:[{:=]|\.[a-z])", re.MULTILINE),
    "properties": re.compile(r"^org\.jitsi\.jicofo\.[A-Za-z_.]+=", re.MULTILINE),
    "web": re.compile(r"^[ \t]*(?:(?:var|let|const)[ \t]+config[ \t]*=|config\.\w)", re.MULTILINE),
}
_ENV_LINE: Final = re.compile(r"(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=")
_SUFFIXES: Final[dict[str, Kind]] = {
    ".lua": "prosody",
    ".env": "env",
    ".yml": "compose",
    ".yaml": "compose",
    ".js": "web",
    ".conf": "unknown",
    ".json": "unknown",
    ".properties": "properties",
}
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How a text begins that PowerShell or an editor of Windows wrote in UTF-16."""
_PIPES: Final = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or a file that was looked for.

    Attributes:
        path: The file.
        kind: What the file is taken for.
        text: The content, in which surrogates stand for bytes that are not UTF-8.
    """

    path: Path
    kind: Kind
    text: str


def find_files(path: Path) -> list[Path]:
    """Return the files of a folder that describe a deployment; a file is itself.

    Raises:
        OSError: The folder cannot be read, or has no such file.
    """
    if path == STANDARD_INPUT or not path.is_dir():
        return [path]
    next(path.iterdir(), None)  # an error, where glob would find nothing
    found = [*_prosody_files(path), *_compose_files(path)]
    for place in _PLACES:
        found += sorted(path.glob(place))
    if not found:
        expected = "prosody.cfg.lua, conf.d/*.cfg.lua, docker-compose.yml, .env or jicofo.conf"
        reason = (
            f"no file of Jitsi's is in this folder, expected {expected} (newer containers write"
            " their files to /run/prosody/config: copy that folder with docker cp)"
        )
        raise FileNotFoundError(errno.ENOENT, reason)
    return found


def _prosody_files(path: Path) -> list[Path]:
    for folder in _PROSODY_FOLDERS:
        main = path / folder / "prosody.cfg.lua"
        if main.is_file():
            # In a copy, the files of conf.d may stand beside the main file.
            has_folder = main.with_name("conf.d").is_dir()
            return [main, *([] if has_folder else _lua_files(main.parent, "*.cfg.lua", main.name))]
    for folder in _PROSODY_FOLDERS:
        for pattern in ("conf.d/*.cfg.lua", "*.cfg.lua"):
            if files := _lua_files(path / folder, pattern):
                return files
    return []


def _lua_files(folder: Path, pattern: str, without: str = "") -> list[Path]:
    # Prosody's Include also leaves out hidden files.
    files = sorted(folder.glob(pattern))
    return [file for file in files if file.name[0] != "." and file.name != without]


def find_disabled(path: Path) -> list[Path]:
    """Return the files of Debian's ``conf.avail`` in a folder that no link in ``conf.d`` names."""
    found: list[Path] = []
    for folder in _PROSODY_FOLDERS:
        available = path / folder / "conf.avail"
        links = available.with_name("conf.d").glob("*.cfg.lua")
        enabled = {os.path.realpath(_copied(file) or file) for file in links}
        files = _lua_files(available, "*.cfg.lua")
        found += [file for file in files if os.path.realpath(file) not in enabled]
    return found


def find_copy(path: Path, beside: Iterable[Path]) -> Path | None:
    """Return what a name or link of another machine means in a copy of its folder; else None.

    Args:
        path: A file or folder that does not exist here.
        beside: The files that were copied; ``/etc/prosody/conf.d`` is the ``conf.d`` beside one.
    """
    if path.is_symlink():
        return _copied(path)
    folder = path.parent.name
    for file in beside:
        for copy in (file.parent / folder / path.name, file.parent / path.name):
            if copy.exists() and copy != path:
                return copy
    return None


def _copied(link: Path) -> Path | None:
    """Return the file of ``conf.avail`` that a copied link of Debian's ``conf.d`` means."""
    if not link.is_symlink() or link.exists():
        return None
    copy = link.parent.with_name("conf.avail") / link.readlink().name
    return copy if copy.is_file() else None


def _compose_files(path: Path) -> list[Path]:
    found: list[Path] = []
    for names in (COMPOSE_NAMES, _OVERRIDES):
        # Docker Compose takes the first name that exists, and its override.
        found += [path / name for name in names if (path / name).is_file()][:1]
    dotenv = path / ".env"
    return [*found, dotenv] if dotenv.is_file() else found


def read_source(path: Path) -> Source:
    """Read a file and decide what it is.

    Raises:
        OSError: The file cannot be read, or is not a text.
    """
    content = read_given(path)
    if content.startswith(_UTF_16):
        raise OSError(errno.EINVAL, "a text in UTF-16, expected UTF-8")
    text = content.decode("utf-8", "surrogateescape")
    return Source(path, _kind(path, text.removeprefix("\ufeff")), text)


def read_given(path: Path) -> bytes:
    """Return the content of a file that a person named: also of a pipe.

    Raises:
        OSError: The file is too large, or cannot be read.
    """
    if path == STANDARD_INPUT:
        return _bounded(sys.stdin.buffer.read(MAX_BYTES + 1))
    if str(path).startswith(_PIPES):
        return _read_all(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    return read_bytes(str(_copied(path) or path))


def read_bytes(file: str) -> bytes:
    """Return the content of a regular file that is no larger than a configuration.

    Raises:
        OSError: The file is something else, is too large, or cannot be read.
    """
    # O_NONBLOCK: opening a named pipe must not wait for a writer.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return _read_all(descriptor)
    os.close(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, "not a regular file")


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as opened:
        return _bounded(opened.read(MAX_BYTES + 1))


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"larger than {MAX_BYTES} bytes, expected a configuration")
    return content


def _kind(path: Path, text: str) -> Kind:
    name = path.name.removesuffix("~").removesuffix(".bak").removesuffix(".txt")
    # A .env may contain Lua in a value, so its name and lines count first.
    if name.endswith(".env") or name.startswith((".env", "env.")):
        return "env"
    if not name.endswith(".lua") and _is_env(text):
        return "env"
    if re.fullmatch(r"jicofo.*\.conf", name):
        return "jicofo"
    for kind, pattern in _CONTENTS.items():
        if pattern.search(text):
            return kind
    return _SUFFIXES.get(Path(name).suffix, "prosody")


def _is_env(text: str) -> bool:
    """Return whether every line that says something has the form ``NAME=value``.

    The environment of a container also has names in lower case, such as ``no_proxy``.
    """
    lines = [_ENV_LINE.match(line) for line in _saying(text)]
    return all(lines) and any(line["name"].isupper() for line in lines if line)


def _saying(text: str) -> Iterator[str]:
    for line in text.splitlines():
        bare = line.strip()
        if bare and not bare.startswith("#"):
            yield bare
