"""A model fitted to traces is the one that they were drawn from, or as like them as can be; it survives a file."""

import tomllib

import numpy as np
import pytest

from mdisim.cli import main
from mdisim.traces import Trace, TraceError, fit, scaled
from mdisim.traces.fitting import PROBABILITIES, autocorrelation, compared, sampled
from mdisim.traces.generators import Constant, Fade, GaussMarkov, Markov, Outages, Quantiles
from mdisim.traces.presets import Preset, made, preset, takes, toml, values

TRUE = Quantiles((0.02, 0.2, 0.5, 0.8, 0.98), (1e6, 3e6, 8e6, 12e6, 30e6), slow_s=25.0, fast_s=2.0, slow_share=0.6)


def draw(model, duration_s=20_000.0, seed=1, step_s=1.0):
    return model.trace(duration_s, np.random.default_rng(seed), step_s)


def test_the_parameters_are_found_again():
    fitted = fit([draw(TRUE), draw(TRUE, seed=2)])
    assert isinstance(fitted, Quantiles)
    assert not fitted.smooth
    assert fitted.probabilities == PROBABILITIES
    here = dict(zip(fitted.probabilities, fitted.rates_bps, strict=True))
    for share, rate in zip(TRUE.probabilities, TRUE.rates_bps, strict=True):
        assert here[share] == pytest.approx(rate, rel=0.1)
    assert fitted.slow_s == pytest.approx(25.0, rel=0.3)
    assert fitted.slow_share == pytest.approx(0.6, abs=0.1)
    assert fitted.fast_s == pytest.approx(2.0, rel=0.4)


def test_a_smooth_process_is_told_from_one_with_corners():
    smooth = Quantiles(TRUE.probabilities, TRUE.rates_bps, slow_s=6.0, smooth=True)
    fitted = fit([draw(smooth)])
    assert isinstance(fitted, Quantiles)
    assert fitted.smooth
    assert max(fitted.slow_s, fitted.fast_s) == pytest.approx(6.0, rel=0.4)


def test_outages_are_found_again_with_their_share_and_length():
    fitted = fit([draw(Outages(TRUE, up_s=40.0, outage_s=5.0), 50_000.0)])
    assert isinstance(fitted, Outages)
    assert fitted.outage_s == pytest.approx(5.0, rel=0.1)
    assert fitted.outage_s / (fitted.outage_s + fitted.up_s) == pytest.approx(1 / 9, rel=0.1)
    assert fitted.of.slow_s == pytest.approx(25.0, rel=0.3)


@pytest.mark.parametrize("model", [GaussMarkov(8e6, 0.7, 9.0), Markov((2e6, 20e6), (12.0, 6.0)), Fade()])
def test_other_processes_are_met_in_mean_spread_and_memory(model):
    logs = [draw(model)]
    rows = compared(logs, fit(logs), np.random.default_rng(0))
    assert [row["of"] for row in rows] == ["logs", "model"]
    logs_row, model_row = rows
    for measure in ("mean_bps", "cv"):
        assert model_row[measure] == pytest.approx(logs_row[measure], rel=0.05)
    assert model_row["autocorrelation_s"] == pytest.approx(logs_row["autocorrelation_s"], rel=0.35)
    assert model_row["outage_share"] == pytest.approx(logs_row["outage_share"], abs=0.01)


def test_logs_at_one_mean_tell_only_what_changes_within_them():
    quick = draw(GaussMarkov(1e6, 0.2, 3.0))
    logs = [scaled(quick, factor=factor) for factor in (1.0, 10.0)]
    for same_mean, cv in ((False, 0.87), (True, 0.2)):
        fitted = fit(logs, same_mean=same_mean)
        row = compared(logs, fitted, np.random.default_rng(0), same_mean=same_mean)[1]
        assert row["cv"] == pytest.approx(cv, abs=0.05)
        assert row["mean_bps"] == pytest.approx(5.5e6, rel=0.1)


def test_a_log_is_averaged_over_whole_steps():
    trace = Trace([0.0, 0.5, 2.0], [4.0, 8.0, 1.0], 3.5)
    assert sampled(trace, 1.0).tolist() == [6.0, 8.0, 1.0]
    assert sampled(trace, 0.5).tolist() == [4.0, 8.0, 8.0, 8.0, 1.0, 1.0, 1.0]


def test_autocorrelation_is_about_the_mean_of_all_logs_and_skips_outages():
    logs = [np.array([1.0, 3.0] * 10), np.array([1.0, 3.0] * 10)]
    values, pairs = autocorrelation(logs)
    assert values[:2].tolist() == pytest.approx([-1.0, 1.0])
    assert pairs[:2].tolist() == [38, 36]
    up = [np.arange(20) != 5, np.ones(20, dtype=bool)]
    assert autocorrelation(logs, up)[1][:2].tolist() == [36, 34]


def test_too_little_is_refused():
    with pytest.raises(TraceError, match="20 steps of 1 s are above the outage rate of 10000 bit/s; 30 would do"):
        fit([draw(Constant(1e6), 20.0)])
    with pytest.raises(TraceError, match=r"0 steps .* or a lower rate"):
        fit([draw(Constant(1e3), 200.0)])


