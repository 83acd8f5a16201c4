"""The command line: parse, call, print. Results go to stdout, progress to stderr, files only where told.

Exit codes: 0 done, 1 the run itself failed, 2 bad input, told in one message. What else goes wrong is a fault
of the program and keeps its traceback. Commands import what they need, so that help comes at once.
"""

from __future__ import annotations

import errno
import io
import os
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from mdisim import __version__
from mdisim.cli.calibration import calibrate
from mdisim.cli.catalogues import profile, profiles
from mdisim.cli.checks import check
from mdisim.cli.output import prepare_streams, say, say_traceback
from mdisim.cli.recipes import policies
from mdisim.cli.reports import report
from mdisim.cli.runs import compare, run, schema
from mdisim.cli.sweeps import search, sweep, tune
from mdisim.cli.trace_making import fit, list_traces, synth
from mdisim.cli.traces import trace
from mdisim.errors import InputError, MdisimError
from mdisim.printable import is_text

FAILED, BAD_INPUT = 1, 2
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # what is asked for is sound, and the disk is not
STOPPING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
EXTRAS = {
    "torch": "torch",
    "PIL": "torch",
    "seaborn": "plot",
    "matplotlib": "plot",
    "jinja2": "plot",
    "distributed": "dask",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mdisim", message="%(prog)s %(version)s")
def program() -> None:
    """Simulate early-exit inference that is distributed over the devices of a network."""


for command in (check, run, compare, sweep, search, tune, report, calibrate, schema):
    program.add_command(command)
for command in (policies, profiles, profile, list_traces, trace):
    program.add_command(command)
for command in (synth, fit):
    trace.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; what the user cannot help is raised."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    prepare_streams()
    if arguments is None:  # this process is the command
        sys.excepthook = say_traceback
        warnings.showwarning = _warn
    garbled = next((argument for argument in given if not is_text(argument)), None)
    if garbled is not None:
        return _told(f"the argument {garbled!a} is not text in UTF-8", BAD_INPUT)
    try:
        os.getcwd()
    except FileNotFoundError:
        return _told("the current folder was removed; change to one that is there", BAD_INPUT)
    try:
        with _terminable():
            program.main(given, prog_name="mdisim", obj=shlex.join(["mdisim", *given]), standalone_mode=False)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        say(text.getvalue(), err=True, end="")
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        return _told("stopped", FAILED)
    except BrokenPipeError:  # whoever read our output has gone, as in `mdisim policies | head -1`
        _discard_output()
        return FAILED
    except OSError as error:
        _discard_output()
        full = error.filename is None or error.errno in FULL
        where = "standard output" if error.filename is None else error.filename
        return _told(f"{where}: {error.strerror or error}", FAILED if full else BAD_INPUT)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        return _told(f"this needs {error.name}: pip install 'mdisim[{EXTRAS[error.name]}]'", BAD_INPUT)
    except MdisimError as error:
        is_input = isinstance(error, InputError) and not _of_full_disk(error)
        return _told(str(error), BAD_INPUT if is_input else FAILED)
    return 0


def _told(message: str, code: int) -> int:
    say(f"Error: {message}", err=True)
    return code


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"warning: {message}", err=True)


def _of_full_disk(error: BaseException) -> bool:
    """Whether what could not be written is behind an error."""
    cause = error.__cause__
    return cause is not None and (getattr(cause, "errno", None) in FULL or _of_full_disk(cause))


def _discard_output() -> None:
    """Let what could not be written go, or Python would try again at its end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM, and SIGHUP of a closed terminal, stop the command as Ctrl-C does, with its processes."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    ours = [number for number in STOPPING if before[number] != signal.SIG_IGN]  # nohup has it ignored
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number] or signal.SIG_DFL)


def _stop(*_: Any) -> None:
    from multiprocessing import active_children

    for child in active_children():
        child.terminate()
    raise KeyboardInterrupt
