"""Figures of calibration hold the data: bars and gaps of each bin, errors, and what is promised and kept."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mdisim.calibration import calibrate, diagram, reaches
from mdisim.calibration import reliability as measures
from mdisim.policies.scores import Outputs
from mdisim.profiles import synthesise
from mdisim.report import FigureError, promise, reliability, save

PROFILE = synthesise(
    n=4000, exits=3, accuracy=(0.6, 0.75, 0.85), kappa=(0.6, 1.5, 2.0), stage_s=1, out_bytes=1, seed=3
)


def half(which):
    part = PROFILE.half(which)
    return Outputs(part.logits, part.confidence, part.prediction, part.label)


def few(confidence, right):
    """Outputs of one exit: class 0 said, and the label 0 where that is right."""
    confidence, right = np.array(confidence)[:, None], np.array(right)
    return Outputs(None, confidence, np.zeros(confidence.shape, dtype=int), np.where(right, 0, 1))


def bars(ax):
    """From the left: where each bin's bar begins, the share that is right, and the mean confidence."""
    shares, gaps = ax.patches[::2], ax.patches[1::2]
    assert all(bar.get_y() == 0 for bar in shares)
    return [
        (round(bar.get_x(), 9), bar.get_height(), gap.get_y() + gap.get_height())
        for bar, gap in zip(shares, gaps, strict=True)
    ]


def samples(ax):
    return [patch.get_height() for patch in ax.child_axes[0].patches]


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_bars_are_the_share_right_and_gaps_end_at_the_mean_confidence():
    (ax,) = reliability(few([0.3, 0.35, 0.9, 0.9, 0.9, 1.0], [1, 1, 1, 0, 0, 0]), bins=4)[0]
    assert bars(ax) == [(0.25, 1.0, pytest.approx(0.325)), (0.75, 0.25, pytest.approx(0.925))]
    assert samples(ax) == [0, 2, 0, 4]
    assert words(ax) == ["ECE 67.5 %"]  # (2 x 0.675 + 4 x 0.675) / 6
    under, over = ax.patches[1], ax.patches[3]
    assert (under.get_hatch(), over.get_hatch()) == (r"\\\\", "////")
    assert to_hex(under.get_edgecolor()) != to_hex(over.get_edgecolor())


def test_bins_of_few_samples_are_pale():
    (ax,) = reliability(few([0.2] * 9 + [0.8] * 10, [1, 0] * 9 + [1]), bins=2)[0]
    assert [patch.get_alpha() for patch in ax.patches] == [0.35, 0.35, None, None]


def test_a_profile_is_drawn_from_its_test_half_before_and_after():
    test, fitted = half("test"), calibrate(half("calibration"), mode="all-samples")
    panels = reliability(PROFILE, fitted, bins=10)
    assert panels.shape == (2, 3)
    for said, row in zip((test, fitted.calibrated(test)), panels, strict=True):
        for k, ax in enumerate(row):
            sure, right = said.confidence[:, k], said.prediction[:, k] == said.label
            found = diagram(sure, right, bins=10)
            some = found.count > 0
            expected = np.column_stack([found.edges[:-1], found.accuracy, found.confidence])[some]
            np.testing.assert_allclose(bars(ax), expected)
            assert samples(ax) == found.count.tolist()
            assert words(ax) == [f"ECE {100 * measures.ece(sure, right, bins=10):.1f} %"]
    assert [ax.child_axes[0].get_title(loc="left") for ax in panels[0]] == ["exit 1", "exit 2", "exit 3"]
    assert [ax.get_ylabel().split("\n")[0] for ax in panels[:, 0]] == ["before", "after"]


def test_only_those_that_reach_an_exit_count_if_asked():
    test = half("test")
    (panels,) = reliability(test, reached_at=0.8, device_exits=1, exits=[1, 3])
    reached = reaches(test.confidence, 0.8, 1)
    assert [sum(samples(ax)) for ax in panels] == reached[:, [0, 2]].sum(axis=0).tolist()
    assert 0 < reached[:, 2].sum() < len(test.label)


