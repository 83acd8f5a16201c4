"""A score belongs to the exits that are evaluated: what no exit has said counts nowhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isnan
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import drawn, line

from mdisim import bounds
from mdisim.engine import run
from mdisim.engine.lookup import Tables
from mdisim.errors import PolicyError
from mdisim.policies import ANSWERS, CONTINUE, FREE, SCORES, Ddi, Outputs, Place, Policy, Row, row
from mdisim.policies.scores import Beem, Heads, need_score, scored
from mdisim.world import Arrivals, World, setting

N, K = 400, 5
OUTPUTS = drawn(N, K, classes=3, seed=5)
ODD = (True, False, True, False, True)  # exits 1, 3 and 5
CLOSED = Arrivals("closed")


@st.composite
def said(draw: st.DrawFn) -> tuple[Outputs, Heads]:
    """What a network of some exits says of some samples, and which of its exits are evaluated."""
    n, exits = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    prediction = np.array(draw(st.lists(st.integers(0, 2), min_size=n * exits, max_size=n * exits)))
    confidence = np.array(draw(st.lists(st.floats(0, 1), min_size=n * exits, max_size=n * exits)))
    heads = (*draw(st.lists(st.booleans(), min_size=exits - 1, max_size=exits - 1)), True)
    outputs = Outputs(None, confidence.reshape(n, exits), prediction.reshape(n, exits), np.zeros(n, dtype=int))
    return outputs, heads


def patience_of(prediction: list[int], heads: Heads, k: int) -> int:
    """How many evaluated exits, from exit k backwards, predict what exit k does before one does not."""
    found = 0
    for j in range(k, -1, -1):
        if heads[j]:
            if prediction[j] != prediction[k]:
                break
            found += 1
    return found


def beem_of(prediction: list[int], confidence: list[float], heads: Heads, k: int) -> float:
    """The sum of step x depth x confidence of the exits that agree with the evaluated exit before them."""
    total, before = 0.0, None
    for j in range(k + 1):
        if heads[j]:
            agrees = before is not None and prediction[j] == prediction[before]
            total = total + 0.1 * j * confidence[j] if agrees else 0.0
            before = j
    return total


@given(said())
def test_patience_and_beem_count_the_evaluated_exits_alone(case: tuple[Outputs, Heads]) -> None:
    outputs, heads = case
    patience, beem = (scored(SCORES[name], outputs, heads) for name in ("patience", "beem"))
    for i, (prediction, confidence) in enumerate(zip(outputs.prediction, outputs.confidence, strict=True)):
        for k in np.flatnonzero(heads):
            assert patience[i, k] == patience_of(prediction.tolist(), heads, k)
            assert beem[i, k] == pytest.approx(beem_of(prediction.tolist(), confidence.tolist(), heads, k))


@given(said(), st.sampled_from(sorted(SCORES)), st.integers(0, 2**32 - 1))
def test_what_an_exit_that_is_not_evaluated_says_changes_no_score(
    case: tuple[Outputs, Heads], name: str, seed: int
) -> None:
    outputs, heads = case
    rng, silent = np.random.default_rng(seed), ~np.array(heads)
    other = outputs._replace(
        prediction=np.where(silent, rng.integers(0, 3, outputs.prediction.shape), outputs.prediction),
        confidence=np.where(silent, rng.random(outputs.confidence.shape), outputs.confidence),
    )
    if name in ("certainty", "margin"):
        logits = rng.normal(size=(*outputs.prediction.shape, 3))
        changed = np.where(silent[:, None], rng.normal(size=logits.shape), logits)
        outputs, other = outputs._replace(logits=logits), other._replace(logits=changed)
    before, after = (scored(SCORES[name], one, heads)[:, np.flatnonzero(heads)] for one in (outputs, other))
    np.testing.assert_array_equal(before, after)


# --- in a run


def world(**changes: Any) -> World:
    given: dict[str, Any] = {
        "arrivals": CLOSED, "outputs": OUTPUTS, "order": "sequential", "label_bytes": 0.0, "duration_s": 30.0,
    }  # fmt: skip
    return line(2, (0.01,) * K, **(given | changes))


def odd(score: str, threshold: float, **changes: Any) -> Policy:
    return Policy("odd", (Row((threshold,) * K, ODD, (FREE,) * K),), score=SCORES[score], **changes)


def test_what_leaves_by_patience_has_evaluated_exits_that_agree() -> None:
    tasks = run(world(), odd("patience", 2.0), 1).tasks
    tasks = tasks[tasks.status == "answered"]
    assert set(tasks.exit) == {3, 5}
    left = OUTPUTS.prediction[tasks["sample"][tasks.exit == 3]]
    assert len(left) > 100
    assert (left[:, 0] == left[:, 2]).all()
    stayed = OUTPUTS.prediction[tasks["sample"][tasks.exit == 5]]
    assert (stayed[:, 0] != stayed[:, 2]).all()


@dataclass(frozen=True)
class Infinite:
    """Every exit is infinitely sure."""

    cumulative: ClassVar[bool] = False

    def score(self, outputs: Outputs, heads: Heads) -> np.ndarray:
        return np.full(outputs.prediction.shape, inf)


def test_no_sample_leaves_at_an_exit_that_is_not_evaluated_however_high_its_score() -> None:
    plan = Row((0.5,) * K, (False, False, True, False, True), (FREE,) * K)
    policy = Policy("infinite", (plan,), score=Infinite())
    assert set(run(world(), policy, 1).tasks.query("status == 'answered'").exit) == {3}
    (kind,) = bounds.planned(world(), policy)
    assert set(kind.stops) == {2}


@dataclass(frozen=True)
class Notes:
    """Goes on, and notes the score of the stage that has run."""

    told: list[tuple[int, float]]

    def where(self, here: Any, peers: Any, task: Any, knobs: Any, rng: Any) -> Place:
        self.told.append((task.stage, task.score))
        return Place(CONTINUE)


def test_a_rule_and_a_learner_see_no_score_of_an_exit_that_is_not_evaluated() -> None:
    told: list[tuple[int, float]] = []
    learnt: list[list[float]] = []

    class Learner:
        def learns(self, outcome: Any, memory: Any) -> Any:
            learnt.append(outcome.scores.tolist())
            return memory

    run(world(duration_s=1.0), odd("patience", inf, where=Notes(told), learns=Learner()), 1)
    seen = {stage: [score for at, score in told if at == stage] for stage in range(K)}
    assert set(seen[0]) == {0.0}
    assert set(seen[1]) == {1.0}  # exit 1 has been evaluated,
    assert all(isnan(score) for score in seen[2] + seen[4])  # exits 2 and 4 have not
    assert set(seen[3]) == {1.0, 2.0}
    assert learnt
    for scores in learnt:
        assert [isnan(score) for score in scores] == [not head for head in ODD]


def test_rows_share_the_scores_that_are_the_same() -> None:
    one, two = Row((0.5,) * K, ODD, (FREE,) * K), row(K, 0.5)
    for score, alike in (("max-softmax", True), ("patience", False)):
        tables = Tables(world(), Policy("two", (one, two), score=SCORES[score]))
        ours, theirs = tables.scores_of(one), tables.scores_of(two)
        assert (ours[2] is theirs[2]) == alike
        assert ours is tables.scores_at(one, 1)
        assert isnan(ours[1][0])


# --- devices without exits


BARE = Row((0.0,) * K, (True,) * K, (0, 1, 1, 0, 0), no_exits_at=(1,))


def test_where_branches_do_not_run_no_sample_leaves_and_no_exit_counts() -> None:
    """Exits 2 and 3 are planned for the device without exits; patience counts exits 1 and 4."""
    assert BARE.evaluated == (True, False, False, True, True)
    assert BARE.evaluated_at(1) == (False,) * 4 + (True,)
    assert BARE.stamped() == (0.0, inf, inf, 0.0, -inf)
    policy = Policy("bare", (replace(BARE, thresholds=(2.0,) * K),), score=SCORES["patience"])
    tasks = run(world(out_bytes=1.0), policy, 1).tasks.query("status == 'answered'")
    assert set(tasks.exit) == {4, 5}
    agree = OUTPUTS.prediction[tasks["sample"], 0] == OUTPUTS.prediction[tasks["sample"], 3]
    np.testing.assert_array_equal(tasks.exit == 4, agree)
    (kind,) = bounds.planned(world(), policy)
    early = (OUTPUTS.prediction[:, 0] == OUTPUTS.prediction[:, 3]).mean()
    assert kind.shares.tolist() == pytest.approx([0.0, 0.0, 0.0, early, 1.0 - early])
    right = (OUTPUTS.prediction == OUTPUTS.label[:, None])[:, [0, 3, 4]].any(axis=1)
    assert bounds.accuracy_bound(world(), policy) == pytest.approx(right.mean())


def test_the_surest_exit_that_answers_was_evaluated() -> None:
    policy = Policy("surest", (replace(BARE, thresholds=(inf,) * K),), answer=ANSWERS["most-confident"])
    tasks = run(world(out_bytes=1.0), policy, 1).tasks.query("status == 'answered'")
    asked = [0, 3, 4]
    best = np.array(asked)[OUTPUTS.confidence[:, asked].argmax(axis=1)]
    np.testing.assert_array_equal(tasks.answered_by - 1, best[tasks["sample"]])


@dataclass(frozen=True)
class Away:
    """The first stage here, the others at the other device."""

    def where(self, here: Any, peers: Any, task: Any, knobs: Any, rng: Any) -> Place:
        return Place(CONTINUE) if task.stage == 0 or here.device == 1 else Place(1)


def test_a_rule_that_sends_to_a_device_without_exits_lets_none_leave_there() -> None:
    plan = Row((0.0,) * K, (False, *(True,) * (K - 1)), (FREE,) * K, no_exits_at=(1,))
    policy = Policy("away", (plan,), where=Away())
    tasks = run(world(out_bytes=1.0, head_s=0.1), policy, 1).tasks.query("status == 'answered'")
    assert set(tasks.exit) == {K}
    np.testing.assert_allclose(tasks.compute_s, K * 0.01 + 0.1)


@pytest.mark.parametrize(
    "needs",
    [{"score": SCORES["patience"]}, {"score": Beem()}, {"learns": object()}],
    ids=["patience", "beem", "learns"],
)
def test_who_counts_exits_needs_a_plan_where_some_devices_have_none(needs: dict[str, Any]) -> None:
    free = Row((2.0,) * K, (True,) * K, (FREE,) * K, no_exits_at=(1,))
    with pytest.raises(ValueError, match=r"row 1 of its plan .*plan a device for each early exit"):
        Policy("free", (row(K), free), **needs)
    assert Policy("free", (row(K), replace(free, placement=(0, 1, 1, 1, 1))), **needs)
    assert Policy("free", (row(K), replace(free, no_exits_at=())), **needs)
    assert Policy("free", (row(K), replace(free, heads=(False,) * (K - 1) + (True,))), **needs)
    assert Policy("free", (row(K), free))


# --- planners


def test_ddi_counts_stages_by_the_exits_that_its_plan_evaluates() -> None:
    rule = Ddi(score="patience", exit_threshold=1.0).build(setting(world())).where
    agree = OUTPUTS.prediction[:, 1:] == OUTPUTS.prediction[:, :-1]
    leaves = np.column_stack([np.zeros(N, dtype=bool), agree[:, :-1], np.ones(N, dtype=bool)])
    assert rule.stages == pytest.approx((leaves.argmax(axis=1) + 1).mean())  # type: ignore[union-attr]


# --- scores of one's own


@dataclass(frozen=True)
class Old:
    cumulative: ClassVar[bool] = False

    def score(self, outputs: Outputs) -> np.ndarray:
        return outputs.confidence


@dataclass(frozen=True)
class Silent:
    def score(self, outputs: Outputs, heads: Heads) -> np.ndarray:
        return outputs.confidence


@dataclass(frozen=True)
class Wrong:
    value: float
    columns: int
    cumulative: ClassVar[bool] = True

    def score(self, outputs: Outputs, heads: Heads) -> np.ndarray:
        return np.full((len(outputs.label), self.columns), self.value)


@pytest.mark.parametrize(
    ("score", "say"),
    [
        (Old(), r"Old.score does not take \(outputs, heads\): define score\(self, outputs, heads\)"),
        (Silent(), "Silent does not say whether it is cumulative: add cumulative"),
        (Infinite, r"score Infinite is a class; give an object, such as Infinite\(\)"),
        ("margin", r"'margin' is not a score: .*write SCORES\['margin'\]"),
        (0.8, "0.8 is not a score"),
    ],
)
def test_a_score_of_another_form_is_refused_when_the_policy_is_made(score: Any, say: str) -> None:
    with pytest.raises(PolicyError, match=say):
        Policy("mine", (row(K, 0.5),), score=score)
    with pytest.raises(PolicyError, match=say):
        need_score(score)


@pytest.mark.parametrize(
    ("score", "say"),
    [
        (Wrong(0.5, K - 1), r"returned the shape \(400, 4\); return one number per sample and exit, \(400, 5\)"),
        (Wrong(np.nan, K), "is not a number for some samples at exit 1"),
    ],
)
def test_scores_of_another_shape_or_without_a_number_end_the_run_before_it_begins(score: Any, say: str) -> None:
    with pytest.raises(PolicyError, match=say):
        run(world(), Policy("mine", (row(K, 0.5),), score=score), 1)


@pytest.mark.parametrize("name", ["certainty", "margin"])
def test_scores_that_compare_classes_need_two(name: str) -> None:
    alone = Outputs(np.zeros((3, K, 1)), np.ones((3, K)), np.zeros((3, K), dtype=int), np.zeros(3, dtype=int))
    with pytest.raises(PolicyError, match=f"'{name}' compares classes, and this profile has only one"):
        scored(SCORES[name], alone, (True,) * K)
