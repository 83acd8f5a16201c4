"""Tuning: spaces by their bounds, the same trials whenever it is stopped, and scores on seeds not seen."""

import json
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval
from worlds import line, scenario_file

from mdisim import cli
from mdisim.experiments.prepare import ExperimentError
from mdisim.experiments.spaces import spaces_of
from mdisim.experiments.trials import Aim, Trial
from mdisim.experiments.tune import tune
from mdisim.folders import ResultsError
from mdisim.policies.parameters import Meaning
from mdisim.profiles import read, write
from mdisim.scenario import Scenario

pytest.importorskip("optuna", reason="optuna is not installed")


@dataclass(frozen=True)
class Recipe:
    share: Annotated[float, Interval(ge=0, le=1), Meaning("a share")] = 0.5
    count: Annotated[int, Interval(gt=0, lt=10)] = 3
    gap_s: Annotated[float, Gt(0)] = 1.0
    most: Annotated[int, Ge(1)] = 5
    how: Literal["a", "b"] = "a"
    so: bool = True


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    return Scenario.load(scenario_file(tmp_path_factory.mktemp("scene")), {"run.duration": "3 s"})


def test_spaces_come_from_annotations_or_are_stated():
    share, count, how, so = spaces_of(Recipe, ["share", "count", "how", "so"])
    assert (share.range.low, share.range.high, share.range.whole) == (0.0, 1.0, False)
    assert (count.range.low, count.range.high, count.range.whole) == (1.0, 9.0, True)
    assert (how.values, so.values) == (("a", "b"), (False, True))
    gap, most = spaces_of(Recipe, {"gap_s": (0.01, 1.0, "log"), "most": (1, 8)})
    assert (gap.range.log, most.range.whole) == (True, True)
    assert spaces_of(Recipe, {"gap_s": "0.01:1:log"}) == (gap,)
    assert spaces_of(Recipe, {"how": ["a", "b"]})[0].values == ("a", "b")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "there are share, count, how, so"),
        (["shar"], "did you mean 'share'"),
        (["gap_s"], "gap_s=low:high would do"),
        ({"share": (1, 0)}, "parameter share: from 1 to 0"),
        ({"share": 0.5}, "is no range and no list"),
        ({"how": ["a"]}, "is no range and no list"),
    ],
)
def test_what_is_no_space(given, message):
    with pytest.raises(ExperimentError, match=message):
        spaces_of(Recipe, given)


def test_the_best_trial_meets_the_targets_if_any_does():
    aim = Aim.of("latency_mean_s", None, "accuracy >= 0.9", ("latency_mean_s", "accuracy"))
    fast, right, worse = Trial({}, 0.1, (0.2,)), Trial({}, 0.5, (-0.01,)), Trial({}, 0.6, (-0.05,))
    assert min([fast, worse, right, Trial({}, message="failed")], key=aim.rank) is right
    up = Aim.of(None, "accuracy", (), ("accuracy",))
    assert min([Trial({}, 0.1), Trial({}, 0.9)], key=up.rank).score == 0.9


def test_a_threshold_is_tuned_and_scored_on_fresh_seeds(scenario):
    bad = {"name": "mdi-exit", "exit_threshold": 0.99}
    done = tune(scenario, bad, {"exit_threshold": (0.3, 0.99)}, minimise="latency_mean_s", trials=8, seeds=2,
                fresh=3, jobs=1)  # fmt: skip
    assert 0.3 <= done.best["exit_threshold"] < 0.7  # leaving sooner is faster
    assert len(done.trials) == 8
    scores = done.scores.set_index("parameters")
    assert scores.loc["tuned", "training"] == pytest.approx(done.trials["score"].min())
    assert scores.loc["difference", "fresh_high"] < 0
    assert done.seed_luck == pytest.approx(scores.loc["tuned", "reseeded"] - scores.loc["tuned", "training"])
    gained = scores.loc["difference", "fresh"] - scores.loc["difference", "reseeded"]
    assert done.optimism.mean == pytest.approx(gained)


