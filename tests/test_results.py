"""Results as files: what is read is what was written; whole or not at all; never over something else."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from worlds import drawn, fixed, line

from mdisim import folders
from mdisim.engine import run
from mdisim.folders import ResultsError, plain
from mdisim.results import TABLES, Origin, Run

ORIGIN = Origin(
    "two", "description: two devices\n", "description: two devices\nseed: 1\n", "ab" * 32, ("run.seed=1",)
)


def made(seed: int = 1, origin: Origin | None = ORIGIN) -> Run:
    world = line(2, (0.01, 0.02), outputs=drawn(50, 2), duration_s=3.0, deadline_s=0.2)
    return replace(run(world, fixed(world, 0.5, (0, 1)), seed), origin=origin)


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_loaded_is_what_was_saved(tmp_path):
    first = made()
    again = Run.load(first.save(tmp_path / "out", command="mdisim run two.yaml"))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(first, name))
    assert again.origin == ORIGIN
    assert (again.policy, again.seed, again.n_exits) == ("fixed", 1, 2)
    assert (again.duration_s, again.warmup_s, again.profile) == (3.0, 0.0, "by-hand")
    assert again.identity == first.identity
    assert again.summary() == pytest.approx(first.summary(), nan_ok=True)


def test_the_directory_says_where_it_comes_from(tmp_path):
    made().save(tmp_path / "out", command="mdisim run two.yaml")
    assert (tmp_path / "out" / "scenario.yaml").read_text() == ORIGIN.given
    assert (tmp_path / "out" / "resolved.yaml").read_text() == ORIGIN.resolved
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert facts["seed"] == 1
    assert facts["scenario_digest"] == ORIGIN.digest
    assert facts["overrides"] == ["run.seed=1"]
    assert facts["command"] == "mdisim run two.yaml"
    assert {"mdisim", "python", "numpy", "simpy", "pandas", "pyarrow", "scipy"} == set(facts["versions"])
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["verdict"] == made().summary()["verdict"]


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    made().save(tmp_path / "a")
    made().save(tmp_path / "b")
    made(seed=2).save(tmp_path / "c")
    a, b, c = (content(tmp_path / name) for name in "abc")
    same = {name for name in a if a[name] == b[name]}
    assert same >= {f"{name}.parquet" for name in TABLES} | {"summary.json"}
    assert a["tasks.parquet"] != c["tasks.parquet"]


def test_a_run_without_a_scenario(tmp_path):
    again = Run.load(made(origin=None).save(tmp_path / "out"))
    assert again.origin is None
    assert again.identity == ""
    with pytest.raises(ResultsError, match="holds other results"):
        made(origin=None).save(tmp_path / "out")  # nobody can say that it is the same world


def test_the_same_run_replaces_itself_and_another_needs_force(tmp_path):
    made().save(tmp_path / "out", command="first")
    made().save(tmp_path / "out", command="second")
    assert folders.provenance(tmp_path / "out")["command"] == "second"
    with pytest.raises(ResultsError, match=r"policy fixed; seed 1.*--force"):
        made(seed=2).save(tmp_path / "out")
    made(seed=2).save(tmp_path / "out", force=True)
    assert Run.load(tmp_path / "out").seed == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_no_directory_of_results_is_not_touched(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    for name in ("thesis", "thesis/chapter.txt"):
        with pytest.raises(ResultsError, match="name"):
            made().save(tmp_path / name, force=True)
    with pytest.raises(ResultsError, match="cannot write"):
        made().save(tmp_path / "thesis" / "chapter.txt" / "out")
    assert content(tmp_path / "thesis") == {"chapter.txt": b"years of work"}
    made().save(tmp_path / "thesis" / "empty")
    (tmp_path / "vacant").mkdir()
    made().save(tmp_path / "vacant")


def test_foreign_files_among_results_are_not_deleted(tmp_path):
    made().save(tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("years of work")
    before = content(tmp_path / "out")
    for force in (False, True):
        with pytest.raises(ResultsError, match=r"holds notes\.txt, which would go"):
            made().save(tmp_path / "out", force=force)
    assert content(tmp_path / "out") == before


def test_an_interrupted_replacement_leaves_the_old_results(tmp_path, monkeypatch):
    made().save(tmp_path / "out", command="first")
    rename = Path.rename

    def interrupted(path, target):
        if target == tmp_path / "out" and not path.name.endswith(".old"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made().save(tmp_path / "out", command="second")
    assert folders.provenance(tmp_path / "out")["command"] == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_that_fails_halfway_leaves_nothing(tmp_path, monkeypatch):
    made().save(tmp_path / "out")
    before = content(tmp_path / "out")

    def fail(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Run, "summary", fail)
    for name in ("out", "new"):
        with pytest.raises(ResultsError, match="No space left on device"):
            made().save(tmp_path / name)
    assert content(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("missing", ["tasks.parquet", "provenance.json", "resolved.yaml"])
def test_an_incomplete_directory_is_told(tmp_path, missing):
    made().save(tmp_path / "out")
    (tmp_path / "out" / missing).unlink()
    with pytest.raises(ResultsError, match=missing):
        Run.load(tmp_path / "out")


def flipped(path, at):
    raw = bytearray(path.read_bytes())
    raw[int(at * (len(raw) - 1))] ^= 4
    path.write_bytes(raw)


def test_one_flipped_byte_anywhere_is_told_with_the_file(tmp_path):
    made().save(tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        before = path.read_bytes()
        for at in (0, 0.3, 0.6, 0.9):
            flipped(path, at)
            with pytest.raises(ResultsError, match=re.escape(str(path))):
                Run.load(tmp_path / "out")
            path.write_bytes(before)


def test_results_that_are_damaged_are_replaced_by_the_same(tmp_path):
    made().save(tmp_path / "out")
    (tmp_path / "out" / "tasks.parquet").write_bytes(b"nothing of the kind")
    made().save(tmp_path / "out")
    assert len(Run.load(tmp_path / "out").tasks) == len(made().tasks)


def test_a_provenance_that_was_edited_is_no_provenance(tmp_path):
    made().save(tmp_path / "out")
    path = tmp_path / "out" / "provenance.json"
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))
    with pytest.raises(ResultsError, match="its checksum does not fit"):
        folders.provenance(tmp_path / "out")
    with pytest.raises(ResultsError, match="its checksum does not fit"):
        made().save(tmp_path / "out", force=True)


def test_plain_data():
    value = {
        "a": (1, np.float64(2.5)),
        "b": np.arange(2),
        "c": [float("nan"), float("inf"), True, None],
        3: ORIGIN,
    }
    told = plain(value)
    assert told["a"] == [1, 2.5]
    assert told["b"] == [0, 1]
    assert told["c"] == [None, "inf", True, None]
    assert told["3"]["overrides"] == ["run.seed=1"]
    json.dumps(told, allow_nan=False)
