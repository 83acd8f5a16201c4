"""A sweep that is killed, at any moment and more than once, loses no finished run and repeats none."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from worlds import ALONE, scenario_file

from mdisim.experiments.sweep.sweep import Sweep, sweep

SEEDS, KILLS = 20, 10
PROGRAM = '''
import os, signal, sys, time
from pathlib import Path
import numpy as np
from mdisim.experiments.executors import Where, engine
from mdisim.experiments.sweep.design import Design
from mdisim.experiments.sweep.plan import lay_out
from mdisim.experiments.sweep.sweep import begin, fill, finish
from mdisim.experiments.sweep.work import perform
from mdisim.scenario import Scenario

path, out, seeds, kills = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
plan = lay_out(Scenario.load(path, {"run.duration": "1 s", "run.warmup": "0 s"}), Design(), None, range(seeds))


def note(*words):
    with Path(out + ".log").open("a") as file:
        file.write(" ".join(words) + "\\n")


def noted(task):
    note("start", task.key)
    outcome = perform(task)
    note("end", task.key)
    return outcome


def whole():
    """What the command does, with a note of every start and end."""
    store = begin(plan, out)
    note("there", *sorted(store.finished()))
    with engine(Where(jobs=1)) as opened:
        fill(store, plan, (0, 1), opened, work=noted)
    finish(store, plan)


rng = np.random.default_rng(int(sys.argv[5]))
for _ in range(kills):  # a fork has everything imported, so that kills fall into the work
    child = os.fork()
    if not child:
        whole()
        os._exit(0)
    time.sleep(rng.uniform(0.0, float(sys.argv[6])))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
whole()
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_ten_times_nothing_is_lost_and_nothing_is_done_twice(tmp_path):
    path, out = scenario_file(tmp_path, ALONE), tmp_path / "out"
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    started = time.monotonic()
    alone = sweep(path_with(path), seeds=SEEDS, jobs=1, out=tmp_path / "alone")
    takes_s = time.monotonic() - started
    arguments = [str(a) for a in (path, out, SEEDS, KILLS, 1, 2 * takes_s / KILLS)]
    subprocess.run([sys.executable, str(program), *arguments], check=True)
    begins, starts, there = 0, Counter(), set()
    for line in Path(f"{out}.log").read_text().splitlines():
        word, *keys = line.split(" ")
        if word == "there":
            begins += 1
            assert there <= {*keys}, "a finished run was lost"
            there = {*keys}
        elif word == "start":
            starts[keys[0]] += 1
            assert keys[0] not in there, "a finished run was done again"
    assert begins > 2  # some kills came before the first run
    assert set(starts) == set(alone.runs["key"])
    assert sum(starts.values()) <= SEEDS + KILLS  # each kill costs one run that was under way
    assert (out / "summary.parquet").read_bytes() == (tmp_path / "alone" / "summary.parquet").read_bytes()


def path_with(path):
    from mdisim.scenario import Scenario

    return Scenario.load(path, {"run.duration": "1 s", "run.warmup": "0 s"})


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_the_command_is_killed_and_its_workers_go_too(tmp_path):
    path, out = scenario_file(tmp_path, ALONE), tmp_path / "out"
    command = [sys.executable, "-m", "mdisim", "sweep", str(path), "--seeds=400", "--jobs=2", f"--out={out}"]
    silent = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    running = subprocess.Popen(command, **silent, start_new_session=True)
    try:
        until(lambda: len(list(out.glob("parts/*.parquet"))) >= 4)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        until(lambda: not alive(running.pid))
    finally:
        if alive(running.pid):
            os.killpg(running.pid, signal.SIGKILL)
    begun = Sweep.load(out)
    done = begun.runs[begun.runs["status"] == "done"]
    assert 4 <= len(done) < 400
    assert len(pd.read_parquet(out / "parts")) == len(done)


def until(happens):
    """Wait for something; the limit is there only so that a fault does not wait for ever."""
    for _ in range(1200):
        if happens():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in a minute")


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
