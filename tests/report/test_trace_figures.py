"""Figures of traces: rates over time, their distribution and their autocorrelation."""

import numpy as np
import pytest

from mdisim.report import FigureError, save_traces, trace
from mdisim.traces import Trace, autocorrelation_s

STEPS = Trace([0.0, 2.0, 3.0, 5.0], [1e6, 0.0, 4e6, 2e6], 10.0)
RNG = np.random.default_rng(0)
WALK = Trace(np.arange(300.0), 1e6 * np.exp(np.cumsum(RNG.normal(0.0, 0.2, 300)) / 3), 300.0)


def test_the_rate_is_drawn_as_it_holds_and_outages_are_shaded():
    over_time = trace(STEPS).axes[2]
    stairs, shade = over_time.patches
    values, edges, _ = stairs.get_data()
    assert values.tolist() == [1.0, 0.0, 4.0, 2.0]
    assert edges.tolist() == [0.0, 2.0, 3.0, 5.0, 10.0]
    assert (shade.get_x(), shade.get_width()) == (2.0, 1.0)


def test_the_distribution_is_over_time():
    (line,) = trace(STEPS).axes[0].lines
    assert line.get_xydata() == pytest.approx(
        np.array([[0.0, 0.0], [0.0, 0.1], [1.0, 0.3], [2.0, 0.8], [4.0, 1.0]])
    )


def test_the_autocorrelation_falls_where_the_measure_says():
    line = trace(WALK).axes[1].lines[0]
    lags, values = line.get_xydata().T
    assert values[0] == 1.0
    assert lags[np.argmax(values < np.exp(-1.0))] == autocorrelation_s(WALK)


def test_a_constant_trace_has_no_autocorrelation():
    line = trace(Trace([0.0], [3e6], 50.0)).axes[1].lines[0]
    assert len(line.get_xdata()) == 0


def test_each_of_several_has_its_row_and_its_line():
    figure = trace({"steps": STEPS, "walk": WALK})
    shares, alike, *rows = figure.axes
    assert [ax.get_title(loc="left") for ax in rows] == ["steps", "walk"]
    assert [text.get_text() for text in alike.get_legend().get_texts()] == ["steps", "walk"]
    assert len(shares.lines) == 2
    assert shares.get_xscale() == "linear"


def test_rates_far_apart_are_shown_in_steps_of_ten():
    fast = Trace([0.0, 1.0], [5e8, 7e8], 2.0)
    assert trace({"slow": STEPS, "fast": fast}).axes[0].get_xscale() == "log"


def test_a_long_trace_is_drawn_in_four_thousand_means():
    long = Trace(np.arange(50_000.0), 1e6 * RNG.random(50_000), 50_000.0)
    shares, _, over_time = trace(long).axes
    values = over_time.patches[0].get_data().values
    assert len(values) == 4000
    assert values.mean() * 1e6 == pytest.approx(long.mean_bps())
    assert len(shares.lines[0].get_xdata()) <= 4001


@pytest.mark.parametrize("n", [0, 11])
def test_too_few_or_too_many_are_refused(n):
    with pytest.raises(FigureError, match="from 1 to 10 would do"):
        trace({f"t{i}": STEPS for i in range(n)})


def test_they_are_written_as_a_file(tmp_path):
    path = save_traces({"steps": STEPS, "walk": WALK}, tmp_path / "traces.png")
    assert path.read_bytes().startswith(b"\x89PNG")
