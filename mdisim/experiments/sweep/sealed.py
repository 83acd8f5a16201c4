"""Parquet files that carry their own checksum: those of a sweep that are written after its provenance.

The SHA-256 of a file stands in it just before the footer. A Parquet file is read from its end, which says how long
the footer is, and the footer says where the columns are; so every reader passes over it.
"""

from __future__ import annotations

import os
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from mdisim.errors import InputError
from mdisim.files import content, naming
from mdisim.folders import damaged

END_BYTES = 8  # of every Parquet file: the length of the footer, and PAR1
SEAL_BYTES = 32
LIMIT_BYTES = 2_000_000_000


def write(table: pyarrow.Table, path: Path, aside: Path, **how: Any) -> None:
    """Write a table: it appears whole, and outlasts a loss of power. `aside` is where it is until then."""
    raw = BytesIO()
    pyarrow.parquet.write_table(table, raw, **how)
    with naming(path):
        with aside.open("wb") as file:
            file.write(_sealed(raw.getvalue()))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)


def read(path: Path) -> pyarrow.Table:
    """Read a table; a ResultsError names a file that is not as it was written."""
    try:
        raw = content(path, LIMIT_BYTES)
    except OSError as error:
        raise damaged(path, "it is missing or unreadable") from error
    except InputError as error:
        raise damaged(path, f"it {error}") from error
    at = _footer(raw) - SEAL_BYTES
    plain = raw[: max(at, 0)] + raw[at + SEAL_BYTES :]
    if at < 0 or sha256(plain).digest() != raw[at : at + SEAL_BYTES]:
        raise damaged(path, "its checksum does not fit")
    return pyarrow.parquet.read_table(BytesIO(raw))


def _sealed(raw: bytes) -> bytes:
    at = _footer(raw)
    return raw[:at] + sha256(raw).digest() + raw[at:]


def _footer(raw: bytes) -> int:
    """Where the footer begins; below zero in what is no Parquet file."""
    return len(raw) - END_BYTES - int.from_bytes(raw[-END_BYTES : -END_BYTES // 2], "little")
