"""Where runs are done: in this process, on the cores of this machine, or on a cluster under dask.

Each is an executor as `concurrent.futures` knows it, with what is to be known besides: which exceptions tell of a
dead process, whether the executor is then broken, and how many tasks may wait in it.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from math import inf
from numbers import Integral
from typing import Any

from mdisim import __version__
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.processes import safe_path, without_interrupts

BACKENDS = ("local", "dask")
WATCH_S = 1.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Serial(Executor):
    """An executor that does the task at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do the task and return a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Dasks(Executor):
    """A client of dask as an executor; dask's own may leave a future open for ever where a worker has died.

    A task travels as bytes, which only the worker reads: where dask cannot read one, it may leave a future open,
    or tell of its own insides. Workers of our own cluster find modules where this process does.
    """

    def __init__(self, client: Any, cluster: Any = None) -> None:
        self._client, self._cluster = client, cluster
        self._paths = () if cluster is None else tuple(sys.path)
        self._packed = extra("cloudpickle", "dask").dumps  # it knows classes of a notebook
        self._held: set[Any] = set()  # dask forgets a task that nobody holds

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; close it if it is our own."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a task to dask."""
        ours: Future[Any] = Future()
        theirs = self._client.submit(unpacked, self._packed((fn, args, kwargs)), self._paths, pure=False)
        self._held.add(theirs)

        def pass_on(ended: Any) -> None:
            self._held.discard(ended)
            try:
                ours.set_result(ended.result())
            except BaseException as error:  # a CancelledError is one
                ours.set_exception(_lacking(error) or error)

        theirs.add_done_callback(pass_on)
        return ours


def unpacked(task: bytes, paths: Sequence[str] = ()) -> Any:
    """Do a task that came as bytes, in a worker that finds modules there, too, after its own places."""
    sys.path.extend(path for path in paths if path not in sys.path)
    fn, args, kwargs = pickle.loads(task)
    return fn(*args, **kwargs)


def _lacking(error: BaseException | None) -> ExperimentError | None:
    """The error that says what a cluster lacks, if that is what is behind an error."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return ExperimentError(
                f"the workers of the cluster have no module {error.name!r}: install it where they run, or put it "
                "on their PYTHONPATH"
            )
        if isinstance(error, RuntimeError) and "deserialization of the task graph" in str(error):
            return ExperimentError(
                f"the cluster cannot read a task: its scheduler and workers need mdisim {__version__}, and Python "
                "and dask of the same versions as here"
            )
        error = error.__cause__ or error.__context__
    return None


@dataclass
class Engine:
    """An open executor. `make` opens one of so many processes; `breaks` where it is of no use after a death.

    `ahead`: how many tasks it may hold at once; `deaths`: what a future of it raises when its process died.
    """

    make: Callable[[int], Executor]
    jobs: int = 1
    end: Callable[[Executor], None] = field(default=lambda executor: executor.shutdown())
    ahead: float = inf
    deaths: tuple[type[BaseException], ...] = (BrokenExecutor,)
    breaks: bool = False
    _open: Executor | None = None

    def submit(self, fn: Callable[..., Any], task: Any) -> Future[Any]:
        """Hand out a task; the executor opens with the first, and its processes may start with any."""
        if self._open is None:
            self.restart(self.jobs)
        assert self._open is not None
        with without_interrupts():
            return self._open.submit(fn, task)

    def restart(self, jobs: int | None = None) -> None:
        """Go on with a fresh executor, of so many processes or else of all."""
        self.close()
        if jobs is not None:
            with without_interrupts():
                self._open = self.make(jobs)

    def close(self) -> None:
        """Stop all that is under way."""
        opened, self._open = self._open, None
        if opened is not None:
            self.end(opened)


@dataclass(frozen=True)
class Where:
    """Where runs are to be done.

    `jobs`: how many processes; all cores if left out; one on this machine is this process itself. With an
    `address`, dask uses the cluster that runs there, and as much of it as it has. Raises an ExperimentError
    for what cannot be opened.
    """

    backend: str = "local"
    jobs: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be opened, before any work."""
        if self.backend not in BACKENDS:
            raise ExperimentError(f"no backend {self.backend!r}; there are {', '.join(BACKENDS)}")
        if self.jobs is not None:
            check_jobs(self.jobs)
        if self.address is not None and self.backend == "local":
            raise ExperimentError(f"address {self.address} is that of a cluster; backend dask would do")
        if self.address is not None and self.jobs is not None:
            raise ExperimentError(f"the cluster at {self.address} has as many workers as it has; leave jobs out")
        if self.backend == "dask":
            extra("distributed", "dask")


def check_jobs(jobs: object) -> None:
    """Raise an ExperimentError where this is no number of processes."""
    if not isinstance(jobs, Integral) or jobs < 1:
        raise ExperimentError(f"jobs is {jobs!r}; a whole number, 1 or more, would do")


@contextmanager
def engine(where: Where) -> Iterator[Engine]:
    """Open a backend, and close it with all that is under way in it."""
    with safe_path():
        opened = _open(where)
        try:
            yield opened
        finally:
            opened.close()


def extra(module: str, name: str) -> Any:
    """Import a library that is an extra of ours."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ExperimentError(f"this needs {module}: pip install 'mdisim[{name}]'") from error


def cores() -> int:
    """How many cores this process may use, by affinity and by the limits of its container."""
    from joblib.externals.loky import cpu_count

    return int(cpu_count())


def _open(where: Where) -> Engine:
    if where.backend == "dask":
        return _dask(where)
    return Engine(lambda _: Serial(), ahead=1) if where.jobs == 1 else _local(where.jobs or cores())


def _local(jobs: int) -> Engine:
    """Processes of loky: they survive nothing, but tell so, and know functions of a notebook."""
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    return Engine(
        make=lambda n: ProcessPoolExecutor(n, env=ONE_THREAD, initializer=_follow, initargs=(os.getpid(),)),
        end=lambda executor: executor.shutdown(kill_workers=True),  # type: ignore[call-arg]
        jobs=jobs,
        ahead=2 * jobs,  # one under way and one in wait: no worker idles, and few are suspects when one dies
        breaks=True,
    )


def _follow(parent: int) -> None:
    """Make a worker end with the process that started it, even if that was killed; loky's would wait for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    if os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()


def _dask(where: Where) -> Engine:
    """A scheduler by its address, or by the file that it writes; or one of our own with its workers."""
    dask = extra("distributed", "dask")
    if where.address is not None:
        known_as = "scheduler_file" if where.address.endswith(".json") else "address"
        return Engine(lambda _: Dasks(dask.Client(**{known_as: where.address})), deaths=(dask.KilledWorker,))
    jobs = where.jobs or cores()
    scheduling = {"distributed.scheduler.allowed-failures": 0}  # the crew tries again

    def make(n: int) -> Executor:
        with extra("dask", "dask").config.set(scheduling):
            cluster = dask.LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None)
        return Dasks(dask.Client(cluster), cluster)

    # a worker that dies while it starts is not replaced, so that a cluster of our own is replaced as a whole
    return Engine(make, jobs=jobs, ahead=2 * jobs, deaths=(dask.KilledWorker,), breaks=True)
