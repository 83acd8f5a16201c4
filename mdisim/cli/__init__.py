"""The command line: parse, call, print. Results go to stdout, progress to stderr, files only where told.

Exit codes: 0 done, 1 the run itself failed, 2 bad input, told in one message. What else goes wrong is a fault
of the program and keeps its traceback. Commands import what they need, so that help comes at once.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from mdisim import __version__
from mdisim.cli.calibration import calibrate
from mdisim.cli.catalogues import profile, profiles
from mdisim.cli.recipes import policies
from mdisim.cli.reports import report
from mdisim.cli.runs import check, compare, run, schema
from mdisim.cli.sweeps import search, sweep, tune
from mdisim.cli.trace_making import fit, list_traces, synth
from mdisim.cli.traces import trace
from mdisim.errors import InputError, MdisimError

FAILED, BAD_INPUT = 1, 2
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
    garbled = next((argument for argument in given if not _is_text(argument)), None)
    if garbled is not None:
        return _told(f"the argument {garbled!a} is not text in UTF-8", BAD_INPUT)
    try:
        with _terminable():
            program.main(given, prog_name="mdisim", obj=shlex.join(["mdisim", *given]), standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        return _told("stopped", FAILED)
    except BrokenPipeError:  # whoever read our output has gone, as in `mdisim policies | head -1`
        _discard_output()
        return FAILED
    except OSError as error:
        if error.filename is None:  # such as output to a full disk
            _discard_output()
            return _told(error.strerror or str(error), FAILED)
        return _told(f"{error.filename}: {error.strerror}", BAD_INPUT)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        return _told(f"this needs {error.name}: pip install 'mdisim[{EXTRAS[error.name]}]'", BAD_INPUT)
    except MdisimError as error:
        return _told(str(error), BAD_INPUT if isinstance(error, InputError) else FAILED)
    return 0


def _told(message: str, code: int) -> int:
    click.echo(f"Error: {message}", err=True)
    return code


def _is_text(argument: str) -> bool:
    """Whether an argument can be printed and written: bytes that are no text arrive as lone surrogates."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _discard_output() -> None:
    """Let what could not be written go, or Python would try again at its end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM stop the command as Ctrl-C does, with the processes it started."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _stop(*_: Any) -> None:
    from multiprocessing import active_children

    for child in active_children():
        child.terminate()
    raise KeyboardInterrupt
