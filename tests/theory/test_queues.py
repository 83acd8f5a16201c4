"""The engine against the closed forms of queueing theory, at loads 0.3, 0.6 and 0.9.

Every test asks for the mean wait of 20 independent replications (fixed seeds) and that the closed form lies in
its 99.9 % Student interval. A replication discards the samples born during a warm-up (queues start empty) and
drains at the end, so that no long wait is cut off. The unit of time is the mean service time.
"""

from __future__ import annotations

from math import factorial, sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from worlds import fixed, line, surely_last

from mdisim import profiles
from mdisim.engine import run
from mdisim.policies import Policy
from mdisim.profiles import Profile
from mdisim.scenario import Scenario
from mdisim.world import Arrivals, Jitter, World, setting

SEEDS = range(20)
# load: (warm-up, what follows, both in service times). An M/M/1 queue forgets its start with the time constant
# 1 / (1 - sqrt(load))^2 services: 5, 20 and 380; the warm-up is at least five of these.
SPAN = {0.3: (50, 3_000), 0.6: (100, 5_000), 0.9: (2_000, 12_000)}
THRESHOLD = 0.6
LOADS = pytest.mark.parametrize("load", SPAN)


def agrees(found: list[float], theory: float) -> bool:
    """Whether the closed form lies in the 99.9 % Student interval of the replications' mean."""
    half = stats.t.ppf(0.9995, len(found) - 1) * np.std(found, ddof=1) / sqrt(len(found))
    return bool(abs(np.mean(found) - theory) <= half)


def mean_of(world: World, policy: Policy, seed: int, column: str = "wait_s") -> float:
    tasks = run(world, policy, seed).tasks
    return float(tasks[column][tasks.born_s >= world.window.warmup_s].mean())


def waits(scenario: Scenario) -> list[float]:
    """The mean wait of each replication of a scenario."""
    world = scenario.build()
    policy = scenario.recipe().build(setting(world))
    return [mean_of(world, policy, seed) for seed in SEEDS]


def station(
    folder: Path, profile: Profile, load: float, *, mean_s: float = 1.0, cores: int = 1, jitter: str = "none"
) -> Scenario:
    """One device, Poisson arrivals, a profile with this mean service; what stays is `local`."""
    profiles.write(profile, folder / "profile.npz")
    warmup_s, rest_s = (mean_s * span / cores for span in SPAN[load])
    text = f"""
        profile: ./profile.npz
        devices: {{station: {{kind: unit, cores: {cores}}}}}
        workload: {{at: station, arrivals: {{kind: poisson, rate: {load * cores / mean_s!r}/s}}, order: bootstrap}}
        jitter: {{kind: {jitter}}}
        policy: {{name: local, adapt: none, exit_threshold: {THRESHOLD}}}
        run: {{warmup: {warmup_s!r} s, duration: {warmup_s + rest_s!r} s, drain: true}}
        """
    return Scenario.from_text(text, folder=folder)


def unit() -> Profile:
    """One stage of one second, the same for every sample."""
    return profiles.plain(n=10, stage_s=1.0)


@LOADS
def test_m_m_1(load: float, tmp_path: Path) -> None:
    scenario = station(tmp_path, unit(), load, jitter="exponential")
    assert agrees(waits(scenario), load / (1 - load))


@LOADS
def test_m_d_1(load: float, tmp_path: Path) -> None:
    """Pollaczek and Khinchin, with no variance."""
    assert agrees(waits(station(tmp_path, unit(), load)), load / (2 * (1 - load)))


@LOADS
def test_m_m_3(load: float, tmp_path: Path) -> None:
    scenario = station(tmp_path, unit(), load, cores=3, jitter="exponential")
    assert agrees(waits(scenario), erlang_c(3, 3 * load) / (3 * (1 - load)))


def erlang_c(c: int, offered: float) -> float:
    """The probability of waiting at c servers (Erlang's second formula)."""
    waiting = offered**c / factorial(c) * c / (c - offered)
    return waiting / (sum(offered**k / factorial(k) for k in range(c)) + waiting)


@LOADS
def test_m_g_1_where_a_sample_runs_until_its_exit(load: float, tmp_path: Path) -> None:
    """Policy `local` is an M/G/1 queue whose service is the sum of stages and heads until the exit."""
    stage_s, head_s = np.array([0.2, 0.5, 1.3, 0.8]), 0.05
    profile = profiles.synthesise(
        n=400, exits=4, accuracy=(0.5, 0.6, 0.7, 0.8), stage_s=stage_s, head_s=head_s, out_bytes=0, seed=1,
        calibration_share=0.0,
    )  # fmt: skip
    leaves = np.asarray(profile.confidence) > THRESHOLD
    leaves[:, -1] = True
    service = np.cumsum(stage_s + head_s)[leaves.argmax(axis=1)]
    mean, second = service.mean(), (service**2).mean()
    scenario = station(tmp_path, profile, load, mean_s=float(mean))
    assert agrees(waits(scenario), load / mean * second / (2 * (1 - load)))


@LOADS
def test_jackson_tandem_of_three_stations_and_two_links(load: float) -> None:
    """Exponential services and message sizes: each station and link is an M/M/1 queue of its own (Jackson).

    Message sizes are a matrix of the samples, drawn anew for each replication and never used twice. The links are
    loaded half as much as the stations.
    """
    waiting, transfers = [], []
    for seed in SEEDS:
        world = tandem(load, seed)
        tasks = run(world, fixed(world, placement=(0, 1, 2)), seed).tasks
        tasks = tasks[tasks.born_s >= world.window.warmup_s]
        waiting.append(float(tasks.wait_s.mean()))
        transfers.append(float(tasks.transfer_s.mean()))
    assert agrees(waiting, 3 * load / (1 - load))
    assert agrees(transfers, 2 * 0.5 / (1 - load / 2))


def tandem(load: float, seed: int) -> World:
    warmup_s, rest_s = 1.5 * SPAN[load][0], SPAN[load][1] * 2 / 3  # later stations start later
    n = int(1.2 * load * (warmup_s + rest_s)) + 200
    size = np.ones((n, 4))
    size[:, 1:3] = np.random.default_rng(seed).standard_exponential((n, 2))
    return line(
        3, (1.0, 1.0, 1.0), arrivals=Arrivals("poisson", load), jitter=Jitter("exponential"),
        outputs=surely_last(n, 3), size=size, order="sequential", rate=16.0, out_bytes=1.0, label_bytes=0,
        warmup_s=warmup_s, duration_s=warmup_s + rest_s, drain=True,
    )  # fmt: skip
