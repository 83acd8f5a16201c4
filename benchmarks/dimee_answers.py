"""What becomes of held-out samples, each met once and nothing queueing: saving, and accuracy against the cloud.

Who decides by the sample alone needs no run: the answers follow from the table of the test half, by mdisim's own
functions. Those that learn on the way, and whatever is to be checked, are run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

import mdisim
from mdisim import ledgers
from mdisim.planners import Dimee, OraclePools
from mdisim.planners.tiers.cascades import Cascading
from mdisim.planners.tiers.chains import stop_costs
from mdisim.planners.tiers.loss_routers import ProbedLoss
from mdisim.planners.tiers.pooled import Plan, Pooled
from mdisim.planners.tiers.pools import Evidence, consequences, evidence
from mdisim.planners.tiers.prefixes import CLOUD, EDGE, MOBILE
from mdisim.planners.tiers.routers import Priced, nearest
from mdisim.planners.tiers.tiered import OneTier
from mdisim.policies import Policy, Setting
from mdisim.policies.scores import scored
from mdisim.world import World, setting

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ONE_SIDED, TWO_SIDED = 1.6448536, ledgers.NORMAL_95  # normal quantiles of 95 %
ROUTERS = ("centroid", "priced-centroid", "centroids", "linear", "mlp", "linear-drop", "probe-drop")
BANDITS = (
    "split-ee", "split-ee-s", "i-split-ee", "ada-ee", "cee-bert", "cee-bert-2", "uee-ucb", "queue-aware",
    "queue-linear",
)  # fmt: skip
LIKE = {"priced-centroid": "class means, as centroid and priced-centroid"}
NOISE = (0.25, 0.5, 1.0)
SURE = {"budget_confidence": 0.95}
Stated = Mapping[str, Any]


class Answers(NamedTuple):
    """Of each sample, [n]: its expected cost, and what is expected to be lost against the cloud.

    Lost is 1 where the cloud alone is right, -1 where it alone is wrong; `by_chance` is what chance adds to its
    variance, and `random` what would be lost with the same shares given to whatever sample. `given` [n, 3] are the
    chances of mobile, edge and cloud, NaN of who decides after computing. `group` tells what belongs together,
    `all_cloud` is the cost of a sample in the cloud.
    """

    cost: Floats
    lost: Floats
    by_chance: Floats
    random: Floats
    given: Floats
    group: Ints
    all_cloud: float


def pooled(stated: Stated, tiers: Stated) -> dict[str, Stated]:
    """Each router and the oracle, by the estimate of the drop and by its bound; two of them guarded."""
    found = {f"dimee, {router}": {"name": "dimee", "router": router} for router in ROUTERS}
    for router in ("centroid", "probe-drop"):
        found[f"dimee, {router}, guarded"] = {"name": "dimee", "router": router, "mode": "guarded"}
    found["oracle-pools"] = {"name": "oracle-pools"}
    return {name: {**parts, **tiers, **stated} for name, parts in found.items()}


def contenders(tiers: Stated) -> dict[str, Stated]:
    """Who decides by the sample alone, by label; `, 95 %` after those whose bound must keep the budget."""
    found: dict[str, Stated] = {name: {"name": name, **tiers} for name in ("all-cloud", "all-edge", "all-mobile")}
    for sure, tail in (({}, ""), (SURE, ", 95 %")):
        found |= {name + tail: parts for name, parts in pooled(sure, tiers).items()}
        found |= {name + tail: {"name": name, **tiers, **sure} for name in ("cascade", "patience", "beem")}
    return found


def bandits(tiers: Mapping[str, int]) -> dict[str, Stated]:
    """Who learns on the way, with the published constants; those of one exit have the mobile's."""
    found: dict[str, Stated] = {}
    for name in BANDITS:
        exit_there = {"exit": tiers["mobile_exit"]}
        own = {"cee-bert-2": tiers, "uee-ucb": tiers, "split-ee": {}, "split-ee-s": {}, "i-split-ee": {}}
        found[name] = {"name": name, **own.get(name, exit_there)}
    return found


def split(scenario: mdisim.Scenario, seed: int | None, *, swapped: bool = False) -> World:
    """The world with other halves, or the shipped ones; each sample of the test half comes once, one a second."""
    profile = scenario.profile if seed is None else scenario.profile.resplit(seed)
    world = replace(scenario, profile=profile).build()
    if swapped:
        world = replace(world, samples=world.calibration, calibration=world.samples)
    return replace(world, window=replace(world.window, duration_s=len(world.samples) + 0.5))


def held_out(world: World) -> Setting:
    """The test half in the place of the calibration half: what answers are judged on."""
    samples = world.samples
    return replace(setting(world), calibration=samples.outputs, features=samples.features, group=groups(world))


