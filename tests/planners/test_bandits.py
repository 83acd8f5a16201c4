"""Bandits against what their papers and authors define: rewards, what is learned, and what is picked."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log, nan, sqrt
from typing import get_type_hints

import numpy as np
import pytest
from bandit_worlds import TIERS, here, outcome, picked, said, stages_at, three

from mdisim.planners.bandits.devices import AdaEe, CeeBert, ISplitEe, SplitEe, SplitEeS
from mdisim.planners.bandits.gains import (
    CascadeGains,
    DissentGains,
    QueueGains,
    SplitGains,
    ThresholdGains,
    cascade_reward,
    gain_reward,
    queue_reward,
    split_reward,
)
from mdisim.planners.bandits.queues import QueueAware, QueueLinear
from mdisim.planners.bandits.tiers import CeeBert2, UeeUcb
from mdisim.planners.bandits.ucb import UpperConfidence, blank, upper
from mdisim.planners.tiers.chains import BeginsAgain
from mdisim.planners.tiers.prefixes import TierError
from mdisim.policies import ANSWERS, Knobs, Outcome, Seen
from mdisim.policies.check import check
from mdisim.policies.parameters import Meaning
from mdisim.scenario.models import Policy as NamedPolicy
from mdisim.scenario.recipes import recipe_of
from mdisim.world import setting

WORLD = three()
HERE = setting(WORLD)
OUTPUTS = WORLD.samples.outputs
RECIPES = {
    "split-ee": SplitEe(cloud="d2"),
    "split-ee-s": SplitEeS(cloud="d2"),
    "i-split-ee": ISplitEe(cloud="d2"),
    "ada-ee": AdaEe(cloud="d2"),
    "ada-ee at the edge": AdaEe(cloud="d2", device="d1"),
    "cee-bert": CeeBert(cloud="d2"),
    "cee-bert-2": CeeBert2(**TIERS),
    "cee-bert-2 shared": CeeBert2(**TIERS, shared=True),
    "uee-ucb": UeeUcb(**TIERS),
    "queue-aware": QueueAware(cloud="d2"),
    "queue-linear": QueueLinear(cloud="d2", queue_max=4, grid=0.05),
}
NAN = float("nan")


def heard(row, exit_, scores, predictions=()):
    """An answer."""
    guess = np.array(predictions or [-1] * len(scores))
    return Outcome(row, exit_, np.array(scores), guess, 0.1, 1.0, Seen(np.zeros(0), 0.0))


def of_arms(memory, levels=1):
    """Plays and sums of each arm."""
    cells = (len(memory) - levels) // 2
    return memory[:cells].tolist(), memory[cells : 2 * cells].tolist()


# --- the index


def test_the_index_by_hand():
    """Means 0.5 after 1 play and 0.8 after 4: with c = 1 the one is still worth a try, with c = 0.1 no more."""
    memory = np.array([1.0, 4.0, 0.5, 3.2, 5.0])
    assert upper(0.5, 1.0, 5.0, 1.0, 1.0, 0.0) == pytest.approx(0.5 + sqrt(log(6)))
    assert upper(3.2, 4.0, 5.0, 2.0, 0.0, 0.0) == pytest.approx(0.8 + 2 * sqrt(log(5) / 4))
    assert upper(3.2, 4.0, 5.0, sqrt(2), 1.0, 1.0) == pytest.approx(0.8 + sqrt(2 * log(6) / 5))
    knobs, seen = Knobs((), 0.05, 0), Seen(np.zeros(0), 0.0)
    for factor, row in ((1.0, 0), (0.1, 1)):
        rule = UpperConfidence(2, factor, rounds_plus=1.0)
        assert rule.picks(here(), (), seen, knobs, memory, np.random.default_rng(0)) == row


@pytest.mark.parametrize(
    ("name", "factor", "rounds_plus", "plays_plus"),
    [
        ("split-ee", 1.0, 1.0, 0.0),
        ("split-ee-s", 1.0, 1.0, 0.0),
        ("i-split-ee", 1.0, 1.0, 0.0),
        ("ada-ee", 1.0, 0.0, 0.0),
        ("cee-bert", 2.0, 0.0, 0.0),
        ("cee-bert-2", 2.0, 0.0, 0.0),
        ("uee-ucb", 1.0, 1.0, 0.0),
        ("queue-aware", sqrt(2), 0.0, 0.0),
        ("queue-linear", sqrt(2), 1.0, 1.0),
    ],
)
def test_constants_of_the_index_as_published(name, factor, rounds_plus, plays_plus):
    rule = RECIPES[name].build(HERE).picks
    assert (rule.factor, rule.rounds_plus, rule.plays_plus) == (pytest.approx(factor), rounds_plus, plays_plus)


def test_arms_not_heard_of_come_first_and_equals_in_order():
    policy, rng = SplitEe(cloud="d2").build(HERE), np.random.default_rng(0)
    memory = policy.memory.copy()
    for arm in range(6):
        assert picked(policy, memory, rng) == arm
        assert picked(policy, memory, rng) == arm  # no answer yet: picking leaves no trace
        memory[arm], memory[-1] = 1.0, arm + 1.0
    assert picked(policy, memory, rng) == 0
    assert picked(UeeUcb(**TIERS).build(HERE), policy.memory, rng) == 5


def test_drawn_every_arm_not_heard_of_has_its_chance():
    """So an arm whose samples are all lost holds up no other."""
    policy, rng = SplitEe(cloud="d2", first="drawn").build(HERE), np.random.default_rng(0)
    memory = policy.memory.copy()
    memory[[1, 4]], memory[-1] = 1.0, 2.0
    counts = np.bincount([picked(policy, memory, rng) for _ in range(400)], minlength=6)
    assert counts[[1, 4]].sum() == 0
    assert counts[[0, 2, 3, 5]].min() > 60


def test_each_queue_length_has_its_own_arms():
    policy, rng = QueueAware(cloud="d2", queue_max=3).build(HERE), np.random.default_rng(0)
    assert len(policy.plan) == 15
    memory = policy.memory.copy()
    memory[5:10], memory[15 + 5 : 15 + 10] = 1.0, [0.1, 0.2, 0.9, 0.4, 0.5]
    memory[30 + 1] = 5.0
    assert [picked(policy, memory, rng, queue) for queue in (0, 1, 2, 9)] == [0, 5 + 2, 10, 10]
    linear = QueueLinear(cloud="d2", queue_max=3, grid=0.1).build(HERE)
    arms = linear.picks.arms
    assert [picked(linear, linear.memory, rng, queue) for queue in (0, 1, 2, 9)] == [0, arms, 2 * arms, 2 * arms]


# --- rewards by hand


def test_published_rewards_by_hand():
    assert split_reward(0.9, 0.95, 0.7, 0.3, 0.1) == pytest.approx(0.6)
    assert split_reward(0.6, 0.95, 0.7, 0.3, 0.1) == pytest.approx(0.95 - 0.1 - 0.3)
    assert split_reward(0.7, 0.95, 0.7, 0.0, 0.1) == 0.7  # sure from the threshold on
    assert gain_reward(0.8, 0.9, 0.8, 0.1, False) == 0.0
    assert gain_reward(0.5, 0.9, 0.8, 0.1, False) == pytest.approx(0.3)
    assert gain_reward(0.7, 0.6, 0.8, 0.1, False) == pytest.approx(-0.2)  # CeeBERT
    assert gain_reward(0.7, 0.6, 0.8, 0.1, True) == pytest.approx(-0.1)  # AdaEE
    assert cascade_reward(0.8, NAN, NAN, 0.7, 0.9, 0.1, 0.06) == 0.0
    assert cascade_reward(0.6, 0.95, NAN, 0.7, 0.9, 0.1, 0.06) == pytest.approx(0.25)
    assert cascade_reward(0.6, 0.8, 0.99, 0.7, 0.9, 0.1, 0.06) == pytest.approx(0.39 - 0.16)
    assert queue_reward(0.9, NAN, 0.85, 7.0, 0.0, 0.01, 5e-5, False) == 0.0
    assert queue_reward(0.6, 0.9, 0.85, 7.0, 0.0, 0.01, 5e-5, False) == pytest.approx(0.3 - 0.07 - 0.00005)
    assert queue_reward(0.8, 0.7, 0.85, 3.0, 0.0, 0.01, -0.05, True) == pytest.approx(-(0.03 - 0.05))


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_learned_of_the_arm_played_is_what_regret_is_reckoned_with(name):
    """One function for both: each row with each of 40 samples."""
    policy = RECIPES[name].build(HERE)
    table = policy.learns.rewards(OUTPUTS)
    assert table.shape == (len(OUTPUTS.label), len(policy.plan))
    cells = policy.picks.arms * (1 if policy.picks.common else policy.picks.levels)
    for row in range(0, len(policy.plan), 1 + len(policy.plan) // 12):
        for sample in range(40):
            memory = policy.learns.learns(outcome(policy, OUTPUTS, sample, row), policy.memory.copy())
            assert memory[row % cells] == 1.0
            assert memory[cells + row % cells] == pytest.approx(table[sample, row])


@pytest.mark.parametrize("name", ["cee-bert-2 shared", "uee-ucb", "queue-aware"])
def test_what_is_learned_of_other_arms_is_true_too(name):
    policy = RECIPES[name].build(HERE)
    table, cells = policy.learns.rewards(OUTPUTS), len(policy.plan)
    told = 0
    for row in range(0, cells, 3):
        for sample in range(20):
            memory = policy.learns.learns(outcome(policy, OUTPUTS, sample, row), policy.memory.copy())
            seen = memory[:cells] > 0.0
            told += seen.sum()
            np.testing.assert_allclose(memory[cells : 2 * cells][seen], table[sample, seen], atol=1e-12)
    assert told > 20 * len(range(0, cells, 3))


# --- what each paper lets an arm learn


def test_split_ee_learns_of_the_arm_played_alone():
    rule = SplitGains((0.7, 0.7, -inf), (0.1, 0.2, 0.3), 0.1)
    memory = rule.learns(heard(1, 1, [NAN, 0.9, NAN]), blank(3))
    assert of_arms(memory) == ([0, 1, 0], [0, pytest.approx(0.9 - 0.2), 0])
    memory = rule.learns(heard(1, 2, [NAN, 0.6, 0.8]), memory)
    assert of_arms(memory) == ([0, 2, 0], [0, pytest.approx(0.7 + 0.8 - 0.1 - 0.2), 0])
    memory = rule.learns(heard(2, 2, [NAN, NAN, 0.4]), memory)  # the last exit always answers
    assert of_arms(memory)[1][2] == pytest.approx(0.4 - 0.3)
    assert memory[-1] == 3.0


def test_split_ee_s_learns_of_every_arm_up_to_it():
    rule = SplitGains((0.7, 0.7, 0.7, -inf), (0.1, 0.2, 0.3, 0.4), 0.1, shallower=True)
    offloaded = rule.learns(heard(2, 3, [0.8, 0.5, 0.6, 0.9]), blank(4))
    assert of_arms(offloaded) == ([1, 1, 1, 0], pytest.approx([0.7, 0.9 - 0.1 - 0.2, 0.9 - 0.1 - 0.3, 0]))
    stayed = rule.learns(heard(2, 2, [0.8, 0.5, 0.75, NAN]), blank(4))  # C_L unseen: 0.75 stands for it
    assert of_arms(stayed) == ([1, 1, 1, 0], pytest.approx([0.7, 0.75 - 0.1 - 0.2, 0.75 - 0.3, 0]))


def test_ada_ee_and_cee_bert_learn_of_the_arm_played():
    for positive, expected in ((True, -0.1), (False, -0.3)):
        rule = ThresholdGains(1, (0.0, 0.5, 1.0), 0.1, positive)
        memory = rule.learns(heard(2, 3, [NAN, 0.8, NAN, 0.6]), blank(3))
        assert of_arms(memory) == ([0, 0, 1], [0, 0, pytest.approx(expected)])
        memory = rule.learns(heard(0, 1, [NAN, 0.8, NAN, NAN]), memory)
        assert of_arms(memory)[1] == [0, 0, pytest.approx(expected)]


@pytest.mark.parametrize(
    ("exit_", "scores", "who", "reward"),
    [
        (0, [0.8, NAN, NAN], [0, 1, 2, 3, 4, 5], 0.0),  # alpha 0.7 or 0.5
        (1, [0.6, 0.8, NAN], [4, 6], 0.8 - 0.6 - 0.1),  # itself, and (0.9, 0.5)
        (2, [0.6, 0.6, 0.9], [4, 8], 0.9 - 0.6 - 0.16),  # itself, and (0.9, 0.9)
    ],
)
def test_cee_bert_shares_what_its_notebook_shares(exit_, scores, who, reward):
    """Nine pairs of 0.5, 0.7 and 0.9; played is the one in the middle."""
    pairs = [(a, b) for a in (0.5, 0.7, 0.9) for b in (0.5, 0.7, 0.9)]
    alphas, betas = zip(*pairs, strict=True)
    for shared, learners in ((True, who), (False, [4])):
        rule = CascadeGains((0, 1), alphas, betas, 0.1, 0.06, shared)
        plays, sums = of_arms(rule.learns(heard(4, exit_, scores), blank(9)))
        assert np.flatnonzero(plays).tolist() == learners
        np.testing.assert_allclose(np.array(sums)[learners], reward)


def test_uee_ucb_hears_the_dissent_of_every_exit_up_to_the_one_played():
    rule = DissentGains((0.25, 0.5, 0.75, 1.0))
    memory = rule.learns(heard(2, 2, [0.5] * 4, [1, 0, 1, -1]), blank(4))
    assert of_arms(memory) == ([1, 1, 1, 0], [0.0, 1.0 - 0.25, -0.5, 0.0])


def test_a_threshold_learns_at_every_queue_length_if_shared():
    thresholds = (0.5, 0.9) * 3
    for shared, plays in ((True, [0, 1, 0, 1, 0, 1]), (False, [0, 0, 0, 1, 0, 0])):
        rule = QueueGains(0, thresholds, 3, 0.0, 0.02, 0.001, shared=shared)
        memory = rule.learns(heard(3, 1, [0.6, 0.8]), blank(6, 3))
        assert of_arms(memory, 3)[0] == plays
        rewards = [0, 0.2 - 0.001, 0, 0.2 - 0.02 - 0.001, 0, 0.2 - 0.04 - 0.001]
        assert of_arms(memory, 3)[1] == pytest.approx(np.array(rewards) * plays)
        assert memory[12:].tolist() == ([1, 1, 1] if shared else [0, 1, 0])


def test_the_parametric_form_has_one_memory_for_all_queue_lengths():
    rule = QueueGains(0, (0.6, 0.7, 0.65, 0.75), 2, 0.0, 0.01, -0.05, shortest=1.0, positive=True, common=True)
    memory = rule.learns(heard(3, 1, [0.72, 0.9]), blank(2))  # two tasks, threshold 0.75
    assert memory.tolist() == [0, 1, 0, pytest.approx(0.18 - (0.02 - 0.05)), 1]
    memory = rule.learns(heard(1, 0, [0.72, NAN]), memory)  # one task, threshold 0.7
    assert memory.tolist() == [0, 2, 0, pytest.approx(0.21), 2]


# --- arms as rows


def test_split_ee_runs_the_first_layers_at_the_source_and_the_rest_in_the_cloud():
    policy = SplitEe(cloud="d2").build(HERE)
    assert [stages_at(policy, row) for row in range(6)] == [[k, 0, 6 - k] for k in range(1, 7)]
    assert policy.plan[2].thresholds == (inf, inf, 0.7, inf, inf, inf)
    assert policy.plan[2].heads == (False, False, True, False, False, True)
    assert policy.learns.prices == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert policy.details["all_cloud_cost"] == 9.0
    every = SplitEeS(cloud="d2").build(HERE)
    assert every.plan[2].heads == (True, True, True, False, False, True)
    assert every.plan[2].thresholds == (inf, inf, 0.7, inf, inf, inf)
    again = SplitEe(cloud="d2", forward="input", deepest=2).build(HERE)
    assert again.where == BeginsAgain((-1, 2), ((1, 6), (2, 6)))


def test_an_exit_may_have_its_share_of_lambda():
    """Charged in the authors' code: 0.8 lambda i + 0.2 lambda with one exit evaluated, lambda i with all."""
    one, every = (r(cloud="d2", exit_share=0.2).build(HERE).learns.prices for r in (SplitEe, SplitEeS))
    assert one == pytest.approx([0.08 * i + 0.02 for i in range(1, 7)])
    assert every == pytest.approx([0.1 * i for i in range(1, 7)])


