"""Bandits at play: how fast they learn, what becomes of arms while answers are late, and what a run says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bandit_worlds import NOTHING, TIERS, here, play, said, three
from worlds import drawn

from mdisim import regret
from mdisim.engine import run
from mdisim.planners.bandits.devices import AdaEe, CeeBert, ISplitEe, SplitEe, SplitEeS
from mdisim.planners.bandits.queues import QueueAware, QueueLinear
from mdisim.planners.bandits.tiers import CeeBert2, UeeUcb
from mdisim.planners.bandits.ucb import UpperConfidence, blank
from mdisim.planners.tiers.chains import Chain, stop_costs
from mdisim.policies import Knobs, Outputs
from mdisim.regret import RegretError, cumulative
from mdisim.world import Arrivals, setting

CLOUD = {"cloud": "d2"}


# --- regret itself


def test_regret_by_hand():
    """Means 1, 2 and 1.5: arm 1 is best, though arm 0 is better for the first sample."""
    rewards = [[3.0, 1.0, 1.5], [-1.0, 3.0, 1.5]]
    found = cumulative(rewards, [0, 0, 1, 1], [0, 1, 2, 1])
    assert found.best.tolist() == [1]
    assert found.regret.tolist() == [-2.0, -2.0, -0.5, -0.5]
    assert found.pseudo.tolist() == [1.0, 1.0, 1.5, 1.5]
    assert found.picked.tolist() == [0, 1, 2, 1]


def test_each_level_has_its_own_best_arm():
    rewards = [[1.0, 0.0, 0.0, 5.0]]
    found = cumulative(rewards, [0, 0, 0, 0], [0, 1, 2, 3], levels=2)
    assert found.best.tolist() == [0, 3]
    assert found.pseudo.tolist() == [0.0, 1.0, 6.0, 6.0]


@pytest.mark.parametrize(
    ("rewards", "samples", "rows", "levels", "message"),
    [
        ([1.0, 2.0], [0], [0], 1, "samples x rows would do"),
        ([[1.0, 2.0, 3.0]], [0], [0], 2, "3 rows, which 2 levels do not divide"),
        ([[1.0, 2.0]], [0, 0], [0], 1, "2 samples and 1 rows"),
        ([[1.0, 2.0]], [1], [0], 1, "sample 1 is beyond rewards of 1"),
        ([[1.0, 2.0]], [0], [2], 1, "row 2 is beyond rewards of 2"),
    ],
)
def test_what_does_not_belong_together_is_said(rewards, samples, rows, levels, message):
    with pytest.raises(RegretError, match=message):
        cumulative(rewards, samples, rows, levels)


# --- learning


def coins(chances: tuple[float, ...], rounds: int, seed: int) -> np.ndarray:
    """The arms that the rule picks of coins with these chances of earning 1."""
    rule, rng = UpperConfidence(len(chances), 1.0, rounds_plus=1.0), np.random.default_rng(seed)
    memory, cells, rows = blank(len(chances)), len(chances), np.empty(rounds, dtype=np.int64)
    for t in range(rounds):
        rows[t] = arm = rule.picks(here(), (), NOTHING, Knobs((), 0.05, 0), memory, rng)
        memory[arm] += 1.0
        memory[cells + arm] += float(rng.random() < chances[arm])
        memory[2 * cells] += 1.0
    return rows


def test_the_best_of_some_coins_wins_and_regret_grows_ever_more_slowly():
    chances, rounds = (0.3, 0.9, 0.5, 0.2), 3000
    rows = np.array([coins(chances, rounds, seed) for seed in range(5)])
    pseudo = np.mean([cumulative([chances], np.zeros(rounds, int), one).pseudo for one in rows], axis=0)
    assert (rows[:, rounds // 2 :] == 1).mean() > 0.95
    assert pseudo[-1] - pseudo[rounds // 2] < 0.35 * pseudo[rounds // 2]
    gaps = 0.9 - np.array([0.3, 0.5, 0.2])
    assert pseudo[-1] < (8 * np.log(rounds) / gaps).sum()  # the bound of UCB1, Auer et al. 2002


def dominant(n: int = 4000, seed: int = 0) -> Outputs:
    """Two classes, and once an exit is right all deeper ones are: wrong with 0.6, 0.1, 0.08 and 0.07."""
    rng = np.random.default_rng(seed)
    label, hard = rng.integers(0, 2, n), rng.random(n)
    wrong = hard[:, None] < np.array([0.6, 0.1, 0.08, 0.07])
    return said(np.full((n, 4), 0.9), np.where(wrong, 1 - label[:, None], label[:, None]), label)


def test_uee_ucb_finds_the_best_exit_without_labels_where_strong_dominance_holds():
    outputs = dominant()
    policy = UeeUcb(**TIERS, cost_weight=0.4).build(setting(three(4, outputs)))
    errors = (outputs.prediction != outputs.label[:, None]).mean(axis=0)
    rewards = policy.learns.rewards(outputs).mean(axis=0)
    np.testing.assert_allclose(rewards, (errors[0] + 0.1) - (errors + 0.1 * np.arange(1, 5)))
    assert rewards.argmax() == 1
    for seed in range(3):
        _, rows, memory = play(policy, outputs, 2500, seed)
        assert rows[0] == 3
        assert np.bincount(rows[1250:], minlength=4).argmax() == 1
        assert (memory[4:8] / memory[:4]).argmax() == 1
        assert memory[0] == 2500  # every sample tells of the first exit
        assert (np.diff(memory[:4]) <= 0).all()


def test_split_ee_s_learns_faster_than_split_ee():
    """Twelve arms told apart by 0.1 a layer and more: what one sample tells of all shallower arms pays."""
    outputs = drawn(2000, 12, classes=3, seed=3)
    at = setting(three(12, outputs))
    last = {}
    for recipe in (SplitEe, SplitEeS):
        policy = recipe(**CLOUD).build(at)
        table = policy.learns.rewards(outputs)
        plays = [play(policy, outputs, 800, seed)[:2] for seed in range(5)]
        last[recipe] = np.mean([cumulative(table, *one).pseudo[-1] for one in plays])
    assert last[SplitEeS] < 0.75 * last[SplitEe]


RECIPES = [
    SplitEe(**CLOUD), SplitEeS(**CLOUD), ISplitEe(**CLOUD), AdaEe(**CLOUD), CeeBert(**CLOUD),
    CeeBert2(**TIERS, thresholds=(0.5, 0.7, 0.9)), CeeBert2(**TIERS, thresholds=(0.5, 0.7, 0.9), shared=True),
    UeeUcb(**TIERS), QueueAware(**CLOUD, queue_max=2), QueueLinear(**CLOUD, queue_max=3, grid=0.1, lowest=0.2),
]  # fmt: skip
IDS = [f"{recipe.name}{'-shared' if getattr(recipe, 'shared', False) else ''}" for recipe in RECIPES]
OUTPUTS = drawn(400, 6, classes=3, seed=3)


@pytest.mark.parametrize("late", [0, 7])
@pytest.mark.parametrize("recipe", RECIPES, ids=IDS)
def test_no_arm_starves_though_answers_are_late(recipe, late):
    """While an answer is due its arm is picked again, so that some arms are played more often, and none never."""
    policy = recipe.build(setting(three(outputs=OUTPUTS)))
    arms, first = policy.picks.arms, 5 if recipe.name == "uee-ucb" else 0
    _, rows, memory = play(policy, OUTPUTS, 60 + arms * (late + 1), late=late)
    assert (rows[: late + 1] == first).all()
    assert rows[late + 1] != first
    assert memory[:arms].min() >= 1.0


# --- in a run


@pytest.mark.parametrize("forward", ["hidden", "input"])
@pytest.mark.parametrize("recipe", RECIPES, ids=IDS)
def test_samples_are_conserved_and_pay_what_their_rows_say(recipe, forward):
    world = three(outputs=OUTPUTS, duration_s=8.0)
    at = setting(world)
    policy = replace(recipe, forward=forward).build(at)
    done = run(world, policy, 1)
    tasks = done.tasks
    assert len(tasks) > 250
    assert (tasks.status == "answered").all()
    stamps = np.array([row.stamped() for row in policy.plan])
    stop = (OUTPUTS.confidence[tasks["sample"]] >= stamps[tasks["row"]]).argmax(axis=1)
    np.testing.assert_array_equal(tasks.exit - 1, stop)
    tiers = isinstance(recipe, CeeBert2 | UeeUcb)
    ends = [
        (2, 3, 6) if tiers else (row + 1 if isinstance(recipe, SplitEe) else policy.learns.exit + 1, 6)
        for row in range(len(policy.plan))
    ]
    costs = np.array([stop_costs(at, Chain((-1, 1, 2) if tiers else (-1, 2), end), forward) for end in ends])
    np.testing.assert_allclose(tasks.cost, costs[tasks["row"], stop])
    levels = getattr(policy.learns, "levels", 1)
    found = regret.of(done, policy.learns.rewards(OUTPUTS), levels)
    assert len(found.pseudo) == len(tasks)
    assert found.pseudo[-1] >= 0.0
    assert (np.diff(found.pseudo) >= -1e-12).all()
    assert done.parameters["all_cloud_cost"] == 9.0


def test_a_run_in_a_closed_loop_is_the_bandit_of_the_papers():
    """One sample at a time, each answered before the next is born: each arm once, in order, then by the index."""
    world = three(outputs=OUTPUTS, arrivals=Arrivals("closed"), duration_s=5.0)
    policy = CeeBert(**CLOUD).build(setting(world))
    tasks = run(world, policy, 1).tasks
    assert tasks["row"].tolist()[:10] == list(range(10))
    memory, rng = policy.memory.copy(), np.random.default_rng(0)
    table = policy.learns.rewards(OUTPUTS)
    for sample, row in zip(tasks["sample"], tasks["row"], strict=True):
        assert policy.picks.picks(here(), (), NOTHING, Knobs((), 0.05, 0), memory, rng) == row
        memory[[row, 10 + row, 20]] += [1.0, table[sample, row], 1.0]


def test_a_less_sure_cloud_leaves_the_answer_to_the_device():
    outputs = said([[0.6, 0.5]] * 50, [[1, 0]] * 50, np.ones(50, dtype=int))
    world = three(2, outputs, duration_s=2.0)
    for recipe, by in ((AdaEe, 1), (CeeBert, 2)):
        policy = recipe(**CLOUD, thresholds=(0.7, 0.9)).build(setting(world))
        tasks = run(world, policy, 1).tasks
        assert set(tasks.exit) == {2}
        assert set(tasks.answered_by) == {by}


def test_queues_are_told_apart_in_a_run():
    world = three(outputs=OUTPUTS, arrivals=Arrivals("poisson", 150.0), duration_s=4.0)
    policy = QueueAware(**CLOUD).build(setting(world))
    tasks = run(world, policy, 1).tasks
    assert len(set(tasks["row"] // 5)) >= 5
    assert tasks.groupby(tasks["row"] // 5).size().sum() == len(tasks)


def test_regret_of_one_source_and_of_what_was_lost():
    two = (Arrivals("poisson", 20.0), Arrivals("poisson", 20.0))
    world = three(outputs=OUTPUTS, arrivals=two, duration_s=3.0, queue_limit=0.0)
    policy = SplitEe(**CLOUD).build(setting(world))
    done = run(world, policy, 1)
    assert (done.tasks.status != "answered").any()
    table = policy.learns.rewards(OUTPUTS)
    each = [regret.of(done, table, source=name).pseudo[-1] for name in ("d0", "d1")]
    assert sum(each) == pytest.approx(regret.of(done, table).pseudo[-1])
    with pytest.raises(RegretError, match="no samples of source 'd9' were admitted; there are d0, d1"):
        regret.of(done, table, source="d9")
