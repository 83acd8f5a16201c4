"""`mdisim calibrate` tells what the library says: fits, reliability, promises and planned thresholds."""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from mdisim import cli
from mdisim.calibration import METHODS, answered_by, bootstrap, calibrate, exit_rows, outage, reaches, reliability
from mdisim.calibration import risk as planners
from mdisim.calibration.exits import Mode
from mdisim.cli.calibration import RISKS
from mdisim.policies.scores import Outputs
from mdisim.profiles import load, synthesise, write

FAST = ("--draws", 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a profile, one without logits, and one with nothing to calibrate on."""
    where = tmp_path_factory.mktemp("profiles")
    some = synthesise(
        n=4000, exits=3, accuracy=(0.6, 0.75, 0.85), kappa=(1.2, 1.5, 2.0), stage_s=1, out_bytes=1, seed=3
    )
    write(some, where / "some.npz")
    write(some.half("test"), where / "unfitted.npz")
    (where / "table.csv").write_text(
        "label,conf_1,conf_2,pred_1,pred_2\n"
        + "".join(f"{i % 3},0.{5 + i % 5},0.9{i % 7},{i % 2},{i % 3 if i % 9 else 1}\n" for i in range(400))
    )
    command = ("profile", "import", "table.csv", "--confidence", "conf_{k}", "--prediction", "pred_{k}", "--label",
               "label", "--stage-s", "1,1", "--out-bytes", "1,1", "--out", "bare.npz")  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        assert cli.main(list(command)) == 0
    return where


@pytest.fixture
def told(folder, capsys, monkeypatch):
    """The exit code, stdout and stderr of `mdisim calibrate` with these arguments."""
    monkeypatch.chdir(folder)

    def call(*arguments):
        code = cli.main(["calibrate", *map(str, arguments)])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


@pytest.fixture
def found(told):
    """The one object that it prints as JSON."""

    def call(*arguments):
        code, out, err = told(*arguments, "--json", *FAST)
        assert (code, err) == (0, "")
        (row,) = json.loads(out)
        return row

    return call


def outputs(part):
    return Outputs(part.logits, part.confidence, part.prediction, part.label)


@pytest.fixture(scope="module")
def halves(folder):
    made = load(folder / "some.npz")
    return outputs(made.half("calibration")), outputs(made.half("test"))


def right(said):
    return said.prediction == said.label[:, None]


def same(told, expected):
    """Whether a told row holds the expected numbers; NaN is told as null."""
    for name, value in expected.items():
        if isinstance(value, float) and np.isnan(value):
            assert told[name] is None, name
        else:
            assert told[name] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), name


def test_the_fits_are_those_of_the_library(found, halves):
    row = found("some.npz", "--p-tar", 0.7)
    assert row["calibration_samples"] == row["fit_samples"] == len(halves[0].label)
    assert row["test_samples"] == len(halves[1].label)
    for told_row, expected in zip(row["fits"], calibrate(halves[0], p_tar=0.7).rows(), strict=True):
        same(told_row, expected)


@pytest.mark.parametrize("samples", ["all", "reaching"])
def test_reliability_is_on_the_test_half_before_and_after(found, halves, samples):
    row = found("some.npz", "--method", "isotonic", "--mode", "sequential", "--bins", 10, "--samples", samples)
    calibration, test = halves
    after = calibrate(calibration, "isotonic", "sequential").calibrated(test)
    assert [(r["exit"], r["when"]) for r in row["exits"]] == [
        (k, w) for k in (1, 2, 3) for w in ("before", "after")
    ]
    for when, said in (("before", test), ("after", after)):
        reached = reaches(said.confidence, 0.8) if samples == "reaching" else None
        expected = exit_rows(said.confidence, right(said), p_tar=0.8, reached=reached, bins=10)
        for one in expected:
            same(next(r for r in row["exits"] if (r["exit"], r["when"]) == (one["exit"], when)), one)


def test_the_interval_of_the_ece_is_the_bootstrap_of_the_seed(found, halves):
    row = found("some.npz", "--seed", 5)["exits"][0]
    test = halves[1]
    ece = partial(reliability.ece, bins=15)
    rng = np.random.default_rng(5)
    value, low, high = bootstrap(ece, test.confidence[:, 0], right(test)[:, 0], rng=rng, draws=40)
    same(row, {"when": "before", "ece": value, "ece_low": low, "ece_high": high})


@pytest.mark.parametrize("fallback", ["final", "most-confident"])
def test_the_promise_is_what_the_measures_say(found, halves, fallback):
    row = found("some.npz", "--p-tar", 0.9, "--device-exits", 1, "--cloud-fallback", fallback, "--mode", "global")
    calibration, test = halves
    how = {"p_tar": 0.9, "device_exits": 1, "cloud_fallback": fallback}
    after = calibrate(calibration, mode="global", **how).calibrated(test)
    for told_row, when, said in zip(row["promise"], ("before", "after"), (test, after), strict=True):
        here = said.confidence[:, 0] >= 0.9
        answers = answered_by(said.confidence, 0.9, 1, fallback)
        correct = right(said)[np.arange(len(here)), answers]
        out = outage.outage_probability(correct, here, 0.9, rng=np.random.default_rng(0))
        expected = {
            "when": when,
            "on_device_probability": float(here.mean()),
            "device_accuracy": float(right(said)[here, 0].mean()),
            "overall_accuracy": float(correct.mean()),
            "outage_probability": out.value,
            "outage_probability_low": out.low,
        }
        same(told_row, expected)
    assert [r["exit"] for r in row["exits"]] == [1, 1, 3, 3]
    assert row["fits"][1]["flag"] == "this exit never runs"


def test_without_a_calibration_there_is_no_after(found, told):
    row = found("some.npz", "--mode", "none")
    assert {r["when"] for r in row["exits"]} == {r["when"] for r in row["promise"]} == {"before"}
    _, out, _ = told("some.npz", "--mode", "none", *FAST)
    assert "after" not in out
    assert "NLL before" not in out


def test_no_samples_are_no_numbers(found, told):
    assert found("some.npz", "--device-exits", 0)["promise"][0]["device_accuracy"] is None
    row = found("some.npz", "--mode", "none", "--p-tar", 1e-6, "--samples", "reaching")["exits"][1]
    assert (row["n"], row["accuracy"], row["ece_low"]) == (0, None, None)
    code, out, _ = told("some.npz", "--mode", "none", "--p-tar", 1e-6, "--samples", "reaching", *FAST)
    assert code == 0
    assert "nan" not in out


# --- planned thresholds

PLANS = {
    "device-accuracy": (planners.device_accuracy, ("--delta", 0.05), {"target": 0.8, "delta": 0.05}),
    "early-gap": (planners.early_gap, ("--limit", 0.1), {"limit": 0.1}),
    "upper-confidence": (
        planners.upper_confidence,
        ("--limit", 0.1, "--delta", 0.2),
        {"limit": 0.1, "delta": 0.2},
    ),
    "conformal": (planners.conformal, ("--limit", 0.1), {"limit": 0.1}),
    "grid": (planners.grid_search, (), {"target": 0.8}),
}


def test_every_planner_is_tested():
    assert set(PLANS) == set(RISKS)


@pytest.mark.parametrize("name", PLANS)
def test_thresholds_are_planned_on_the_calibration_half(found, halves, name):
    planner, options, asked = PLANS[name]
    plan = found("some.npz", "--mode", "none", "--risk", name, *options)["risk"]
    calibration, test = halves
    promised = planner(calibration.confidence, right(calibration), **asked)
    same(
        plan,
        {key: getattr(promised, key) for key in ("threshold", "quantity", "n", "leaving", "observed", "delta")},
    )
    leaves = (test.confidence[:, :2] >= promised.threshold).any(axis=1)
    assert plan["test_leaving"] == leaves.sum()


def test_what_the_threshold_gives_on_the_test_half(found, halves):
    plan = found("some.npz", "--mode", "none", "--risk", "grid", "--p-tar", 0.9)["risk"]
    test = halves[1]
    stop = (test.confidence >= plan["threshold"])[:, :2]
    here = stop.any(axis=1)
    assert plan["test_observed"] == pytest.approx(right(test)[here, stop[here].argmax(axis=1)].mean())


def test_a_fit_and_a_plan_do_not_share_samples(found):
    row = found("some.npz", "--mode", "all-samples", "--risk", "device-accuracy", "--p-tar", 0.85)
    fitted, planned = row["fits"][0]["n"], row["risk"]["n"]
    assert fitted + planned == row["calibration_samples"]
    assert abs(fitted - planned) <= 1
    assert row["fit_samples"] == fitted


# --- for people


def test_the_tables_fit_a_terminal_and_name_what_they_show(told):
    code, out, err = told("some.npz", "--samples", "reaching", "--risk", "early-gap", "--limit", 0.1, *FAST)
    assert (code, err) == (0, "")
    assert max(map(len, map(str.rstrip, out.splitlines()))) <= 100
    for words in ("temperature, per-exit, p_tar 0.8, from 1000 of 2000", "NLL before", "1 before", "3 after",
                  "ECE", "≥ 0.8", "on-device probability", "outage probability", "with probability 0.9",
                  "early gap at most 10 %"):  # fmt: skip
        assert words in out


def test_guards_that_acted_are_told(told):
    _, out, _ = told("some.npz", "--p-tar", 0.1, *FAST)
    assert "exit 2: samples that stop here: 0 samples are too few for a fit; 50 would do" in out


def test_without_logits_confidences_are_calibrated(told):
    code, out, _ = told("bare.npz", "--method", "platt", "--mode", "all-samples", *FAST)
    assert code == 0
    assert "platt, all-samples" in out


def test_the_diagrams_are_drawn_on_demand(told, folder):
    code, out, err = told("some.npz", "--plot", "drawn.png", "--samples", "reaching", "--json", *FAST)
    assert (code, err) == (0, "drawn in drawn.png\n")
    assert json.loads(out)
    assert (folder / "drawn.png").read_bytes().startswith(b"\x89PNG")


def test_without_samples_to_calibrate_on_a_network_is_measured_as_it_is(found):
    row = found("unfitted.npz", "--mode", "none")
    assert (row["calibration_samples"], row["test_samples"]) == (0, 2000)


def test_the_help_names_every_method_and_mode_and_loads_nothing_heavy():
    code = "from mdisim import cli; cli.main(['calibrate', '-h']); import sys; assert 'numpy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text = done.stdout.replace("all-\n", "all-")
    for name in (*METHODS, *Mode.__args__, *RISKS):
        assert name in "".join(text.split()), name


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("none.npz",), "none.npz"),
        (("cifar10-overconfidnet",), "cifar10-overconfident"),
        (("unfitted.npz",), "unfitted.npz has 0 calibration samples; a profile with a few hundred would do"),
        (("bare.npz", "--method", "temperature"), "method 'temperature' needs logits"),
        (("some.npz", "--method", "magic"), "no method 'magic'; temperature, vector"),
        (("some.npz", "--mode", "every"), "mode is 'every'; none, global"),
        (("some.npz", "--p-tar", 0), "p_tar is 0; above 0 and up to 1 would do"),
        (("some.npz", "--device-exits", 3), "device_exits is 3; 0 to 2 of 3 exits would do"),
        (("some.npz", "--cloud-fallback", "first"), "cloud_fallback is 'first'; final, most-confident would do"),
        (("some.npz", "--bins", 0), "--bins"),
        (("some.npz", "--limit", 0.1), "--limit and --delta are for --risk"),
        (("some.npz", "--risk", "conformal"), "--risk conformal needs the largest gap; add such as --limit 0.02"),
        (("some.npz", "--risk", "device-accuracy", "--limit", 0.1), "--limit is for a gap"),
        (("some.npz", "--risk", "grid", "--delta", 0.1), "promises nothing with a probability"),
        (
            ("some.npz", "--risk", "device-accuracy", "--p-tar", 1),
            "target is 1; a number between 0 and 1 would do",
        ),
        (("some.npz", "--risk", "device-accuracy", "--p-tar", 0.9999), "cannot support the device accuracy"),
        (("some.npz", "--risk", "grid", "--device-exits", 0), "0 of 3 exits are on the device"),
        (("some.npz", "--plot", "drawn.jpg"), ".png, .svg or .pdf"),
    ],
)
def test_bad_input_is_told_in_one_message(told, arguments, reason):
    code, out, err = told(*arguments)
    assert (code, out) == (2, "")
    assert reason in " ".join(err.split())
    assert err.count("Error: ") == 1


def test_without_logits_the_default_needs_none_and_says_so(told):
    code, out, err = told("bare.npz", *FAST)
    assert (code, err) == (0, "")
    assert "platt (needs no logits; there are none), per-exit" in out
    assert "right NLL before" in out
    assert "label NLL before" in told("some.npz", *FAST)[1]


def test_an_exit_that_calibration_makes_worse_is_warned_of(told):
    assert "warning" not in told("some.npz", *FAST, "--mode", "all-samples")[1]
    out = " ".join(told("some.npz", *FAST, "--method", "isotonic")[1].split())
    assert "exit 1: worse on the test samples" in out
    assert "--mode all-samples, or --method platt or temperature" in out
