"""Files of a configuration: read if they can be one, written for their owner's eyes only."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

_LARGEST: Final = 500_000


def read_bytes(file: str) -> bytes:
    """Read a regular file of a configuration's size.

    Raises:
        OSError: it is none, or cannot be read.
    """
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as opened:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        body = opened.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise OSError(errno.EFBIG, f"larger than {_LARGEST} bytes, expected a configuration")
    return body


def write_private(path: Path, text: str, *, force: bool) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        OSError: it cannot be written, or is there and ``force`` is not given.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        if force:
            Path(name).replace(path)
        else:
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
