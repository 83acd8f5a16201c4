"""The same bytes on every backend, and no loss where a worker dies."""

import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from worlds import ALONE, scenario_file

from mdisim.experiments.executors import Dasks, Serial, Where
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.sweep.sweep import sweep
from mdisim.scenario import Scenario

RULES = """
import os
from dataclasses import dataclass, replace
from typing import ClassVar

from mdisim.policies import MdiExit


@dataclass(frozen=True)
class Fails:
    cumulative: ClassVar[bool] = False

    how: str

    def score(self, outputs, heads):
        if self.how == "dies":
            os._exit(3)
        raise RuntimeError("no luck")


@dataclass(frozen=True)
class Moody:
    how: str = "works"

    def build(self, setting):
        policy = MdiExit().build(setting)
        return policy if self.how.startswith("works") else replace(policy, score=Fails(self.how))
"""
PROGRAM = """
import json, sys
import mdisim

path, out, backend, hows, seeds = sys.argv[1:]
if __name__ == "__main__":
    moody = mdisim.Scenario.load(path, {"policy": {"rule": "moody:Moody"}, "run.duration": "2 s"}, allow_code=True)
    mdisim.sweep(moody, grid={"policy.how": hows.split(",")}, seeds=int(seeds), out=out, jobs=2, backend=backend)
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    (folder / "moody.py").write_text(RULES)
    (folder / "program.py").write_text(PROGRAM)
    return scenario_file(folder, ALONE)


def elsewhere(scene, out, backend, hows="works,fails", seeds=3):
    """The summary of a sweep in a process of its own, whose workers find the rules on their path."""
    paths = os.pathsep.join([str(scene.parent), *filter(None, sys.path)])
    command = [sys.executable, str(scene.parent / "program.py"), str(scene), str(out), backend, hows, str(seeds)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": paths}, capture_output=True)
    return Path(out) / "summary.parquet"


@pytest.fixture(scope="module")
def alone(scene, tmp_path_factory):
    """The same in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(scene.parent))
        moody = Scenario.load(scene, {"policy": {"rule": "moody:Moody"}, "run.duration": "2 s"}, allow_code=True)
        out = tmp_path_factory.mktemp("alone") / "out"
        done = sweep(moody, grid={"policy.how": ["works", "fails"]}, seeds=3, jobs=1, out=out)
    assert done.runs["status"].tolist() == ["done"] * 3 + ["failed"] * 3
    return (out / "summary.parquet").read_bytes()


@pytest.mark.parametrize(("backend", "library"), [("local", "joblib"), ("dask", "distributed")], ids=lambda x: x)
def test_every_backend_gives_the_same_bytes(scene, alone, tmp_path, backend, library):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    assert elsewhere(scene, tmp_path / "out", backend).read_bytes() == alone


def test_a_worker_that_dies_takes_nobody_with_it(scene, tmp_path):
    import pandas as pd

    runs = pd.read_parquet(elsewhere(scene, tmp_path / "out", "local", "works,dies,works well", seeds=1))
    assert runs["status"].tolist() == ["done", "failed", "done"]
    assert "the process that ran it died, 2 times" in runs["message"][1]


def test_the_serial_executor_is_an_executor():
    serial = Serial()
    assert serial.submit(divmod, 7, 2).result() == (3, 1)
    assert isinstance(serial.submit(divmod, 7, 0).exception(), ZeroDivisionError)


class Cluster:
    """What we need of dask's client; its worker does not find what this process has imported meanwhile."""

    def __init__(self, forgets):
        self.forgets = forgets

    def submit(self, fn, *args, pure):
        for name in self.forgets:
            sys.modules.pop(name, None)
        done = Serial().submit(fn, *args)
        done.add_done_callback = lambda then: then(done)
        return done


def test_a_module_that_workers_lack_is_named(tmp_path, monkeypatch):
    pytest.importorskip("cloudpickle", reason="comes with dask")
    (tmp_path / "beside.py").write_text("def task():\n    return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    task = importlib.import_module("beside").task
    assert Dasks(Cluster([])).submit(task).result() == 7
    monkeypatch.setattr(sys, "path", sys.path[1:])
    with pytest.raises(ExperimentError, match="the workers of the cluster have no module 'beside'"):
        Dasks(Cluster(["beside"])).submit(task).result()
    assert isinstance(Dasks(Cluster([])).submit(divmod, 7, 0).exception(), ZeroDivisionError)


def test_a_backend_that_is_not_installed_says_what_would_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ExperimentError, match=r"pip install 'mdisim\[dask\]'"):
        Where("dask")
    with pytest.raises(ExperimentError, match="leave jobs out"):
        Where("dask", 2, "tcp://head:8786")
