"""Files that a scenario names: beside it or in the current folder; regular, of bounded size, read whole."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG


def found(folder: Path, name: str) -> Path:
    """A file in the scenario's folder or, where it has none so called, in that where `--set` is typed."""
    beside = folder / name
    return beside if os.path.exists(beside) or not os.path.exists(name) else Path(name)


def content(path: Path, limit_bytes: int) -> bytes:
    """Read a file. Raises ValueError with a message that follows the file's name."""
    if "\0" in str(path):
        raise ValueError(": no file is called so")
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):  # reading a device or a pipe might never end
            raise ValueError(": is no regular file")
        if status.st_size > limit_bytes:
            raise ValueError(f": has {status.st_size} bytes, above the limit of {limit_bytes}")
        return path.read_bytes()
    except FileNotFoundError:
        raise ValueError(
            ": there is no such file, neither in the scenario's folder nor in the current one"
        ) from None
    except OSError as error:
        raise ValueError(f": cannot be read: {error.strerror}") from None
