"""Processes that are started run nothing of the current folder, and say nothing when the command is stopped."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from worlds import scenario_file

from mdisim.experiments.processes import safe_path, without_interrupts

SHADOWED = ("numpy", "joblib", "random", "queue", "logging", "pickle", "socket", "distributed", "sitecustomize")
SHORT = ("--seeds=2", "--jobs=2", "--set", "run.duration=1 s", "--set", "run.warmup=0 s")
RULE = """
from dataclasses import dataclass
from mdisim.policies import MdiExit


@dataclass(frozen=True)
class Mine(MdiExit):
    pass
"""
without_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="dask is not installed")
posix = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs POSIX signals")


@pytest.fixture
def hostile(tmp_path):
    """A folder with a scenario, and with modules that leave a file when they are imported."""
    scenario_file(tmp_path)
    ran = tmp_path / "RAN"
    for name in SHADOWED:
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write({name!r} + ' ')\n")
    return tmp_path


def command(*arguments):
    return [sys.executable, "-m", "mdisim", *arguments]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("sweep", "--backend=local"), id="local"),
        pytest.param(("sweep", "--backend=dask"), id="dask", marks=without_dask),
        pytest.param(("compare", "--policies=local,mdi-exit"), id="compare"),
    ],
)
def test_no_module_of_the_current_folder_is_run(hostile, options):
    name, *more = options
    done = subprocess.run(command(name, "two.yaml", *more, *SHORT), cwd=hostile, capture_output=True, text=True)
    assert not (hostile / "RAN").exists(), (hostile / "RAN").read_text()
    assert done.returncode == 0, done.stderr


def test_rules_beside_the_scenario_are_still_found_where_code_is_allowed(hostile):
    (hostile / "mine.py").write_text(RULE)
    rule = ("--allow-code", "--set", "policy={rule: mine:Mine}")
    done = subprocess.run(command("sweep", "two.yaml", *rule, *SHORT), cwd=hostile, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (hostile / "RAN").exists(), (hostile / "RAN").read_text()


@pytest.mark.parametrize("value", [None, "0"])
def test_the_environment_is_left_as_it_was(monkeypatch, value):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if value is not None:
        monkeypatch.setenv("PYTHONSAFEPATH", value)
    with safe_path():
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ.get("PYTHONSAFEPATH") == value


@posix
def test_what_is_started_does_not_hear_an_interrupt_and_ours_waits():
    heard, children = [], []

    def start():
        with without_interrupts():
            code = "import sys; print(flush=True); sys.stdin.read()"
            piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            children.append(subprocess.Popen([sys.executable, "-c", code], **piped))
            os.kill(os.getpid(), signal.SIGINT)
            heard.append("the end of the block")
        heard.append("what follows it")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert heard == ["the end of the block"]
    (child,) = children
    child.stdout.readline()  # it has begun
    child.send_signal(signal.SIGINT)
    child.communicate()
    assert child.returncode == 0


def children_of(process):
    """How many processes the threads of a process have started."""
    return sum(len(path.read_text().split()) for path in Path(f"/proc/{process}/task").glob("*/children"))


@posix
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of children")
@pytest.mark.parametrize("backend", ["local", pytest.param("dask", marks=without_dask)])
def test_a_command_that_is_stopped_while_workers_start_says_so_in_one_line(tmp_path, backend):
    scenario_file(tmp_path)
    arguments = ("sweep", "two.yaml", "--seeds=40", "--jobs=2", f"--backend={backend}")
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    running = subprocess.Popen(command(*arguments), cwd=tmp_path, start_new_session=True, **piped)
    try:
        for _ in range(6000):
            if children_of(running.pid) > 2:  # beside those that keep account of shared resources
                break
            time.sleep(0.01)
        time.sleep(0.3)  # workers are busy with their imports
        os.killpg(running.pid, signal.SIGINT)
        said = running.communicate(timeout=60)[0]
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 1
    assert said.strip().splitlines()[-1] == "Error: stopped"
    assert "Traceback" not in said
