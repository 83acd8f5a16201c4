"""How processes are started here: they do not import from the current folder, and Ctrl-C does not reach them.

Python puts the current folder first on the path of a process that is started with -m or -c, as pools of
processes are. A file such as `numpy.py` there would be run in place of the library, whether code is allowed or
not. A process of ours gets the path of the one that started it, and no other place.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SAFE_PATH = "PYTHONSAFEPATH"


@contextmanager
def safe_path() -> Iterator[None]:
    """Within it, no Python that is started puts the current folder on its path."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


@contextmanager
def without_interrupts() -> Iterator[None]:
    """What is started within it never gets SIGINT; a SIGINT of our own waits until its end.

    A terminal sends Ctrl-C to all processes of a command. Workers that are busy with their imports would each
    print a traceback; the process that started them ends them. Signal masks are inherited.
    """
    if not hasattr(signal, "pthread_sigmask"):  # only POSIX has it
        yield
        return
    _start_trackers()
    with _later_interrupt():
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _later_interrupt() -> Iterator[None]:
    """Other threads of ours still get SIGINT; the main thread hears of it when a process is completely started."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    caught: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if caught:
            signal.raise_signal(signal.SIGINT)


def _start_trackers() -> None:
    """Start what keeps account of shared resources: when it starts, it lets SIGINT through again."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as lokys

    resource_tracker.ensure_running()
    lokys.ensure_running()