def groups(world: World) -> Ints:
    """What belongs together in the test half; each sample by itself where nothing is known."""
    return np.arange(len(world.samples)) if world.samples.group is None else world.samples.group


def answered(recipe: Any, policy: Policy, world: World, noise: float = 0.0) -> Answers:
    """What becomes of the test half under a policy without memory.

    With probability `noise` a router's tier is drawn by the shares of the calibration half instead.
    """
    if isinstance(recipe, Cascading):
        return _stopped(recipe, policy, world)
    there, samples = held_out(world), world.samples
    known = evidence(there, recipe.prefixes(there))
    if isinstance(recipe, OneTier):
        return _given(known, np.eye(3)[np.full(len(samples), recipe.tier)], np.full(3, np.nan))
    assert isinstance(recipe, Pooled)
    assert policy.sight is not None
    chosen = np.eye(3)[nearest(policy.sight.seen(samples.outputs, samples.features))]
    shares = np.array(policy.details["shares"])
    chances = (1.0 - noise) * chosen + noise * shares
    return _given(known, chances, shares, *policy.details["thresholds"], guarded=recipe.guarded)


def _given(
    known: Evidence,
    chances: Floats,
    shares: Floats,
    alpha: float = np.inf,
    beta: float = np.inf,
    *,
    guarded: bool = False,
) -> Answers:
    """What becomes of samples that are given to the tiers with these chances, [n, 3]."""
    all_of = consequences(known, alpha, beta, guarded=guarded)
    lost = (chances * all_of.lost).sum(axis=1)
    by_chance = (chances * all_of.lost**2).sum(axis=1) - lost**2
    cost = (chances * all_of.cost).sum(axis=1)
    return Answers(cost, lost, by_chance, all_of.lost @ shares, chances, known.group, float(known.cost[CLOUD]))


def _stopped(recipe: Cascading, policy: Policy, world: World) -> Answers:
    there, outputs = held_out(world), world.samples.outputs
    row = policy.plan[0]
    leaves = (scored(policy.score, outputs, row.evaluated) >= np.array(row.thresholds)) & np.array(row.evaluated)
    leaves[:, -1] = True
    stop = leaves.argmax(axis=1)
    cost = stop_costs(there, recipe.chain(there)[1], recipe.forward)[stop]
    right = outputs.prediction == outputs.label[:, None]
    lost = right[:, -1].astype(float) - right[np.arange(len(stop)), stop]
    nothing = np.full((len(stop), 3), np.nan)
    whole = policy.details["all_cloud_cost"]
    return Answers(cost, lost, np.zeros(len(stop)), nothing[:, 0], nothing, groups(world), whole)


def judged(answers: Answers) -> dict[str, float]:
    """Saving and drop as shares, the drop's 95 % interval and its one-sided 95 % upper bound.

    `worth` is how much less is lost than with the same shares at random, `worth_half` half of its interval.
    """
    told = _told(1.0 - answers.cost.mean() / answers.all_cloud, float(answers.lost.mean()), _error(answers))
    better = answers._replace(lost=answers.random - answers.lost)
    return told | {"worth": float(better.lost.mean()), "worth_half": TWO_SIDED * _error(better)}


def _error(answers: Answers) -> float:
    """The standard error of the mean loss, with the variance between groups (Liang and Zeger, 1986)."""
    _, of = np.unique(answers.group, return_inverse=True)
    sums = np.bincount(of, answers.lost - answers.lost.mean())
    between = float(sums @ sums) * len(sums) / max(len(sums) - 1, 1)
    return sqrt(between + float(answers.by_chance.sum())) / len(answers.lost)


def judged_run(run: mdisim.Run, cloud: mdisim.Run, group: Ints) -> dict[str, float]:
    """The same of a run, beside a run of all-cloud."""
    drop = ledgers.accuracy_drop(run, cloud, group)
    return _told(ledgers.saving_between(run, cloud), drop.value, (drop.high - drop.value) / TWO_SIDED)


def _told(saving: float, drop: float, error: float) -> dict[str, float]:
    low, high = drop - TWO_SIDED * error, drop + TWO_SIDED * error
    return {"saving": saving, "drop": drop, "low": low, "high": high, "bound": drop + ONE_SIDED * error}