def test_an_exit_that_nothing_reaches_says_so():
    (panels,) = reliability(half("test"), reached_at=1e-9)
    assert [words(ax)[0][:3] for ax in panels] == ["ECE", "no ", "no "]
    assert samples(panels[1]) == []


def test_it_draws_on_axes_that_are_given():
    axes = Figure().subplots(1, 2)
    drawn = reliability(PROFILE, exits=[3, 1], axes=axes)
    assert drawn.tolist() == [list(axes)]
    assert [ax.child_axes[0].get_title(loc="left") for ax in axes] == ["exit 3", "exit 1"]
    assert axes[0].get_figure().legends == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"exits": [0]}, "some of 1 to 3 would do"),
        ({"exits": []}, "some of 1 to 3 would do"),
        ({"axes": Figure().subplots(1, 2)}, "2 axes for 1 x 3 diagrams; 3 would do"),
    ],
)
def test_exits_and_axes_that_do_not_fit_are_refused(how, reason):
    with pytest.raises(FigureError, match=reason):
        reliability(PROFILE, **how)


def test_a_profile_without_test_samples_is_refused():
    with pytest.raises(FigureError, match="no test samples"):
        reliability(PROFILE.half("calibration"))


def test_one_exit_is_written_as_a_file(tmp_path):
    path = save(reliability(PROFILE, exits=[2])[0, 0], tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")


# --- promises

P_TAR = [0.5, 0.7, 0.9]
KEPT = {"as it is": [0.6, 0.7, 0.8], "calibrated": [[0.7, 0.8, 0.95], [0.65, 0.75, 0.9], [0.75, 0.85, 1.0]]}
OUTAGE = {"as it is": [0.0, 0.5, 1.0], "calibrated": [0.0, np.nan, 0.1]}


def test_promises_are_lines_over_p_tar_with_what_was_promised():
    accuracy, outage = promise(P_TAR, KEPT, OUTAGE)
    lines = {line.get_label(): line for line in accuracy.lines}
    assert lines["as it is"].get_xydata().tolist() == [[0.5, 0.6], [0.7, 0.7], [0.9, 0.8]]
    assert lines["calibrated"].get_ydata().tolist() == [0.7, 0.8, 0.95]
    assert lines["promised"].get_xydata().tolist() == [[p, p] for p in P_TAR]
    assert outage.lines[0].get_ydata().tolist() == [0.0, 0.5, 1.0]
    assert [text.get_text() for text in outage.get_legend().get_texts()] == [*KEPT, "promised"]
    assert accuracy.lines[1].get_color() == outage.lines[1].get_color()


def test_intervals_are_bands():
    (band,) = promise(P_TAR, KEPT, OUTAGE)[0].collections
    box = band.get_paths()[0].get_extents()
    assert (box.y0, box.y1) == (0.65, 1.0)


def test_the_share_on_the_device_is_a_panel_of_its_own(tmp_path):
    on_device = {"calibrated": [0.9, 0.8, 0.4]}
    panels = promise(P_TAR, KEPT, OUTAGE, on_device, axes=Figure().subplots(1, 3))
    titles = [ax.get_title(loc="left") for ax in panels]
    assert titles == ["answered on the device", "accuracy on the device", "outage probability"]
    assert panels[0].lines[0].get_ydata().tolist() == [0.9, 0.8, 0.4]
    assert save(panels[0], tmp_path / "a.svg").exists()


def test_one_p_tar_is_enough():
    promise(0.8, {"a": [0.7]}, {"a": [1.0]})


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"device_accuracy": {"a": [0.5]}}, r"'a' is \(1,\); 3 values, or 3 x 3 with ends, would do"),
        ({"on_device": KEPT, "axes": Figure().subplots(1, 2)}, "2 axes for 3 panels; 3 would do"),
    ],
)
def test_shapes_and_axes_that_do_not_fit_are_refused(how, reason):
    with pytest.raises(FigureError, match=reason):
        promise(P_TAR, **({"device_accuracy": KEPT, "outage": OUTAGE} | how))
