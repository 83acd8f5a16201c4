"""Traces as files: read in any of the public formats, told apart by content; written whole or not at all."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from mdisim.files import content, whole
from mdisim.traces.formats import FORMATS, WRITTEN, table, told_apart
from mdisim.traces.formats.page import Page
from mdisim.traces.trace import Trace, TraceError

AnyPath = str | os.PathLike[str]
LIMIT_BYTES = 128 << 20


def read(
    path: AnyPath,
    format: str | None = None,
    *,
    bin_s: float | None = None,
    column: str | None = None,
    time: str | None = None,
    rate: str | None = None,
    unit: str | None = None,
    gap: str | None = None,
    limit_bytes: int = LIMIT_BYTES,
    called: str = "",
) -> Trace:
    """The trace in the file at `path`; the format is told from its content unless it is named (see FORMATS).

    `bin_s` [s] is how finely a Mahimahi file's packets are counted (0.1), `column` which bitrate of an Irish
    log is meant (DL_bitrate), or which way of an iperf3 result (sum). `time`, `rate` and `unit` name two columns
    of any table and the unit of its rates, such as Mbps. `gap` is what to make of a gap in such a table or an
    Irish log: `outage`, `hold` or `cut`; without it a gap of more than ten median steps is refused. Messages
    call the file `called`, or else by its path. Raises a TraceError with the file, the line, what is wrong and
    what to do; of many faults the first five and their number.
    """
    page = _page(path, limit_bytes, called)
    if not (time is rate is unit is None):
        return _table(page, format, time, rate, unit, gap)
    name = told_apart(page) if format is None else _known(format, tuple(FORMATS))
    options = {
        key: value for key, value in {"bin_s": bin_s, "column": column, "gap": gap}.items() if value is not None
    }
    for key in options:
        if key not in FORMATS[name].options:
            fit = " and ".join(other for other, form in FORMATS.items() if key in form.options)
            raise TraceError(f"{page.where}: is in the format {name}; {key} is for {fit} files, leave it out")
    with np.errstate(all="ignore"):  # what comes of absurd numbers is refused in words
        return replace(FORMATS[name].parse(page, **options), read_as=f"{name} ({FORMATS[name].units})")


def _table(
    page: Page, format: str | None, time: str | None, rate: str | None, unit: str | None, gap: str | None
) -> Trace:
    """The trace in two columns of any table."""
    if format is not None:
        raise TraceError(f"{page.where}: a format is named, and columns are; leave out format or time, rate, unit")
    if time is None or rate is None or unit is None:
        given = {"time": time, "rate": rate, "unit": unit}
        missing = " and ".join(name for name, value in given.items() if value is None)
        raise TraceError(f"{page.where}: of time, rate and unit all three are needed; give {missing}, too")
    with np.errstate(all="ignore"):
        return replace(table.parse(page, time, rate, unit, gap), read_as=table.read_as(page, time, rate, unit))


def format_of(path: AnyPath, *, limit_bytes: int = LIMIT_BYTES) -> str:
    """The name of the format that the file at `path` is in; a TraceError where that cannot be told."""
    return told_apart(_page(path, limit_bytes))


def write(trace: Trace, path: AnyPath, format: str = "mdisim") -> None:
    """Write a trace to `path`, whole or not at all.

    What the format has no place for is left out (see `left_out`). Raises a TraceError where it cannot hold the
    trace at all.
    """
    make = FORMATS[_known(format, WRITTEN)].text
    assert make is not None
    try:
        text = make(trace).encode()
    except TraceError as error:
        raise TraceError(f"{os.fspath(path)}: cannot be written as {format}: {error}") from error
    with whole(Path(path)) as fresh:
        fresh.write_bytes(text)


def left_out(trace: Trace, format: str) -> list[str]:
    """What of a trace a format has no place for, in words."""
    holds = FORMATS[_known(format, WRITTEN)].holds
    parts = {"latency_s": trace.latency_s is not None, "loss": trace.loss is not None}
    missing = [name for name, there in parts.items() if there and name not in holds]
    return missing + ([f"that it ends in {trace.end}"] if trace.end != "loop" and "end" not in holds else [])


def _known(format: str, names: tuple[str, ...]) -> str:
    if format in names:
        return format
    what = "format" if names == tuple(FORMATS) else "format to write"
    raise TraceError(f"no {what} {format!r}; there are {', '.join(names)}")


def _page(path: AnyPath, limit_bytes: int, called: str = "") -> Page:
    """The file's text; what is too large, no file or no text is refused before more than that is read."""
    where = called or os.fspath(path)
    try:
        raw = content(path, limit_bytes)
    except FileNotFoundError as error:
        raise TraceError(f"{where}: no such file; the path of a trace would do") from error
    except OSError as error:
        raise TraceError(f"{where}: cannot be read: {error.strerror}; the path of a trace would do") from error
    except ValueError as error:
        raise TraceError(f"{where}: {error}; a regular file of a trace, or a part of it, would do") from error
    if b"\0" in raw:
        raise TraceError(f"{where}: is no text but binary (byte {raw.index(0)} is 0); a text in UTF-8 would do")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TraceError(f"{where}: is no text in UTF-8 (byte {error.start}); a text in UTF-8 would do") from error
    if not text.strip():
        raise TraceError(f"{where}: is empty; one of the formats {', '.join(FORMATS)} would do")
    return Page(where, text.replace("\r\n", "\n").replace("\r", "\n"))
