"""Files that are there whole or not at all, in a folder that is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from mdisim.errors import InputError


def need_folder(target: Path, error_of: type[InputError]) -> None:
    """Raise ``error_of`` where the folder of a file is not there."""
    if not os.path.isdir(target.parent):  # Path's own raises where a name is too long
        raise error_of(f"{target}: there is no folder {target.parent}; make it first, or name one that is there")


@contextmanager
def whole(target: Path, error_of: type[InputError] | None = None) -> Iterator[Path]:
    """A path to write to; the file gets its own name, and replaces what has it, when all is written.

    Where that fails nothing is left behind. Of what the file system refuses ``error_of`` tells, if there is one.
    """
    fresh = target.parent / f".{target.name}.{token_hex(4)}"
    try:
        yield fresh
        fresh.replace(target)
    except OSError as error:
        if error_of is None:
            raise
        why = error.strerror or error
        raise error_of(f"{target}: cannot be written: {why}; a file in a folder of yours would do") from error
    finally:
        with suppress(OSError):  # what could not be written cannot always be looked for either
            fresh.unlink()
