"""Figures of runs over time hold what the tables hold, and mark what failed."""

from math import inf

import numpy as np
import pytest
from made_runs import answers, made_run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mdisim.recovery import throughput_over_time
from mdisim.report import FigureError, throughput, timeline

STEADY = answers((0, 100, 10))
FAULTS = [(40.0, 60.0, "crash", "d1"), (70.0, inf, "outage", "d0 -> d1"), (20.0, 25.0, "outage", "d0 -> d1")]


def drawn(ax):
    """The lines of an axes by label."""
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def panels(figure):
    return {ax.get_ylabel().replace("\n", " "): ax for ax in figure.axes}


def spans(ax):
    """The bars above the axes, in order of the rows from below."""
    return [[tuple(path[:, 0]) for path in one.get_segments()] for one in ax.collections]


def test_one_run_has_a_line_for_each_device_and_what_it_lacks_is_left_out():
    run = made_run(STEADY)
    shown = panels(timeline(run))
    assert list(shown) == [
        "waiting for a core (tasks)", "waiting to be sent (tasks)", "samples per second", "exit threshold",
    ]  # fmt: skip
    for label, column in (("waiting for a core (tasks)", "queue"), ("waiting to be sent (tasks)", "out_queue")):
        lines = drawn(shown[label])
        assert list(lines) == ["d0", "d1"]
        for device, line in lines.items():
            rows = run.timeline[run.timeline["device"] == device]
            assert np.array_equal(line.get_xydata(), rows[["time_s", column]].to_numpy())
    (threshold,) = drawn(shown["exit threshold"]).values()
    assert threshold.get_ydata()[:3] == pytest.approx([0.899, 0.898, 0.897])


def test_rates_of_samples_are_those_of_the_tasks():
    shown = panels(timeline(made_run(STEADY, ended=[(5.0, 6.0, "crash", 0)]), window_s=20.0))
    lines = drawn(shown["samples per second"])
    assert lines["answered"].get_xydata().tolist() == [[t, 10.0] for t in (0, 20, 40, 60, 80, 100)]
    assert lines["admitted"].get_ydata().tolist() == [10.05, 10.05, 10.0, 10.0, 10.0, 10.0]


def test_link_rates_and_gaps_are_there_where_a_run_has_them():
    run = made_run(STEADY, link="every link", gap_s=0.001)
    shown = panels(timeline(run))
    line = drawn(shown["link rate (Mbps)"])["every link"]
    assert line.get_ydata().tolist() == [4.0, *(run.rates["rate_bps"] / 1e6)]
    assert line.get_xdata()[:3].tolist() == [0.0, 1.0, 2.0]
    assert drawn(shown["gap between samples (ms)"])["d0"].get_ydata()[:2] == pytest.approx([1.0, 2.0])


def test_several_runs_have_a_line_each_and_the_link_only_once():
    runs = {name: made_run(STEADY, link="every link", devices=n) for name, n in (("one", 2), ("other", 3))}
    shown = panels(timeline(runs))
    assert list(drawn(shown["link rate (Mbps)"])) == ["every link"]
    sums = drawn(shown["waiting for a core (tasks)"])
    assert list(sums) == ["one", "other"]
    for name, line in sums.items():
        queued = runs[name].timeline.groupby("time_s")["queue"].sum()
        assert np.array_equal(line.get_ydata(), queued)
    assert list(drawn(shown["answers per second"])) == ["one", "other"]
    colours = {name: line.get_color() for name, line in sums.items()}
    assert colours == {name: line.get_color() for name, line in drawn(shown["exit threshold"]).items()}
    assert len(set(colours.values())) == 2


def test_a_run_has_one_colour_in_all_panels_also_where_another_has_no_line():
    fixed = made_run(STEADY)
    fixed.timeline["threshold"] = np.nan
    shown = panels(timeline({"one": made_run(STEADY), "fixed": fixed, "other": made_run(STEADY)}))
    queues, thresholds = drawn(shown["waiting for a core (tasks)"]), drawn(shown["exit threshold"])
    assert list(thresholds) == ["one", "other"]
    assert {name: line.get_color() for name, line in thresholds.items()} == {
        name: queues[name].get_color() for name in thresholds
    }