def two_faced(folder, calibration_share=0.5):
    """The first exit is never sure; right in the whole calibration half and wrong in the other; the others not."""
    scenario_file(folder)
    made, n = read(folder / "demo.npz"), 400
    split = (np.arange(n) >= calibration_share * n).astype(np.uint8)
    right = np.column_stack([split == 0, split == 1, split == 1])
    prediction = np.where(right, made.label[:, None], (made.label[:, None] + 1) % 10)
    confidence = np.tile([0.6, 0.95, 0.95], (n, 1))
    facts = {"logits": None, "split": split, "prediction": prediction, "confidence": confidence}
    write(replace(made, **facts), folder / "demo.npz")
    return Scenario.load(folder / "two.yaml", {"run.duration": "3 s"})


def test_what_chooses_never_sees_the_samples_that_score_it(tmp_path):
    """What is right on every sample that was tried is wrong on all others: the score must show it, as optimism."""
    stated = {"name": "mdi-exit", "exit_threshold": 0.9}
    done = tune(two_faced(tmp_path), stated, {"exit_threshold": (0.4, 0.6)}, maximise="accuracy",
                subject_to="accuracy >= 0.9", trials=1, seeds=1, fresh=2, jobs=1)  # fmt: skip
    tuned = done.scores.set_index("parameters").loc["tuned"]
    assert (tuned["training"], tuned["reseeded"], tuned["fresh"]) == (1.0, 1.0, 0.0)
    assert (tuned["training_meets"], tuned["reseeded_meets"], tuned["fresh_meets"]) == (True, True, False)
    assert done.optimism.mean == 2.0  # from one better than what is stated to one worse
    assert done.seed_luck == 0.0


def test_without_a_calibration_half_there_is_nothing_to_tune_on(tmp_path):
    with pytest.raises(ExperimentError, match="demo has no calibration half"):
        tune(two_faced(tmp_path, 0.0), parameters=["alpha"], minimise="accuracy", jobs=1)


def test_a_tuning_that_was_stopped_goes_on_as_if_it_had_not_been(scenario, tmp_path):
    asked = {"parameters": ["alpha", "gate"], "maximise": "accuracy", "subject_to": "latency_mean_s <= 1 s",
             "seeds": 1, "fresh": 1, "jobs": 1}  # fmt: skip

    class StoppedError(Exception):
        pass

    def stop(number, trial):
        if number == 6:
            raise StoppedError

    with pytest.raises(StoppedError):
        tune(scenario, trials=12, out=tmp_path / "out", progress=stop, **asked)
    told = []
    again = tune(scenario, trials=12, out=tmp_path / "out", progress=lambda n, _: told.append(n), **asked)
    assert told == [7, 8, 9, 10, 11, 12]
    whole = tune(scenario, trials=12, **asked)
    assert again.trials.equals(whole.trials)
    assert json.loads((tmp_path / "out" / "tuning.json").read_text())["trials"] == 12
    with pytest.raises(ResultsError, match="holds another tuning"):
        tune(scenario, trials=12, out=tmp_path / "out", **(asked | {"parameters": ["alpha"]}))


RULE = """
from dataclasses import dataclass

from mdisim.policies import MdiExit


@dataclass(frozen=True)
class Wish:
    luck: float = 0.5

    def build(self, setting):
        return MdiExit(exit_threshold=self.luck).build(setting)
"""


@pytest.mark.parametrize("name", ["journal.log", "journal.json"])
def test_a_tuning_whose_journal_is_damaged_does_not_go_on(scenario, tmp_path, name):
    def go_on(trials):
        asked = {
            "parameters": {"exit_threshold": (0.5, 0.9)},
            "minimise": "latency_mean_s",
            "seeds": 1,
            "fresh": 2,
            "jobs": 1,
        }
        return tune(scenario, trials=trials, out=tmp_path / "out", **asked)

    go_on(2)
    path = tmp_path / "out" / name
    before = path.read_bytes()
    for at in (0.1, 0.5, 0.9):
        raw = bytearray(before)
        raw[int(at * len(raw))] ^= 1
        path.write_bytes(raw)
        with pytest.raises(ResultsError, match=r"journal\.log: is damaged"):
            go_on(3)
    path.write_bytes(before)
    assert len(go_on(3).trials) == 3