def test_a_log_that_never_changes_is_met_all_the_same():
    fitted = fit([draw(Constant(1e6), 200.0)])
    assert set(draw(fitted, 50.0).rate_bps) == {1e6}


# --- files


@pytest.mark.parametrize(
    "model",
    [
        TRUE,
        Outages(TRUE, 10.0, 2.0),
        GaussMarkov(1e6, 0.5, 3.0),
        Markov((1.0, 2.0), (1.0, 3.0), ((0.0, 1.0), (1.0, 0.0))),
        Fade(),
    ],
)
def test_a_preset_survives_its_file(model, tmp_path):
    asked = Preset("my-ü", model, 'what "it" is', "of \\ there", 2.5)
    (tmp_path / "mine.toml").write_text(toml(asked), encoding="utf-8")
    assert preset(tmp_path / "mine.toml") == asked
    assert made(*values(model)) == model


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a", "is no TOML"),
        ("", "has 0 tables; a file with one would do"),
        ("a = 1", r"\[a\] has no kind; a table with one of constant"),
        ("[a]\nkind = 'markow'", r"\[a\]: no kind 'markow'; did you mean 'markov'\?"),
        ("[a]\nkind = 'constant'", r"constant: needs rate_bps \[bit/s\]"),
        ("[a]\nkind = 'constant'\nrate_bps = '1'", "rate_bps is '1'; a number would do"),
        ("[a]\nkind = 'constant'\nrate_bps = -1", "rate_bps is -1; >= 0 would do"),
        ("[a]\nkind = 'constant'\nrate = 1", "no parameter 'rate'; did you mean 'rate_bps'"),
        ("[a]\nkind = 'constant'\nrate_bps = 1\nup_s = 3", "up_s and outage_s go together"),
        ("[a]\nkind = 'constant'\nrate_bps = 1\nstep_s = 0", "step_s is 0; seconds above 0 would do"),
        ("[a]\nkind = 'markov'\nrates_bps = 1\nsojourn_s = [1]", "rates_bps is 1; a list of numbers would do"),
        (
            "[a]\nkind = 'markov'\nrates_bps = [1]\nsojourn_s = [1]\ntransitions = [1]",
            r"transitions is \[1\]; a list of rows of numbers would do",
        ),
        (
            "[a]\nkind = 'quantiles'\nprobabilities = [0.5]\nrates_bps = [1]\nslow_s = 0\nsmooth = 1",
            "smooth is 1; true or false would do",
        ),
    ],
)
def test_a_file_that_is_no_preset_is_told(text, says, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(TraceError, match=says) as told:
        preset(path)
    assert str(path) in str(told.value)


def test_a_missing_file_and_an_unknown_name_are_told(tmp_path):
    with pytest.raises(TraceError, match=r"none\.toml: cannot be read: "):
        preset(tmp_path / "none.toml")
    with pytest.raises(TraceError, match=r"no preset 'lte-drive'; did you mean 'lte-driving'\?"):
        preset("lte-drive")


def test_every_parameter_of_every_kind_has_a_meaning():
    for kind in ("quantiles", "fade", "markov"):
        assert all(told.meaning for told in takes(kind))
        assert {"up_s", "outage_s"} <= {told.name for told in takes(kind)}


# --- the command


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys, *arguments):
    code = main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_what_is_fitted_can_be_drawn_from(here, capsys):
    made_log = ("trace", "synth", "gauss-markov", "--set", "mean_bps=20 Mbps", "--set", "cv=0.3",
                "--set", "correlation_s=5", "--duration", "20 min", "--out", "log.csv")  # fmt: skip
    assert told(capsys, *made_log)[0] == 0
    code, out, err = told(
        capsys, "trace", "fit", "log.csv", "--name", "mine", "--step", "2 s", "--out", "mine.toml"
    )
    assert (code, err) == (0, "")
    for word in ("logs", "model", "mean", "autocorrelation", "written to mine.toml"):
        assert word in out
    table = tomllib.loads((here / "mine.toml").read_text())["mine"]
    assert (table["kind"], table["step_s"]) == ("quantiles", 2.0)
    assert told(capsys, "trace", "synth", "mine.toml", "--duration", "60", "--out", "drawn.csv")[0] == 0
    assert (here / "drawn.csv").read_text().count("\n") == 34  # 30 rows, 3 notes, the columns' names
    code, _, err = told(capsys, "trace", "fit", "log.csv", "--name", "mine", "--out", "mine.toml")
    assert (code, "say --force" in err) == (2, True)


def test_the_beginning_can_be_left_out(here, capsys):
    (here / "log.csv").write_text("# duration_s: 160\ntime_s,rate_bps\n0,1e6\n60,5e6\n110,7e6\n")
    code, out, _ = told(capsys, "trace", "fit", "log.csv", "--name", "x", "--skip", "60", "--json")
    assert code == 0
    assert '"mean_bps": 6000000.0' in out
    assert '"duration_s": 100.0' in out
