"""What all figures have in common: they draw on the axes that they are given and on no others, in one look."""

import pytest
from figure_runs import answering, drawn, empty_axes, many
from made_runs import answers, made_run
from matplotlib import pyplot
from matplotlib.text import Text
from worlds import line

from mdisim import report
from mdisim.report.style import plain_numbers

RUNS = {
    name: answering([0.1, 0.2, 0.4], [1, 2, 2], ["d0", "d1", "d1"], deadline_s=0.3) for name in ("one", "other")
}
RUN = made_run(answers((0, 100, 5)), [(40.0, 60.0, "crash", "d1")], link="d0 -> d1", gap_s=0.01)
COMPARED = many(5)
SWEPT = COMPARED.runs.assign(rate=lambda table: table["seed"] % 2)
FIGURES = {
    "differences": lambda ax: report.differences(COMPARED, "accuracy", ax=ax),
    "exits": lambda ax: report.exits(RUNS, ax=ax),
    "frontier": lambda ax: report.frontier(COMPARED, bounds={"accuracy_bound": 0.9}, ax=ax),
    "latencies": lambda ax: report.latencies(RUNS, ax=ax),
    "network": lambda ax: report.network(line(3), ax=ax),
    "over_time": lambda ax: report.over_time(RUN, ax=ax),
    "swept": lambda ax: report.swept(SWEPT, "rate", ax=ax),
    "tail": lambda ax: report.latencies(RUNS, tail=True, ax=ax),
    "throughput": lambda ax: report.throughput(RUN, ax=ax),
    "utilisation": lambda ax: report.utilisation(RUNS, ax=ax),
}


@pytest.mark.parametrize("name", FIGURES)
def test_it_draws_on_the_axes_that_it_is_given_and_no_others(name):
    ax = empty_axes()
    assert FIGURES[name](ax) is ax
    assert drawn(ax).axes == [ax]
    assert ax.has_data() or ax.texts
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("name", FIGURES)
def test_without_axes_it_makes_one_in_our_look(name):
    ax = FIGURES[name](None)
    assert drawn(ax).axes == [ax]
    assert ax.xaxis.label.get_fontsize() == 8.0
    assert not (ax.spines["top"].get_visible() and ax.axison)


@pytest.mark.parametrize("name", FIGURES)
def test_axes_made_within_our_look_are_as_if_it_had_made_them(name):
    with report.look():
        given = FIGURES[name](empty_axes())
    own = FIGURES[name](None)
    for one, other in ((given.xaxis.label, own.xaxis.label), (given.yaxis.label, own.yaxis.label)):
        assert (one.get_fontsize(), one.get_color()) == (other.get_fontsize(), other.get_color())
    assert given.spines["right"].get_visible() == own.spines["right"].get_visible()


@pytest.mark.parametrize("name", FIGURES)
def test_no_formula_is_shown_as_its_source(name):
    texts = drawn(FIGURES[name](None)).findobj(Text)
    assert [text.get_text() for text in texts if "\\math" in text.get_text()] == []


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((0.001, 1.0), ["0.001", "0.01", "0.1", "1"]),
        ((1e4, 1e6), ["10000", "100000", "1e+06"]),
        ((0.25, 0.9), ["0.3", "0.4", "0.6"]),
    ],
)
def test_an_axis_in_steps_of_ten_has_plain_numbers(limits, labels):
    with report.look():
        ax = empty_axes()
        ax.set_yscale("log")
        plain_numbers(ax.yaxis)
        ax.set_ylim(limits)
    ticks = [*ax.yaxis.get_ticklabels(), *ax.yaxis.get_ticklabels(minor=True)]
    seen = [tick for tick in ticks if limits[0] <= tick.get_position()[1] <= limits[1]]
    assert sorted(tick.get_text() for tick in seen if tick.get_text()) == labels


@pytest.mark.parametrize("name", ["differences", "exits", "frontier", "latencies", "swept", "tail", "utilisation"])
def test_it_fits_a_column(name):
    ax = FIGURES[name](empty_axes(3.35, 2.4))
    assert drawn(ax).get_tightbbox().width <= 1.02 * 3.35


@pytest.mark.parametrize("what", ["link-rate", "queue", "out-queue", "flow", "threshold", "gap"])
def test_each_panel_of_a_timeline_can_stand_alone(what):
    alone = report.over_time(RUN, what)
    within = {ax.get_ylabel(): ax for ax in report.timeline(RUN).axes}[alone.get_ylabel()]
    for one, other in zip(alone.lines, within.lines, strict=True):
        assert one.get_label() == other.get_label()
        assert (one.get_xydata() == other.get_xydata()).all()


def test_a_panel_that_a_run_does_not_have_is_refused():
    with pytest.raises(report.FigureError, match=r"nothing over time is called 'gap' here; queue, .*would do"):
        report.over_time(made_run(), "gap")


def test_the_public_names_are_these_and_lead_home():
    assert report.__all__ == sorted(report.__all__, key=lambda name: (name.islower(), name))
    assert dir(report) == sorted(report.__all__)
    for name in report.__all__:
        assert getattr(report, name).__name__ == name
