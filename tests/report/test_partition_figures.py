"""The figure of cuts: the lines are the best cuts."""

import numpy as np
import pytest

from mdisim.planners.partitions.partition import b_alexnet, cuts_over
from mdisim.report.partitions import APART, cuts
from mdisim.report.style import FigureError, page

CHAIN = b_alexnet(1e-3, {"pool1": 0.8})
RATES = np.geomspace(1e5, 1e9, 50)


def test_the_lines_are_the_best_cuts_a_little_apart():
    ax = cuts(CHAIN, (10.0, 100.0), RATES, marks_bps={})
    found = cuts_over(CHAIN, RATES, (10.0, 100.0))
    for line, best, shift in zip(ax.lines, found, (-APART / 2, APART / 2), strict=True):
        assert line.get_xdata() == pytest.approx(RATES / 1e6)
        assert line.get_ydata() == pytest.approx(best + shift)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["γ = 10", "γ = 100"]
    assert ax.get_xscale() == "log"


def test_cuts_have_the_names_of_what_is_sent():
    ticks = [text.get_text() for text in cuts(CHAIN).get_yticklabels()]
    assert ticks == list(CHAIN.names)
    stages = type(CHAIN)([1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0, 1.0])
    assert [text.get_text() for text in cuts(stages).get_yticklabels()] == ["input", "stage 1", "all"]


def test_marked_rates_are_those_within():
    ax = cuts(CHAIN, rates_bps=RATES, marks_bps={"slow": 1.0, "4G": 5.85e6})
    assert [text.get_text() for text in ax.texts] == ["4G"]


def test_it_draws_where_it_is_told():
    ax = page(2.0).add_subplot()
    assert cuts(CHAIN, ax=ax) is ax


@pytest.mark.parametrize("rates", [[1e6], [0.0, 1e6], [2e6, 1e6]])
def test_rates_that_do_not_rise_are_refused(rates):
    with pytest.raises(FigureError, match="above 0 and rising"):
        cuts(CHAIN, rates_bps=rates)


def test_no_device_is_refused():
    with pytest.raises(FigureError, match="needs a device"):
        cuts(CHAIN, ())