def test_i_split_ee_counts_the_layers_of_a_stage():
    """MobileNet-V2: exits after layers 3, 6, ..., 18 and 19."""
    world = replace(three(7), layers=np.array([3.0] * 6 + [1.0]))
    rule = ISplitEe(cloud="d2").build(setting(world)).learns
    assert rule.prices == pytest.approx([0.3 * k for k in range(1, 7)] + [1.9])
    assert (rule.offload, rule.thresholds[0], rule.shallower) == (0.5, 0.5, True)
    half = ISplitEe(cloud="d2", mu=0.5).build(setting(world)).learns
    assert (half.prices[0], half.offload) == (pytest.approx(0.15), 0.25)


def test_published_arms():
    assert AdaEe(cloud="d2").thresholds == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert CeeBert(cloud="d2").thresholds == pytest.approx(np.arange(0.5, 0.96, 0.05))
    pairs = CeeBert2(**TIERS).build(HERE)
    assert len(pairs.plan) == 36
    assert (pairs.learns.alphas[7], pairs.learns.betas[7]) == (0.6, 0.6)
    assert pairs.plan[8].thresholds == (inf, 0.6, 0.7, inf, inf, inf)
    assert stages_at(pairs, 8) == [2, 1, 3]
    assert QueueAware(cloud="d2").build(HERE).plan[49].thresholds[1] == 0.95
    linear = QueueLinear(cloud="d2")
    assert len(linear.pairs()) == 105
    assert max(slope * 10 + least for slope, least in linear.pairs()) <= 1.0 + 1e-9
    assert min(least for _, least in linear.pairs()) == 0.5
    slope, least = linear.pairs()[7]
    assert linear.build(HERE).plan[105 * 3 + 7].thresholds[1] == pytest.approx(4 * slope + least)


