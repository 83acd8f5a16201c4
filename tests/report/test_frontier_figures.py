"""Frontiers and sweeps: marks and lines are at the means of the table, and names can be read."""

from itertools import combinations, pairwise
from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from figure_runs import LONG, boxes, compared, drawn, empty_axes, many
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.transforms import Bbox

from mdisim.experiments.sweep.sweep import Sweep
from mdisim.report import FigureError, frontier, frontiers, swept
from mdisim.report.direct import apart
from mdisim.report.frontiers import _steps

X, Y = "throughput_per_s", "accuracy"
FAST = {X: [30.0, 32.0, 31.0], Y: [0.80, 0.81, 0.79]}
SURE = {X: [20.0, 21.0, 20.5], Y: [0.90, 0.91, 0.92]}
POOR = {X: [19.0, 20.0, 19.0], Y: [0.70, 0.75, 0.71]}
THREE = compared({"fast": FAST, "sure": SURE, "poor": POOR})


def marks(ax):
    """The points of each line that has a name."""
    return {line.get_label(): line.get_xydata() for line in ax.lines if not line.get_label().startswith("_")}


def lines(ax, label):
    return [line.get_xydata().tolist() for line in ax.lines if line.get_label() == label]


def names(ax):
    return [text.get_text().replace("\n", " ") for text in ax.texts]


def lacking(ax):
    return ax.get_title(loc="left").replace("\n", " ")


