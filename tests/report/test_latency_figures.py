"""Figures of latencies: lines are the distribution, marks the quantiles of the summary."""

from math import inf

import numpy as np
import pytest
from figure_runs import LONG, answering, boxes, drawn, empty_axes

from mdisim.metrics import latency_quantile_s
from mdisim.report import FigureError, latencies
from mdisim.report.delays import MOST_KNOTS
from mdisim.report.style import line_of, mark_of

FOUR = answering([0.4, 0.1, 0.2, 0.1])
RNG = np.random.default_rng(2)


def steps(ax):
    return {line.get_label(): line.get_xydata() for line in ax.lines if not line.get_label().startswith("_")}


def said(ax):
    return [text.get_text().replace("\n", " ") for text in ax.texts]


def test_the_line_is_the_share_of_answers_within():
    ax = latencies({"four": FOUR})
    assert steps(ax)["four"] == pytest.approx(np.array([[0.1, 0.25], [0.1, 0.5], [0.2, 0.75], [0.4, 1.0]]))
    assert ax.lines[0].get_drawstyle() == "steps-post"
    assert ax.get_ylabel() == "share of answers\nwithin"


def test_the_tail_is_the_share_later_in_steps_of_ten():
    ax = latencies({"four": FOUR}, tail=True)
    assert steps(ax)["four"][:, 1] == pytest.approx([0.75, 0.5, 0.25, 0.0])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    drawn(ax)


@pytest.mark.parametrize("tail", [False, True])
def test_marks_are_the_quantiles_of_the_summary(tail):
    run = answering(RNG.exponential(0.1, 500))
    (mark,) = (line for line in latencies(run, tail=tail).lines if line.get_linestyle() == "None")
    shares = [0.5, 0.95, 0.99]
    assert mark.get_xdata() == pytest.approx([latency_quantile_s(run, q) for q in shares])
    assert mark.get_ydata() == pytest.approx([1.0 - q for q in shares] if tail else shares)


def test_of_many_answers_few_are_drawn_and_the_slowest_are_among_them():
    late = RNG.exponential(0.1, 20_000)
    shown = steps(latencies({"many": answering(late)}))["many"]
    assert len(shown) <= MOST_KNOTS
    assert shown[-50:, 0] == pytest.approx(np.sort(late)[-50:])
    assert np.abs(shown[:, 1] - np.searchsorted(np.sort(late), shown[:, 0], "right") / 20_000).max() < 1e-4


def test_deadlines_are_lines_with_their_values():
    runs = {"a": answering([0.1], deadline_s=0.2), "b": answering([0.3], deadline_s=0.5), "c": answering([0.2])}
    ax = latencies(runs)
    assert [line.get_xdata()[0] for line in ax.lines if line.get_label() == "_deadline"] == [0.2, 0.5]
    assert [text for text in said(ax) if "deadline" in text] == ["deadline 200 ms", "deadline 500 ms"]


def test_each_of_several_has_its_name_and_its_colour():
    runs = {name: answering(RNG.exponential(0.1 * (i + 1), 100)) for i, name in enumerate(("a", LONG, "c"))}
    ax = latencies(runs)
    assert {"a", LONG, "c"} <= set(said(ax))
    assert len({line.get_color() for line in ax.lines if not line.get_label().startswith("_")}) == 3


def test_lines_and_marks_of_two_dozen_runs_can_be_told_apart():
    assert len({str(line_of(number)) for number in range(24)}) == 24
    assert len({(mark_of(number)["marker"], mark_of(number)["color"]) for number in range(24)}) == 24


def test_a_name_stands_where_its_line_is_alone():
    together = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    apart = [0.01, *together[1:]]
    ax = latencies({"apart": answering(apart), "other": answering(together)})
    (name,) = (text for text in ax.texts if text.get_text() == "apart")
    assert name.xy[0] < 0.1


@pytest.mark.parametrize("late", [[0.1], [0.1, 0.1]])
def test_lines_that_go_nowhere_have_names_too(late):
    ax = latencies({"one": answering(late), "two": FOUR})
    drawn(ax)
    assert {"one", "two"} <= set(said(ax))


def test_names_stay_within_the_axes():
    ax = latencies({"one": FOUR, LONG: answering([0.2, 0.3, 0.35])}, ax=empty_axes(3.35))
    frame = ax.get_window_extent()
    for box in boxes(ax, [text for text in ax.texts if len(text.get_text()) > 3]):
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1


def test_more_than_eight_have_a_legend():
    ax = latencies({f"{LONG} {i}": FOUR for i in range(15)})
    assert len(ax.get_legend().get_texts()) == 15
    assert said(ax) == ["p50", "p95", "p99"]


@pytest.mark.parametrize("tail", [False, True])
@pytest.mark.parametrize("late", [[], [0.1], [0.0, 0.0]])
def test_no_answers_one_and_such_that_took_no_time_can_be_drawn(late, tail):
    drawn(latencies({"a": answering(late, deadline_s=inf), "b": FOUR}, tail=tail))
    drawn(latencies(answering(late), tail=tail))


def test_no_runs_are_refused():
    with pytest.raises(FigureError, match="one or more would do"):
        latencies({})