def test_default_exits_are_those_of_the_papers_in_twelve_layers():
    twelve = setting(three(12))
    assert CeeBert(cloud="d2").build(twelve).learns.exit + 1 == 3
    assert CeeBert2(**TIERS).build(twelve).learns.exits == (2, 5)
    assert QueueAware(cloud="d2").build(twelve).learns.exit + 1 == 4


def test_uee_ucb_runs_the_layers_where_the_tiers_hold_them():
    policy = UeeUcb(**TIERS).build(HERE)
    assert stages_at(policy, 0) == [2, 1, 3]
    assert policy.plan[1].thresholds == (inf, -inf, inf, inf, inf, inf)
    assert policy.plan[1].heads == (True, True, False, False, False, True)
    assert policy.learns.prices == pytest.approx(np.arange(1, 7) / 6)
    twelve = setting(three(12))
    assert UeeUcb(**TIERS, costs="two-step").build(twelve).learns.prices == (0.5,) * 7 + (1.0,) * 5


def test_ada_ee_keeps_the_surer_of_two_answers_and_may_stand_at_the_edge():
    policy = AdaEe(cloud="d2", device="d1", exit=3).build(HERE)
    assert stages_at(policy, 5) == [0, 3, 3]
    assert policy.answer == ANSWERS["most-confident"]
    assert CeeBert(cloud="d2").build(HERE).answer == ANSWERS["own-exit"]
    again = AdaEe(cloud="d2", device="d1", exit=3, forward="input").build(HERE)
    assert again.where == BeginsAgain((-1, 1, 2), ((0, 3, 6),) * 6)