def test_marks_and_intervals_are_those_of_the_table():
    ax, table = frontier(THREE), THREE.table([X, Y])
    assert {name: points.tolist() for name, points in marks(ax).items()} == {
        name: [pytest.approx([row[X, "mean"], row[Y, "mean"]])] for name, row in table.iterrows()
    }
    across, up = ([one.get_segments()[0] for one in ax.collections[side::2]] for side in (0, 1))
    for (_, row), flat, upright in zip(table.iterrows(), across, up, strict=True):
        assert flat == pytest.approx(np.array([[row[X, "low"], row[Y, "mean"]], [row[X, "high"], row[Y, "mean"]]]))
        assert upright[:, 1] == pytest.approx([row[Y, "low"], row[Y, "high"]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("throughput (1/s)", "accuracy (%)")
    assert names(ax) == ["fast", "sure", "poor"]


def test_a_comparison_has_throughput_and_latency_against_accuracy():
    slow = {"throughput_bound_per_s": [40.0] * 3, "latency_p95_s": [0.2, 0.3, 0.4]}
    upper, lower = frontiers.compared(compared({"fast": FAST | slow, "sure": SURE | slow})).axes
    assert marks(upper) == {
        "fast": pytest.approx(np.array([[31.0, 0.8]])),
        "sure": pytest.approx(np.array([[20.5, 0.91]])),
    }
    assert marks(lower) == {
        "fast": pytest.approx(np.array([[0.3, 0.8]])),
        "sure": pytest.approx(np.array([[0.3, 0.91]])),
    }
    assert lines(upper, "_most")
    assert lines(lower, "_most") == []
    assert (upper.get_xlabel(), lower.get_xlabel()) == ("throughput (1/s)", "latency p95 (s)")


def test_a_table_of_runs_will_do():
    assert marks(frontier(THREE.runs))["sure"] == pytest.approx(marks(frontier(THREE))["sure"])


def test_steps_join_what_is_not_worse_in_both():
    assert lines(frontier(THREE), "_best") == [
        [pytest.approx([31.0, 0.80]), pytest.approx([20.5, 0.80]), pytest.approx([20.5, 0.91])]
    ]


def test_of_latencies_less_is_better():
    given = compared({name: {"latency_p95_s": [x], Y: [y]} for name, x, y in
                      (("a", 1.0, 0.8), ("b", 2.0, 0.9), ("c", 3.0, 0.85))})  # fmt: skip
    assert lines(frontier(given, "latency_p95_s"), "_best") == [[[1.0, 0.8], [2.0, 0.8], [2.0, 0.9]]]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_a_point_is_a_corner_just_if_none_is_better(points, less_x, less_y):
    x, y = np.array(points, dtype=float).T
    corners = {tuple(corner) for corner in _steps(x, y, less_x, less_y)[::2]}
    sign = np.array([-1.0 if less_x else 1.0, -1.0 if less_y else 1.0])
    good = np.array(points) * sign
    beaten = [any((other >= one).all() and (other > one).any() for other in good) for one in good]
    assert corners == {(float(a), float(b)) for (a, b), worse in zip(points, beaten, strict=True) if not worse}


def test_bounds_of_the_two_measures_are_lines_with_their_values():
    ax = frontier(THREE, bounds={"throughput_bound_per_s": 40.0, Y: 0.95, "latency_p95_s": 1.0})
    assert lines(ax, "_bound") == [[[40.0, 0.0], [40.0, 1.0]], [[0.0, 0.95], [1.0, 0.95]]]
    assert names(ax)[:2] == ["bound: 40.0/s", "bound: 95.0 %"]
    assert ax.get_xlim()[1] > 40.0


@pytest.mark.parametrize("none", [inf, nan])
def test_bounds_that_are_not_finite_are_not_drawn(none):
    assert lines(frontier(THREE, bounds={X: none}), "_bound") == []


def test_own_bounds_are_ends_of_lines_from_the_marks():
    runs = THREE.runs.assign(throughput_bound_per_s=lambda table: table[X] + 5.0)
    ax = frontier(runs, own_bounds=True)
    assert lines(ax, "_most") == [[pytest.approx(marks(ax)[name][0] + (5.0, 0.0))] for name in marks(ax)]
    with pytest.raises(FigureError, match="no column 'throughput_bound_per_s'"):
        frontier(THREE, own_bounds=True)


def test_one_seed_has_marks_and_no_intervals():
    ax = frontier(compared({"a": {X: [1.0], Y: [0.5]}}))
    drawn(ax)
    assert marks(ax)["a"].tolist() == [[1.0, 0.5]]
    assert [len(segment) for one in ax.collections for segment in one.get_segments()] == [0, 0]


def test_what_is_not_known_has_no_mark_and_no_part_in_the_steps():
    ax = frontier(compared({"a": {X: [1.0, 2.0], Y: [nan, 0.5]}, "b": {X: [3.0, 3.0], Y: [0.4, 0.4]}}))
    drawn(ax)
    assert np.isnan(marks(ax)["a"]).any()
    assert lines(ax, "_best") == [[[3.0, 0.4]]]
    assert names(ax) == ["b"]
    assert lacking(ax) == "no point, as a mean is not known: a"


def test_where_nothing_is_known_that_is_said():
    unknown = {X: [0.0], Y: [nan], "throughput_bound_per_s": [1.0], "latency_p95_s": [nan]}
    figure = frontiers.compared(compared({"a": unknown, LONG: unknown, f"{LONG} 2": unknown}))
    for ax in figure.axes:
        assert lacking(ax) == f"no point, as a mean is not known: a, {LONG}, {LONG} 2"
        (told,) = boxes(ax, [ax._left_title])
        assert told.x1 <= figure.bbox.x1
        assert told.y0 >= ax.get_window_extent().y1
    assert lacking(frontier(THREE)) == ""


@pytest.mark.parametrize("width_in", [3.35, 6.9])
def test_fifteen_long_names_cover_each_other_little(width_in):
    ax = frontier(many(), ax=empty_axes(width_in))
    assert len(ax.texts) == 15
    texts = boxes(ax, ax.texts)
    shared = [Bbox.intersection(*pair) for pair in combinations(texts, 2)]
    covered = sum(box.width * box.height for box in shared if box)
    assert covered < 0.05 * sum(box.width * box.height for box in texts)


def test_names_stay_within_the_axes():
    ax = frontier(THREE, ax=empty_axes(3.35))
    frame = ax.get_window_extent()
    for box in boxes(ax, ax.texts):
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1


# --- over a parameter that was swept


def points(policies=("a", "b"), values=(0.5, 0.7, 0.9), path="policy.exit_threshold"):
    rows = [
        {"policy": name, path: value, "seed": seed, X: 10.0 * i + j + seed, Y: 0.5 + 0.1 * j - 0.01 * i}
        for i, name in enumerate(policies)
        for j, value in enumerate(values)
        for seed in range(3)
    ]
    return pd.DataFrame(rows).sample(frac=1.0, random_state=1)


def test_with_points_each_policy_is_a_line_by_the_parameter():
    found = marks(frontier(points(), point="policy.exit_threshold"))
    assert found["a"] == pytest.approx(np.array([[1.0, 0.5], [2.0, 0.6], [3.0, 0.7]]))
    assert found["b"] == pytest.approx(np.array([[11.0, 0.49], [12.0, 0.59], [13.0, 0.69]]))


def test_points_that_are_not_told_apart_are_refused():
    with pytest.raises(FigureError, match=r"two runs or more of policy [ab], seed .*name the column of points"):
        frontier(points())


def test_lines_of_a_sweep_are_means_with_bands():
    ax = swept(points(), "policy.exit_threshold")
    found = marks(ax)
    assert found["a"] == pytest.approx(np.array([[0.5, 1.0], [0.7, 2.0], [0.9, 3.0]]))
    half = 4.302653 / np.sqrt(3)  # Student's t with 2 degrees of freedom; a deviation of 1
    (band,) = ax.collections[list(found).index("a")].get_paths()
    corners = {tuple(corner) for corner in np.round(band.vertices, 4)}
    assert {(0.5, round(1 - half, 4)), (0.9, round(3 + half, 4))} <= corners
    assert ax.get_xlabel() == "policy exit threshold"
    assert sorted(names(ax)) == ["a", "b"]


def test_lines_are_in_the_order_of_the_rows_so_that_figures_agree():
    given = points().sort_values(["policy", "policy.exit_threshold"], ascending=[False, True])[3:]
    assert list(marks(swept(given, "policy.exit_threshold"))) == ["b", "a"]


def test_a_line_without_any_point_is_told():
    given = points().sort_values("seed")
    given.loc[given["policy"] == "b", X] = nan
    ax = swept(given, "policy.exit_threshold")
    assert (names(ax), lacking(ax)) == (["a"], "no point, as a mean is not known: b")


def test_values_that_are_no_numbers_stand_side_by_side():
    ax = swept(points(values=("rate", "none"), path="adapt").sort_values("seed"), "adapt")
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert sorted(ticks) == ["none", "rate"]
    assert marks(ax)["a"][ticks.index("none")].tolist() == [ticks.index("none"), 2.0]


def test_of_a_sweep_the_runs_that_are_done_count():
    status = ["done", "done", "failed"]
    given = points(("a",)).sort_values(["policy.exit_threshold", "seed"]).assign(status=status * 3)
    given.loc[given["status"] == "failed", [X, Y]] = nan
    sweep = Sweep(given, {"policy.exit_threshold": ""})
    assert marks(swept(sweep, "policy.exit_threshold"))["a"][:, 1].tolist() == [0.5, 1.5, 2.5]
    assert marks(frontier(sweep, point="policy.exit_threshold"))["a"][:, 0].tolist() == [0.5, 1.5, 2.5]


@pytest.mark.parametrize(("draw", "named"), [
    (lambda s: swept(s, "latency_p95_s"), "latency_p95_s"),
    (lambda s: swept(s, "policy.exit_threshold", hue="seed"), "seed"),
    (lambda s: frontier(s, point="accuracy"), "accuracy"),
])  # fmt: skip
def test_what_a_sweep_does_not_move_is_no_axis_of_points(draw, named):
    with pytest.raises(FigureError, match=rf"does not move '{named}'; it moves policy.exit_threshold"):
        draw(Sweep(points(("a",)).assign(status="done"), {"policy.exit_threshold": ""}))


def test_other_columns_may_tell_lines_apart():
    assert list(marks(swept(points(("a",)).assign(n=2), "policy.exit_threshold", hue="n"))) == ["n 2"]
    with pytest.raises(FigureError, match="two runs or more of n 2"):
        swept(points().assign(n=2), "policy.exit_threshold", hue="n")


@pytest.mark.parametrize("width_in", [3.35, 6.9])
def test_names_of_ends_that_meet_are_moved_apart(width_in):
    given = points([f"{LONG} {i}" for i in range(8)])
    given[X] = 5.0
    ax = swept(given, "policy.exit_threshold", ax=empty_axes(width_in, 3.2))
    assert len(ax.texts) == 8
    texts = sorted(boxes(ax, ax.texts), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 + 3.0 for below, above in pairwise(texts))


def test_more_than_eight_lines_have_a_legend():
    ax = swept(points([f"p{i}" for i in range(15)]), "policy.exit_threshold")
    assert len(ax.get_legend().get_texts()) == 15
    styles = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in ax.lines}
    assert len(styles) == 15


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(1, 9)), max_size=8))
def test_what_is_moved_apart_touches_at_most(things):
    things = sorted(things)
    at, high = [a for a, _ in things], [h for _, h in things]
    found = apart(at, high)
    for i in range(len(things) - 1):
        assert found[i + 1] - found[i] >= (high[i] + high[i + 1]) / 2 - 1e-9
    assert sum(found) == pytest.approx(sum(at)) or len(things) == 0


# --- what cannot be drawn


@pytest.mark.parametrize("draw", [frontier, lambda runs: swept(runs, X)])
def test_no_runs_are_refused(draw):
    with pytest.raises(FigureError, match="one or more would do"):
        draw(THREE.runs[:0])


@pytest.mark.parametrize(
    ("how", "lacking"), [({"x": "speed"}, "speed"), ({"y": "truth"}, "truth"), ({"point": "rate"}, "rate")]
)
def test_columns_that_lack_are_named(how, lacking):
    with pytest.raises(FigureError, match=f"no column '{lacking}'; there are .*accuracy"):
        frontier(THREE, **how)
