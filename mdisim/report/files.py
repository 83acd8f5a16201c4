"""Files of the report: there whole or not at all, in a folder that is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def need_folder(target: Path, error_of: type[ValueError]) -> None:
    """Raise ``error_of`` where the folder of a file is not there."""
    if not target.parent.is_dir():
        raise error_of(f"{target}: there is no folder {target.parent}; make it first, or name one that is there")


@contextmanager
def whole(target: Path, error_of: type[ValueError]) -> Iterator[Path]:
    """A path to write to; the file gets its own name, and replaces what has it, when all is written.

    Raises ``error_of`` where the file system refuses; then nothing is left behind.
    """
    fresh = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield fresh
        fresh.replace(target)
    except OSError as error:
        why = error.strerror or error
        raise error_of(f"{target}: cannot be written: {why}; a file in a folder of yours would do") from error
    finally:
        fresh.unlink(missing_ok=True)