@pytest.mark.parametrize("forward", ["hidden", "input"])
@pytest.mark.parametrize("name", RECIPES)
def test_rules_conform(name, forward):
    policy = replace(RECIPES[name], forward=forward).build(HERE)
    for rule in (policy.where, policy.picks, policy.learns):
        assert rule is None or check(rule) == []
    assert policy.name == name.split()[0]
    assert policy.details["all_cloud_cost"] == 9.0
    assert policy.details["exploration"] == RECIPES[name].exploration


# --- what does not fit


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (SplitEe(), "device 'cloud' is not in this scenario; there are d0, d1, d2"),
        (SplitEe(cloud="d0"), "split-ee: the cloud, 'd0', computes the first layers; another would do"),
        (AdaEe(cloud="d2", device="d2"), "ada-ee: the cloud, 'd2', computes the first layers"),
        (SplitEe(cloud="d2", deepest=1), "1 of 6 exits are no choice of splits; deepest from 2 to 6 would do"),
        (SplitEe(cloud="d2", deepest=7), "7 of 6 exits"),
        (CeeBert(cloud="d2", exit=6), "cee-bert: exit 6 is no early exit of 6; 1 to 5 would do"),
        (CeeBert(cloud="d2", thresholds=(0.5,)), "1 thresholds are no choice; two or more would do"),
        (CeeBert2(**TIERS, thresholds=(0.5,)), "1 thresholds are no choice"),
        (QueueAware(cloud="d2", thresholds=()), "0 thresholds are no choice"),
        (QueueLinear(cloud="d2", grid=0.1), "grid 0.1 leaves 0 pairs; a finer one would do"),
        (CeeBert2(edge="d1", cloud="d1"), "must differ"),
    ],
)
def test_what_does_not_fit_is_said(recipe, message):
    with pytest.raises(ValueError, match=message):
        recipe.build(HERE)


