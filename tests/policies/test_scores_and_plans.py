"""Scores, answers, plan rows and parameter tables, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log

import numpy as np
import pytest
from worlds import drawn, line

from mdisim.policies import (
    ANSWERS,
    FREE,
    RECIPES,
    SCORES,
    Ddi,
    MdiExit,
    NoExit,
    Outputs,
    Recipe,
    Remote,
    Row,
    check,
    parameters,
    row,
)
from mdisim.policies.scores import Beem, softmax
from mdisim.world import setting

PREDICTION = np.array([[0, 0, 1, 1], [2, 2, 2, 2], [0, 1, 0, 1]])
CONFIDENCE = np.array([[0.5, 0.4, 0.6, 0.6], [0.9, 0.8, 0.7, 0.6], [0.3, 0.3, 0.5, 0.9]])
OUTPUTS = Outputs(None, CONFIDENCE, PREDICTION, np.array([1, 2, 0]))
EVERY = (True,) * 4


def logits_of(*probabilities: float) -> Outputs:
    logits = np.log(np.array(probabilities))[None, None, :]
    return Outputs(logits, np.array([[max(probabilities)]]), np.array([[0]]), np.array([0]))


def test_scores_from_tables() -> None:
    assert SCORES["max-softmax"].score(OUTPUTS, EVERY) is CONFIDENCE
    patience, hindsight = (SCORES[name].score(OUTPUTS, EVERY) for name in ("patience", "hindsight"))
    np.testing.assert_array_equal(patience, [[1, 2, 1, 2], [1, 2, 3, 4], [1, 1, 1, 1]])
    np.testing.assert_array_equal(hindsight, [[0, 0, 1, 1], [1, 1, 1, 1], [1, 0, 1, 0]])


def test_beem_adds_up_what_agrees() -> None:
    """Weights 0, 0.1, 0.2, 0.3 from exit to exit, or given; a disagreement sets the sum back to 0."""
    agree = [0.1 * 0.8, 0.1 * 0.8 + 0.2 * 0.7, 0.1 * 0.8 + 0.2 * 0.7 + 0.3 * 0.6]
    expected = [[0, 0.1 * 0.4, 0, 0.3 * 0.6], [0, *agree], [0, 0, 0, 0]]
    np.testing.assert_allclose(SCORES["beem"].score(OUTPUTS, EVERY), expected)
    np.testing.assert_allclose(Beem(step=0.4).score(OUTPUTS, EVERY), 4 * np.array(expected))
    given = Beem((9.0, 0.5, 0.6, 0.7)).score(OUTPUTS, EVERY)
    np.testing.assert_allclose(given[0], [0, 0.5 * 0.4, 0, 0.7 * 0.6])
    with pytest.raises(ValueError, match="'beem' has 2 weights for 4 exits"):
        Beem((0.1, 0.2)).score(OUTPUTS, EVERY)


def test_scores_from_logits() -> None:
    thirds = logits_of(0.5, 0.25, 0.25)
    entropy = 0.5 * log(2) + 0.5 * log(4)
    assert SCORES["certainty"].score(thirds, (True,)).item() == pytest.approx(1 - entropy / log(3))
    assert SCORES["margin"].score(thirds, (True,)).item() == pytest.approx(0.25)
    assert SCORES["certainty"].score(logits_of(0.5, 0.5), (True,)).item() == pytest.approx(0.0)
    assert SCORES["certainty"].score(logits_of(1.0, 1e-300), (True,)).item() == pytest.approx(1.0)
    np.testing.assert_allclose(softmax(np.array([1000.0, 1000.0])), [0.5, 0.5])


@pytest.mark.parametrize("name", ["certainty", "margin"])
def test_scores_that_need_logits_say_so(name: str) -> None:
    with pytest.raises(ValueError, match="needs logits"):
        SCORES[name].score(OUTPUTS, EVERY)


def test_answers() -> None:
    every, some = EVERY, (False, True, False, True)
    np.testing.assert_array_equal(ANSWERS["own-exit"].answer(OUTPUTS, every), np.tile(np.arange(4), (3, 1)))
    np.testing.assert_array_equal(
        ANSWERS["most-confident"].answer(OUTPUTS, every), [[0, 0, 2, 2], [0, 0, 0, 0], [0, 0, 2, 3]]
    )
    evaluated = ANSWERS["most-confident"].answer(OUTPUTS, some)[:, [1, 3]]
    best = np.where(CONFIDENCE[:, 3] > CONFIDENCE[:, 1], 3, 1)
    np.testing.assert_array_equal(evaluated, np.column_stack([[1, 1, 1], best]))


def test_rows() -> None:
    assert row(3) == Row((inf, inf, inf), (True, True, True), (FREE, FREE, FREE))
    assert row(2, 0.5, early_exits=False, placement=(0, 1)) == Row((0.5, 0.5), (False, True), (0, 1))
    assert row(3, 0.5).stamped() == (0.5, 0.5, -inf)
    assert row(3, 0.5).stamped((0.1, 0.2, 0.3)) == (0.1, 0.2, -inf)
    assert row(3, 0.5, early_exits=False).stamped((0.1, 0.2, 0.3)) == (inf, inf, -inf)
    assert Row((0.5, 0.5, 0.5), (True, False, True), (0, 0, 0)).stamped() == (0.5, inf, -inf)
    assert row(1, 0.5).stamped() == (-inf,)


@pytest.mark.parametrize(
    ("thresholds", "heads", "placement", "fault"),
    [
        ((0.5,), (True, True), (0, 0), "as many thresholds"),
        ((0.5, 0.5), (True, True), (0,), "as many thresholds"),
        ((), (), (), "as many thresholds"),
        ((0.5, 0.5), (True, False), (0, 0), "last exit"),
    ],
)
def test_bad_rows(
    thresholds: tuple[float, ...], heads: tuple[bool, ...], placement: tuple[int, ...], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        Row(thresholds, heads, placement)


# --- named policies

WORLD = line(3, (0.1, 0.2, 0.3), outputs=drawn(200, 3), out_bytes=(1000, 500, 250, 0), rate=8e3, latency_s=0.1)
HERE = setting(WORLD)


def test_a_setting_knows_the_unloaded_way_to_every_device() -> None:
    np.testing.assert_allclose(HERE.transfer_s[0, 1], [1.1, 0.6, 0.35, 0.1])
    np.testing.assert_allclose(HERE.transfer_s[0, 2], [2.2, 1.2, 0.7, 0.2])
    np.testing.assert_array_equal(HERE.transfer_s[1, 1], 0.0)
    assert HERE.device("d2") == 2
    with pytest.raises(ValueError, match="device 'd9' is not"):
        HERE.device("d9")


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_parameter_has_a_meaning_and_a_default(recipe: type[Recipe]) -> None:
    for parameter in parameters(recipe):
        assert parameter.meaning, parameter.name
        assert parameter.default is not None, parameter.name


def test_parameters_say_what_is_allowed() -> None:
    allowed = {p.name: (p.allowed, p.unit) for p in parameters(MdiExit)}
    assert allowed["alpha"] == (">= 0, <= 1", "share")
    assert allowed["retry_s"] == (">= 0.0001", "s")
    assert allowed["gate"] == ("queue | none", "")
    assert allowed["optimistic"] == ("true | false", "")


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_policy_builds_with_rules_that_conform(name: str) -> None:
    recipe = RECIPES[name]
    for adapt in ("rate", "threshold", "none"):
        chosen = {"adapt": adapt} | ({"device": "d1"} if name == "remote" else {})
        policy = recipe(**chosen).build(HERE)
        assert policy.name == name
        assert policy.strictly
        assert policy.details["adapt"] == adapt
        for rule in (policy.where, policy.sends, policy.turns, policy.admits, policy.picks, policy.learns):
            assert rule is None or check(rule) == []


def test_thresholds_for_every_exit() -> None:
    assert MdiExit(exit_threshold=0.7).thresholds(3) == (0.7, 0.7, 0.7)
    assert MdiExit(exit_threshold=(0.7, 0.6)).thresholds(3) == (0.7, 0.6, inf)
    assert MdiExit(exit_threshold=(0.7, 0.6, 0.5)).thresholds(3) == (0.7, 0.6, 0.5)
    with pytest.raises(ValueError, match="3 exits"):
        MdiExit(exit_threshold=(0.7,)).thresholds(3)


def test_what_named_policies_lay_out() -> None:
    assert Remote(device="d2").build(HERE).plan[0].placement == (2, 2, 2)
    assert NoExit().build(HERE).plan[0].heads == (False, False, True)
    assert MdiExit(adapt="threshold").build(HERE).knobs.thresholds == (0.8, 0.8, 0.8)
    assert MdiExit(adapt="rate").build(HERE).knobs.thresholds == ()


def test_ddi_counts_the_stages_that_a_sample_needs() -> None:
    confidence = np.array([[0.9, 0.0, 0.0], [0.8, 0.9, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    outputs = Outputs(None, confidence, np.zeros((4, 3), dtype=np.int64), np.zeros(4, dtype=np.int64))
    rule = Ddi(exit_threshold=0.8).build(replace(HERE, calibration=outputs)).where
    assert rule is not None
    assert rule.stages == (1 + 2 + 3 + 3) / 4  # type: ignore[attr-defined]