def test_links_that_differ_are_each_there():
    one, other = made_run(link="a -> b"), made_run(link="b -> a")
    faster = made_run(link="a -> b")
    faster.rates["rate_bps"] *= 2.0
    shown = panels(timeline({"one": one, "other": other, "faster": faster}))
    assert list(drawn(shown["link rate (Mbps)"])) == ["a -> b", "b -> a", "a -> b (2)"]


def test_of_many_devices_the_sum_and_the_longest_are_shown():
    run = made_run(devices=9)
    lines = drawn(panels(timeline(run))["waiting for a core (tasks)"])
    by_time = run.timeline.groupby("time_s")["queue"]
    assert np.array_equal(lines["sum of 9 devices"].get_ydata(), by_time.sum())
    assert np.array_equal(lines["longest"].get_ydata(), by_time.max())


def test_faults_are_bars_above_and_shades_in_every_panel():
    figure = timeline(made_run(STEADY, FAULTS))
    first = figure.axes[0]
    assert [text.get_text() for text in first.texts] == ["d1: crash", "d0 -> d1: outage"]
    assert spans(first) == [[(40.0, 60.0)], [(20.0, 25.0), (70.0, 100.0)]]  # one for good ends with the run
    for ax in figure.axes:
        shades = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]
        assert shades == [(20.0, 25.0), (40.0, 60.0), (70.0, 100.0)]


def test_many_faults_have_a_row_for_each_kind():
    flaps = [(float(i), i + 2.0, "outage", f"d0 -> d{i}") for i in range(20)]
    first = timeline(made_run(STEADY, [*flaps, (50.0, 60.0, "crash", "d1")])).axes[0]
    assert [text.get_text() for text in first.texts] == ["1 × crash", "20 × outage"]
    assert spans(first) == [[(50.0, 60.0)], [(0.0, 21.0)]]


def test_throughput_is_counted_as_in_recovery_and_recoveries_are_dots():
    dip = made_run(answers((0, 40, 10), (40, 65, 2), (65, 100, 10)), FAULTS[:1])
    ax = throughput(dip, window_s=5.0)
    line = drawn(ax)["by-hand"]
    assert np.array_equal(line.get_ydata()[1:], throughput_over_time(dip, 5.0))
    level, dot = (line for line in ax.lines if line.get_label().startswith("_child"))
    assert level.get_xydata().tolist() == [[40.0, 9.0], [65.0, 9.0]]
    assert dot.get_xydata().tolist() == [[65.0, 9.0]]
    assert [text.get_text() for text in ax.texts] == ["d1: crash", "25 s"]


def test_what_is_not_recovered_from_has_a_line_to_the_end_and_no_dot():
    ax = throughput(made_run(answers((0, 40, 10), (40, 100, 2)), FAULTS[:1]), window_s=5.0)
    (level,) = (line for line in ax.lines if line.get_label().startswith("_child"))
    assert list(level.get_xdata()) == [40.0, 100.0]


def test_a_run_of_nothing_can_be_drawn():
    for figure in (timeline(made_run()), throughput({"nothing": made_run()}).figure):
        FigureCanvasAgg(figure).draw()


def test_they_draw_into_what_they_are_given():
    figure = Figure(layout="constrained")
    upper, lower = figure.subfigures(2, 1)
    assert timeline(made_run(STEADY), upper) is upper
    ax = lower.subplots()
    assert throughput(made_run(STEADY, FAULTS), ax=ax) is ax
    FigureCanvasAgg(figure).draw()


@pytest.mark.parametrize("draw", [timeline, throughput])
def test_no_runs_are_refused(draw):
    with pytest.raises(FigureError, match="one or more would do"):
        draw({})