def test_what_devices_and_networks_lack_is_said():
    with pytest.raises(TierError, match="cee-bert: exit 1 is no early exit of 1"):
        CeeBert(cloud="d2").build(setting(three(1)))
    assert HERE.holds is not None
    held = HERE.holds.copy()
    held[0, 3:] = False
    small = replace(HERE, holds=held)
    with pytest.raises(TierError, match="split-ee runs stages 1 to 4 at d0, which lacks 4"):
        SplitEe(cloud="d2").build(small)
    assert len(SplitEe(cloud="d2", deepest=3).build(small).plan) == 3
    cut_off = replace(HERE, transfer_s=np.where(np.eye(3, dtype=bool)[:, :, None], HERE.transfer_s, inf))
    with pytest.raises(TierError, match="split-ee: no route from d0 to d2: add a link"):
        SplitEe(cloud="d2").build(cut_off)


def test_confidences_and_predictions_are_all_that_is_needed():
    """Someone else's table: no logits, no features, an empty calibration half."""
    bare = replace(HERE, calibration=said(np.zeros((0, 6))), features=None)
    for recipe in RECIPES.values():
        assert recipe.build(bare).plan


def test_the_help_of_exploration_is_the_index_that_is_computed():
    for name, recipe in RECIPES.items():
        index = next(m for m in get_type_hints(type(recipe), include_extras=True)["exploration"].__metadata__
                     if isinstance(m, Meaning)).text  # fmt: skip
        rule = recipe.build(HERE).picks
        assert ("ln(rounds + 1)" in index) == (rule.rounds_plus == 1.0), name
        assert ("(plays + 1)" in index) == (rule.plays_plus == 1.0), name


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("cee-bert", {"thresholds": [nan, 0.5]}, "out of range"),
        ("cee-bert-2", {"offload_costs": [nan, 0.0]}, "out of range"),
        ("queue-aware", {"queue_max": 1001}, "out of range"),
        ("queue-linear", {"kappa": nan}, "out of range"),
        ("queue-linear", {"grid": 0.0001}, "out of range"),
        ("cascade", {"alpha": 1.5}, "out of range"),
    ],
)
def test_parameters_that_no_run_could_use_are_refused(name, given, says):
    recipe, found = recipe_of(NamedPolicy.model_validate({"name": name, **given}), code=None)
    assert recipe is None
    assert [says in fault.message for fault in found] == [True]


def test_networks_without_an_early_exit_are_said():
    known = setting(three(1))
    for recipe in (SplitEe(cloud="d2"), CeeBert(cloud="d2")):
        with pytest.raises(TierError, match="a profile of 2 exits or more would do"):
            recipe.build(known)