def table(
    scenario: mdisim.Scenario, seed: int | None, stated: Mapping[str, Stated], *, both: bool = True
) -> pd.DataFrame:
    """Every contender on one pair of halves, a row each; of those that route, also with noise.

    `way` is `there`, as the halves are. With `both` there are also the rows of `both` ways: the halves swap their
    parts, and every sample is judged once, by what was planned without it and without its group.
    """
    rows = []
    worlds = [split(scenario, seed)] + ([split(scenario, seed, swapped=True)] if both else [])
    for label, parts in stated.items():
        recipe = scenario.recipe(parts)
        policies = [recipe.build(setting(world)) for world in worlds]
        for noise in (0.0, *NOISE) if isinstance(recipe, Pooled) else (0.0,):
            found = [answered(recipe, p, world, noise) for p, world in zip(policies, worlds, strict=True)]
            facts = {"split": -1 if seed is None else seed, "policy": label, "noise": noise}
            rows.append(facts | {"way": "there"} | judged(found[0]) | _planned(policies[0], found[0]))
            if both:
                rows.append(facts | {"way": "both"} | judged(_joined(*found)))
    return pd.DataFrame(rows)


def _joined(one: Answers, other: Answers) -> Answers:
    """The answers to both halves; no group is in both."""
    other = other._replace(group=other.group + one.group.max() + 1)
    columns = (np.concatenate(parts) for parts in zip(one[:-1], other[:-1], strict=True))
    return Answers(*columns, one.all_cloud)


def _planned(policy: Policy, there: Answers) -> dict[str, float]:
    """What was planned on the calibration half, and the shares that the tiers are given of the test half."""
    told = {name: float(policy.details[name]) for name in ("calibration_saving", "calibration_drop")}
    return told | dict(zip(("mobile", "edge", "cloud"), there.given.mean(axis=0).tolist(), strict=True))


def simulated(world: World, scenario: mdisim.Scenario, stated: Mapping[str, Stated], seeds: range) -> pd.DataFrame:
    """The same by runs of the simulator, a row for each policy and seed."""
    of, group, rows = setting(world), groups(world), []
    clouds = {seed: mdisim.run(world, scenario.recipe("all-cloud").build(of), seed) for seed in seeds}
    for label, parts in stated.items():
        policy = scenario.recipe(parts).build(of)
        for seed, cloud in clouds.items():
            told = judged_run(mdisim.run(world, policy, seed), cloud, group)
            rows.append({"policy": label, "seed": seed} | told)
    return pd.DataFrame(rows)


# --- what can be told before computing


def area(signal: Floats, event: NDArray[np.bool_]) -> float:
    """The area under the ROC curve: how often a sample with the event has the higher signal, ties for a half."""
    ranks, hits = rankdata(signal), int(event.sum())
    return float((ranks[event].sum() - hits * (hits + 1) / 2) / (hits * (len(event) - hits)))


def signals(scenario: mdisim.Scenario, tiers: Stated) -> list[dict[str, float | str]]:
    """How well each router's preference for the mobile tells who is easy there, right there, and loses nothing."""
    world = split(scenario, None)
    of, there, samples = setting(world), held_out(world), world.samples
    recipe = OraclePools(**tiers)
    plan: Plan = recipe.plan(of)
    known = evidence(there, recipe.prefixes(there))
    seen: dict[str, Floats] = {}
    for router in ROUTERS[1:]:
        priced = Dimee(router=router, **tiers).plan(of).router
        assert isinstance(priced, Priced)
        losses = priced.router.losses(samples.features)
        seen[LIKE.get(router, router)] = losses[:, CLOUD] - losses[:, MOBILE]
    seen["(the mobile's confidence, after computing)"] = known.confidence[:, MOBILE]
    events = {
        "easy": known.confidence[:, MOBILE] >= plan.report.alpha,
        "right at the mobile": known.right[:, MOBILE],
        "nothing lost there": known.right[:, MOBILE] | ~known.right[:, CLOUD],
    }
    return [
        {"router": name} | {event: area(signal, told) for event, told in events.items()}
        for name, signal in seen.items()
    ]


def geometry(scenario: mdisim.Scenario, tiers: Stated) -> dict[str, float]:
    """How far apart the class means of the oracle's pools lie, and how well a linear probe tells the class."""
    world = split(scenario, None)
    of, samples = setting(world), world.samples
    plan = OraclePools(**tiers).plan(of)
    assert of.features is not None
    pool = nearest(plan.losses)
    means = [of.features[pool == p].mean(axis=0) for p in (MOBILE, EDGE)]
    spread = sqrt(((of.features[pool == MOBILE] - means[0]) ** 2).sum(axis=1).mean())
    priced = Dimee(router="probe-drop", **tiers).plan(of).router
    assert isinstance(priced, Priced)
    router = priced.router
    assert isinstance(router, ProbedLoss)
    said = router.probe.predict(router.scaled(samples.features))
    return {
        "distance of the means of easy and moderate, over the spread of the easy": float(
            np.linalg.norm(means[0] - means[1]) / spread
        ),
        "accuracy of the linear probe": float((said == samples.outputs.label).mean()),
    }
