"""Figures of who works: cells are utilisations, bars are shares of the answers."""

from itertools import pairwise

import numpy as np
import pytest
from figure_runs import LONG, answering, boxes, compared, drawn, empty_axes, many
from matplotlib.colors import to_rgb

from mdisim.metrics import exit_shares
from mdisim.report import FigureError, exits, utilisation
from mdisim.report.style import shades

RUN = answering([0.1] * 8, [1, 1, 1, 2, 2, 2, 2, 2], ["d0"] * 4 + ["d1"] * 4)


def cells(ax):
    return np.asarray(ax.collections[0].get_array()).reshape(len(ax.get_yticks()), -1)


def ticks(labels):
    return [text.get_text().replace("\n", " ") for text in labels]


# --- utilisation


def test_cells_are_the_utilisations_of_devices_and_channels():
    ax = utilisation({"one": RUN, "other": RUN})
    assert cells(ax) == pytest.approx(np.array([[0.0, 10.0, 75.0]] * 2))
    assert ticks(ax.get_xticklabels()) == ["d0", "d1", "d0 – d1"]
    assert ticks(ax.get_yticklabels()) == ["one", "other"]
    assert [text.get_text() for text in ax.texts] == ["0", "10", "75"] * 2
    assert ax.get_xlabel() == "utilisation (%)"


@pytest.mark.parametrize(
    ("links", "names"),
    [
        ([("a -> b", 0, 0.1), ("b -> a", 1, 0.2)], ["a → b", "b → a"]),
        ([("a -> b", 0, 0.1), ("b -> c", 0, 0.2), ("c -> a", 0, 0.2)], ["channel"]),
        ([("a -> b", 0, 0.1), ("b -> c", 0, 0.2), ("c -> a", 1, 0.2)], ["channel 0", "c → a"]),
        ([], []),
    ],
)
def test_channels_are_called_after_their_links(links, names):
    assert ticks(utilisation(answering(links=links)).get_xticklabels())[2:] == names


def test_of_a_comparison_the_cells_are_means_over_seeds():
    shares = {"device_utilisation_mean": [0.1, 0.2], "device_utilisation_max": [0.3, 0.5]}
    ax = utilisation(compared({"a": shares | {"channel_utilisation_max": [1.0, 0.8]}}))
    assert cells(ax) == pytest.approx(np.array([[15.0, 40.0, 90.0]]))
    assert ticks(ax.get_xticklabels()) == ["devices, mean", "busiest device", "busiest channel"]


def test_many_devices_have_shades_alone_and_a_scale():
    ax = utilisation(answering(names=[f"worker-{i}" for i in range(20)]))
    assert list(ax.texts) == []
    assert ticks(ax.get_legend().get_texts()) == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    drawn(ax)


def test_darker_is_more_also_in_grey():
    light = [float(np.dot(to_rgb(shade), (0.299, 0.587, 0.114))) for shade in shades(6)]
    assert (np.diff(light) < -0.05).all()


@pytest.mark.parametrize("draw", [utilisation, exits])
def test_many_policies_with_long_names_have_room_for_them(draw):
    ax = draw({f"{LONG} {i}": RUN for i in range(25)})
    names = sorted(boxes(ax, ax.get_yticklabels()), key=lambda box: box.y0)
    assert len(names) == 25
    assert all(below.y1 <= above.y0 + 2.0 for below, above in pairwise(names))


def test_names_that_are_too_wide_stand_upright():
    short, long = (answering(names=[f"{name}-{i}" for i in range(6)]) for name in ("d", "a-long-device"))
    turned = [utilisation(run, ax=empty_axes(3.35)).get_xticklabels()[0].get_rotation() for run in (short, long)]
    assert turned == [0.0, 90.0]


def test_fifteen_policies_of_a_comparison_can_be_drawn():
    drawn(utilisation(many()))


# --- exits


def bars(ax):
    """Of each bar, by its height, where its parts begin and how long they are."""
    found = {}
    for part in ax.patches:
        found.setdefault(round(part.get_y() + part.get_height() / 2), []).append((part.get_x(), part.get_width()))
    return [found[at] for at in sorted(found)]


def test_parts_are_shares_of_all_answers_by_device_and_exit():
    ax = exits(RUN)
    assert bars(ax) == [[(0.0, 0.375), (0.375, 0.125)], [(0.0, 0.5)]]
    assert ticks(ax.get_yticklabels()) == ["d0", "d1"]
    assert ticks(ax.texts) == ["50.0", "50.0"]
    assert ticks(ax.get_legend().get_texts()) == ["exit 1", "exit 2"]


def test_parts_of_one_exit_add_up_to_its_share():
    ax = exits(RUN)
    totals = [sum(p.get_width() for p in ax.patches if p.get_facecolor()[:3] == shade) for shade in shades(2)]
    assert totals == pytest.approx(exit_shares(RUN).tolist())


def test_each_policy_has_its_name_and_devices_that_answer():
    ax = exits({"both": RUN, "one": answering([0.1], [2])})
    assert [text.get_text().strip() for text in ax.texts if text.get_fontweight() == "bold"] == ["both", "one"]
    assert ticks(ax.get_yticklabels()) == ["d0", "d1", "d0"]
    assert bars(ax)[2] == [(0.0, 1.0)]


def test_of_many_devices_those_that_answer_least_are_one_bar():
    names = [f"d{i}" for i in range(20)]
    ran = [name for i, name in enumerate(names) for _ in range(i + 1)]
    ax = exits(answering([0.1] * len(ran), [1] * len(ran), ran, names=names))
    assert ticks(ax.get_yticklabels()) == [*names[13:], "other 13 devices"]
    assert sum(width for bar in bars(ax) for _, width in bar) == pytest.approx(1.0)


def test_of_many_policies_each_has_one_bar():
    ax = exits({f"p{i}": RUN for i in range(25)})
    assert ticks(ax.get_yticklabels()) == [f"p{i}" for i in range(25)]
    assert bars(ax)[24] == [(0.0, 0.375), (0.375, 0.625)]


def test_a_run_without_answers_can_be_drawn():
    assert bars(exits(answering())) == []
    drawn(exits({"none": answering(), "some": RUN}))


@pytest.mark.parametrize("draw", [utilisation, exits])
def test_no_runs_are_refused(draw):
    with pytest.raises(FigureError, match="one or more would do"):
        draw({})