def test_two_processes_do_not_tune_the_same(scenario, tmp_path):
    asked = {
        "parameters": {"exit_threshold": [0.5, 0.9]},
        "minimise": "latency_mean_s",
        "trials": 1,
        "jobs": 1,
        "out": tmp_path,
    }

    def again(number, trial):
        with pytest.raises(ResultsError, match=r"another process is at work on these runs; wait for it, or name"):
            tune(scenario, seeds=1, fresh=1, **asked)

    first = tune(scenario, seeds=1, fresh=1, progress=again, **asked)
    assert tune(scenario, seeds=1, fresh=1, **asked).facts() == first.facts()


def test_force_changes_nothing_where_another_is_at_work(scenario, tmp_path):
    asked = {"minimise": "latency_mean_s", "seeds": 1, "fresh": 1, "trials": 1, "jobs": 1, "out": tmp_path}

    def other(number, trial):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(ResultsError, match="another process is at work on these runs"):
            tune(scenario, parameters=["alpha"], force=True, **asked)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    tune(scenario, parameters=["gate"], progress=other, **asked)


def test_a_lock_that_a_killed_tuning_left_in_its_journal_keeps_nobody_waiting(scenario, tmp_path, monkeypatch):
    asked = {"parameters": ["gate"], "minimise": "latency_mean_s", "seeds": 1, "fresh": 1, "jobs": 1}
    tune(scenario, trials=1, out=tmp_path, **asked)
    (tmp_path / "journal.log.lock").symlink_to(tmp_path / "journal.log")

    def waits(seconds):
        raise AssertionError("it waits for the lock")

    monkeypatch.setattr("time.sleep", waits)
    assert len(tune(scenario, trials=2, out=tmp_path, **asked).trials) == 2


def test_trials_of_a_rule_that_was_rewritten_are_not_mixed_with_new_ones(scenario, tmp_path, monkeypatch):
    (tmp_path / "wishes.py").write_text(RULE)
    monkeypatch.syspath_prepend(tmp_path)
    own = replace(scenario, allow_code=True)
    asked = {"policy": {"rule": "wishes:Wish"}, "parameters": {"luck": (0.5, 0.9)}, "maximise": "accuracy",
             "trials": 1, "seeds": 1, "fresh": 1, "jobs": 1, "out": tmp_path / "out"}  # fmt: skip
    first = tune(own, **asked)
    assert tune(own, **asked).trials.equals(first.trials)
    (tmp_path / "wishes.py").write_text(RULE.replace("self.luck", "1.0 - self.luck"))
    with pytest.raises(ResultsError, match="holds another tuning"):
        tune(own, **asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"scenario": line()}, "a Scenario would do"),
        ({}, "to minimise or to maximise"),
        ({"minimise": "latency"}, "no measure 'latency'"),
        (
            {"minimise": "accuracy", "seeds": [1, 2], "fresh": [2, 3]},
            r"seeds \[2\] are to train on and to score on",
        ),
        ({"minimise": "accuracy", "trials": 0}, "trials is 0"),
        ({"minimise": "accuracy", "seeds": 0}, "seeds are"),
    ],
)
def test_what_cannot_be_tuned(scenario, asked, message):
    with pytest.raises(ExperimentError, match=message):
        tune(**({"scenario": scenario, "parameters": ["alpha"], "jobs": 1} | asked))


def test_the_command_tunes(scenario, capsys, tmp_path, monkeypatch):
    path = scenario.origin
    arguments = ["tune", path, "--set", "run.duration=2 s", "--tune", "exit_threshold=0.5:0.9", "--tune", "gate"]
    arguments += ["--minimise", "latency_mean_s", "--trials", 2, "--seeds", 1, "--fresh", 2, "--jobs", 1]
    monkeypatch.chdir(tmp_path)
    assert cli.main([str(a) for a in arguments]) == 0
    out = capsys.readouterr().out
    for words in (
        "mdi-exit: minimise latency_mean_s, 2 trials",
        "best: ",
        "stated",
        "tuned",
        "fresh",
        "flatter",
        "calibration half",
    ):
        assert words in out
    assert cli.main([str(a) for a in (*arguments, "--json")]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["aim"] == "minimise"
    assert cli.main(["tune", str(path), "--minimise", "latency_mean_s"]) == 2
    assert "no parameters to tune" in capsys.readouterr().err
