"""Where everything leaves that the command line says: text, tables, JSON and progress.

All of it may hold text of files. Nothing that a terminal would obey goes out, and what a terminal's encoding lacks
is written in ASCII. No other module of the command line writes.
"""

from __future__ import annotations

import codecs
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from mdisim.printable import escaped, is_printable, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

PIPED_WIDTH = 200
LINES = "\n\t"  # what may stand between printable characters
UNENCODABLE = "mdisim.plain"  # the name of `_in_ascii` among Python's handlers of errors
PLAIN = {"±": "+-", "µ": "u", "−": "-", "–": "-", "→": "->", "≥": ">=", "≤": "<=", "×": "x", "…": "..."}


def say(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Print text on stdout or stderr; there is none where it was closed, as in `>&-`."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None:
        stream.write(printable(text, LINES) + end)
        stream.flush()


def as_json(rows: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> None:
    """Print plain data as JSON."""
    from mdisim.folders import plain

    text = json.dumps(plain(rows), indent=2, ensure_ascii=not _knows_unicode(sys.stdout))
    say("".join(one if one == "\n" or is_printable(one) else json.dumps(one)[1:-1] for one in text))


def table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """Print rows of the same keys as a table."""
    from rich import box
    from rich.table import Table

    made = Table(title=title and printable(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for i, key in enumerate(rows[0] if rows else ()):
        made.add_column(printable(key, "\n"), overflow="fold", no_wrap=i == 0)
    for row in rows:
        made.add_row(*(printable(str(value), "\n") for value in row.values()))
    _console().print(made)


def show(*lines: str) -> None:
    """Print lines, wrapped at the width of the terminal, and never narrower than what a pipe can take."""
    for line in lines:
        _console().print(printable(line, LINES))


def width() -> int:
    """How many letters fit into a line."""
    return int(_console().width)


def height() -> int:
    """How many lines fit on the screen."""
    return int(_console().height)


def is_watched() -> bool:
    """Whether somebody looks on at what goes to stderr."""
    return _is_terminal(sys.stderr)


@contextmanager
def bar(what: str, *columns: ProgressColumn, total: float | None = None) -> Iterator[Callable[..., None]]:
    """A bar on stderr, only where that is a terminal; what is called changes it, as rich's `Progress.update`.

    A `description` and a `note` are texts; `columns` stand between the bar and the note.
    """
    if not is_watched():
        yield lambda **_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    first, last = (TextColumn(field, markup=False) for field in ("{task.description}", "{task.fields[note]}"))
    with Progress(first, BarColumn(), *columns, last, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(printable(what), total=total, note="")

        def update(**fields: Any) -> None:
            safe: dict[str, Any] = {k: printable(v) if isinstance(v, str) else v for k, v in fields.items()}
            progress.update(task, **safe)

        yield update


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[float], None]]:
    """A bar that is told the share that is done."""
    from rich.progress import TaskProgressColumn, TimeRemainingColumn

    with bar(what, TaskProgressColumn(), TimeRemainingColumn(), total=1.0) as update:
        yield lambda share: update(completed=share)


def prepare_streams() -> None:
    """Let stdout and stderr take every character, whatever their encoding."""
    codecs.register_error(UNENCODABLE, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=UNENCODABLE)


def say_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what is a fault of the program, as Python does; its message may hold text of files, too."""
    say("".join(traceback.format_exception(kind, error, trace)), err=True, end="")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(one, escaped(one)) for one in missing), error.end


def _console() -> Console:
    from rich.console import Console

    return Console(
        width=None if _is_terminal(sys.stdout) else PIPED_WIDTH, highlight=False, markup=False, emoji=False
    )


def _is_terminal(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()


def _knows_unicode(stream: IO[str] | None) -> bool:
    return stream is not None and str(getattr(stream, "encoding", "")).lower().startswith("utf")
