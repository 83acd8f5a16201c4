"""Figures of differences: marks and intervals are those of the comparison's table."""

from itertools import pairwise

import numpy as np
import pytest
from figure_runs import LONG, boxes, compared, drawn, many

from mdisim.report import FigureError, differences

FASTER = {"throughput_per_s": [15.0, 16.1, 17.0], "accuracy": [0.80, 0.82, 0.80], "latency_p95_s": [2.0] * 3}
NOISY = {"throughput_per_s": [5.0, 16.0, 11.0], "accuracy": [0.75, 0.76, 0.75], "latency_p95_s": [0.5] * 3}
FIRST = {"throughput_per_s": [10.0, 11.0, 12.0], "accuracy": [0.80, 0.81, 0.80], "latency_p95_s": [1.0] * 3}
GIVEN = compared({"first": FIRST, "faster": FASTER, "noisy": NOISY})


def marks(ax):
    return [line for line in ax.lines if line.get_label() != "_none"]


@pytest.mark.parametrize("measure", ["throughput_per_s", "accuracy", "latency_p95_s"])
def test_marks_and_intervals_are_those_of_the_table(measure):
    ax, table = differences(GIVEN, measure), GIVEN.table([measure])[measure].iloc[1:]
    assert [mark.get_xydata().tolist() for mark in marks(ax)] == [
        [[value, float(row)]] for row, value in enumerate(table["difference"])
    ]
    ends = [one.get_segments()[0][:, 0] for one in ax.collections]
    assert np.array(ends) == pytest.approx(table[["difference_low", "difference_high"]].to_numpy())
    assert [text.get_text() for text in ax.get_yticklabels()] == ["faster", "noisy"]


def test_a_mark_is_full_where_the_table_calls_it_different():
    full = [mark.get_markerfacecolor() == mark.get_color() for mark in marks(differences(GIVEN))]
    assert full == [True, False]
    assert full == (GIVEN.table(["throughput_per_s"])["throughput_per_s"]["difference_p"].iloc[1:] < 0.05).tolist()


def test_numbers_stand_beside_with_their_signs():
    said = [text.get_text() for text in differences(GIVEN).texts]
    assert said == ["+5.03 [4.89, 5.18]", "+0 [−13, 12]"]


def test_the_axis_says_of_what_to_whom_and_which_way_is_better():
    assert differences(GIVEN).get_xlabel() == "throughput, difference to first\n(1/s; more is better)"
    assert "(percentage points; more is better)" in differences(GIVEN, "accuracy").get_xlabel()
    assert "(s; less is better)" in differences(GIVEN, "latency_p95_s").get_xlabel()


def test_one_seed_has_hollow_marks_and_no_intervals():
    ax = differences(
        compared({name: {"accuracy": [value]} for name, value in (("a", 0.5), ("b", 0.75))}), "accuracy"
    )
    drawn(ax)
    assert [text.get_text() for text in ax.texts] == ["+25"]
    assert marks(ax)[0].get_markerfacecolor() == "white"
    assert [len(segment) for segment in ax.collections[0].get_segments()] == [0]


def test_fifteen_policies_with_long_names_have_room():
    ax = differences(many())
    names = sorted(boxes(ax, ax.get_yticklabels()), key=lambda box: box.y0)
    assert len(names) == 14
    assert all(below.y1 <= above.y0 + 2.0 for below, above in pairwise(names))
    assert LONG.split()[0] in ax.get_xlabel()


def test_one_policy_alone_and_unknown_measures_are_refused():
    with pytest.raises(FigureError, match="two policies or more would do"):
        differences(compared({"a": {"throughput_per_s": [1.0]}}))
    with pytest.raises(FigureError, match="no column 'truth'; there are throughput_per_s"):
        differences(GIVEN, "truth")
