"""Files: read where they are regular and of bounded size; written whole or not at all, where a folder is there."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from stat import S_ISDIR, S_ISREG

from mdisim.errors import InputError

try:
    import fcntl
except ModuleNotFoundError:  # only POSIX has it
    fcntl = None  # type: ignore[assignment]

READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # opening a pipe would wait


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BufferedReader]:
    """Open a file for reading. An InputError where it is not a regular one: a device or a pipe might never end."""
    _need_regular(os.stat(path))  # before it is opened, which may wait, or do something to a device
    with open(os.open(path, READING), "rb") as file:
        _need_regular(os.fstat(file.fileno()))
        yield file


def _need_regular(status: os.stat_result) -> None:
    if not S_ISREG(status.st_mode):
        raise InputError("is no regular file")


def content(path: str | os.PathLike[str], limit_bytes: int) -> bytes:
    """Read a file; an InputError, whose message follows the name, where `opened` raises one or it is too large."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        raw = file.read(limit_bytes + 1) if size <= limit_bytes else b""
    if max(size, len(raw)) > limit_bytes:
        raise InputError(f"has {max(size, len(raw))} bytes, above the limit of {limit_bytes}")
    return raw


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a regular file, as 64 hexadecimal digits."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def need_folder(target: Path, error_of: type[InputError]) -> None:
    """Raise ``error_of`` where the folder of a file is not there."""
    if not os.path.isdir(target.parent):  # Path's own raises where a name is too long
        raise error_of(f"{target}: there is no folder {target.parent}; make it first, or name one that is there")


@contextmanager
def whole(target: Path, error_of: type[InputError] | None = None) -> Iterator[Path]:
    """A path to write to; the file gets its own name, and replaces what has it, when all is written.

    Where that fails nothing is left behind. Of what the file system refuses ``error_of`` tells, if there is one;
    an OSError names the file.
    """
    try:
        with naming(target), aside(target) as fresh:
            yield fresh
            fresh.replace(target)
    except OSError as error:
        if error_of is None:
            raise
        say = f"{target}: cannot be written: {error.strerror}; a file in a folder of yours would do"
        raise error_of(say) from error


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Give what the file system refuses the name of the file that was to be written; a full disk names none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), os.fspath(target)) from error


@contextmanager
def aside(target: Path, *, folder: bool = False) -> Iterator[Path]:
    """A hidden file or folder beside the target, to be filled and renamed; it is gone at the end.

    It is locked as long as its process lives. Hidden ones of the same target that are not were left behind by
    processes that were killed; they are removed.
    """
    _clear(target)
    fresh, descriptor = _made(target, folder)
    try:
        yield fresh
    finally:
        _remove(fresh)  # what could not be written cannot always be removed either
        if descriptor is not None:
            os.close(descriptor)


def _made(target: Path, folder: bool) -> tuple[Path, int | None]:
    """A new hidden file or folder, and the descriptor that keeps it locked."""
    while True:
        fresh = target.parent / f".{target.name}.{token_hex(4)}"
        if folder:
            fresh.mkdir(parents=True)
        else:
            fresh.touch(exist_ok=False)
        descriptor = _locked(fresh)
        if descriptor is None or _is_at(fresh, descriptor):
            return fresh, descriptor
        os.close(descriptor)  # it was removed before it was locked


def _clear(target: Path) -> None:
    """Remove what processes that are gone have left beside a target."""
    left = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{8}(\.old)?")
    with suppress(OSError):
        for name in os.listdir(target.parent):
            if left.fullmatch(name) and (descriptor := _locked(target.parent / name)) is not None:
                _remove(target.parent / name)
                os.close(descriptor)


def _locked(path: Path) -> int | None:
    """Lock a file or a folder until the descriptor is closed; None where another process has, or nobody can."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, READING)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # also on a file system that knows no locks
        os.close(descriptor)
        return None
    return descriptor


def _is_at(path: Path, descriptor: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    return False


def _remove(path: Path) -> None:
    with suppress(OSError):
        if S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
