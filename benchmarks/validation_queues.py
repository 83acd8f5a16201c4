"""The queues of `validation.py`: each simulated from a scenario and a made-up profile, beside its closed form.

A mean is over independent replications, with its 99.9 % Student interval. A replication begins empty, so it leaves
out a warm-up, and it drains at the end, so that no long wait is cut off. Loads are 0.3, 0.6 and 0.9.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import product
from math import factorial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

import mdisim
from mdisim import profiles
from mdisim.policies import Local, Policy, Remote, row
from mdisim.statistics import t_interval
from mdisim.world import World

Floats = NDArray[np.float64]
LEVEL = 0.999
# load: (warm-up, what follows, both in service times). An M/M/1 queue forgets its start with the time constant
# 1 / (1 - sqrt(load))^2 services: 5, 20 and 380; the warm-up is at least five of these.
SPAN = {0.3: (50, 3_000), 0.6: (100, 5_000), 0.9: (2_000, 12_000)}
THRESHOLD = 0.6
PHONES = 40
JOBS = 5_000


class Found(NamedTuple):
    """A closed form and what was simulated, with the ends of its interval."""

    theory: float
    mean: float
    low: float
    high: float

    @property
    def agrees(self) -> bool:
        return self.low <= self.theory <= self.high


def found(theory: float, replications: Iterable[float]) -> Found:
    return Found(theory, *map(float, t_interval(list(replications), confidence=LEVEL)))


# --- queues: a scenario and a profile that nobody measured


def world_of(profile: profiles.Profile, text: str) -> World:
    """A scenario on a profile of its own, resolved before the profile's file goes."""
    with TemporaryDirectory() as folder:
        profiles.write(profile, Path(folder) / "profile.npz")
        return mdisim.Scenario.from_text("profile: ./profile.npz\n" + text, folder=Path(folder)).build()


def means(world: World, policy: Any, seed: int, *columns: str) -> list[float]:
    """Means of columns of the table of tasks, over the samples born after the warm-up."""
    tasks = mdisim.simulate(world, policy, seed).tasks
    return tasks.loc[tasks["born_s"] >= world.window.warmup_s, list(columns)].mean().tolist()


def window(load: float, service_s: float = 1.0) -> str:
    warmup_s, rest_s = (service_s * span for span in SPAN[load])
    return f"run: {{warmup: {warmup_s!r} s, duration: {warmup_s + rest_s!r} s, drain: true, label_bytes: 0 B}}"


def station(
    profile: profiles.Profile,
    load: float,
    seeds: range,
    *,
    mean_s: float = 1.0,
    cores: int = 1,
    jitter: str = "none",
) -> list[float]:
    """The mean wait, in mean services, at one device where Poisson arrivals run until their exit."""
    world = world_of(profile, f"""
devices: {{station: {{kind: unit, cores: {cores}}}}}
workload: {{at: station, arrivals: {{kind: poisson, rate: {load * cores / mean_s!r}/s}}, order: bootstrap}}
jitter: {{kind: {jitter}}}
policy: local
{window(load, mean_s / cores)}
""")  # fmt: skip
    policy = Local(adapt="none", exit_threshold=THRESHOLD)
    return [means(world, policy, seed, "wait_s")[0] / mean_s for seed in seeds]


def one_second() -> profiles.Profile:
    return profiles.plain(n=10, stage_s=1.0)


def m_m_1(load: float, seeds: range) -> dict[str, Found]:
    return {"M/M/1": found(load / (1 - load), station(one_second(), load, seeds, jitter="exponential"))}


def m_d_1(load: float, seeds: range) -> dict[str, Found]:
    return {"M/D/1": found(load / (2 * (1 - load)), station(one_second(), load, seeds))}


def m_m_3(load: float, seeds: range) -> dict[str, Found]:
    waits = station(one_second(), load, seeds, cores=3, jitter="exponential")
    return {"M/M/3": found(erlang_c(3, 3 * load) / (3 * (1 - load)), waits)}


def erlang_c(c: int, offered: float) -> float:
    """The probability of waiting at c servers (Erlang's second formula)."""
    waiting = offered**c / factorial(c) * c / (c - offered)
    return waiting / (sum(offered**k / factorial(k) for k in range(c)) + waiting)


def m_g_1(load: float, seeds: range) -> dict[str, Found]:
    """Policy `local`, four exits: the service is the sum of stages and heads until the exit."""
    stage_s, head_s = np.array([0.2, 0.5, 1.3, 0.8]), 0.05
    profile = profiles.synthesise(
        n=400, exits=4, accuracy=(0.5, 0.6, 0.7, 0.8), stage_s=stage_s, head_s=head_s, out_bytes=0, seed=1,
        calibration_share=0.0,
    )  # fmt: skip
    leaves = np.asarray(profile.confidence) > THRESHOLD
    leaves[:, -1] = True
    service = np.cumsum(stage_s + head_s)[leaves.argmax(axis=1)]
    mean, second = float(service.mean()), float((service**2).mean())
    theory = load / mean**2 * second / (2 * (1 - load))
    return {"M/G/1, early exits": found(theory, station(profile, load, seeds, mean_s=mean))}


# --- a tandem of three stations and two links


def tandem(profile: profiles.Profile, arrivals: str, rest: str) -> tuple[World, Policy]:
    """Devices in a row, stage k on the k-th: a world and its plan."""
    world = world_of(profile, f"""
devices: {{a: {{kind: unit}}, b: {{kind: unit}}, c: {{kind: unit}}}}
workload: {{at: a, arrivals: {arrivals}, order: sequential}}
policy: local
{rest}
""")  # fmt: skip
    return world, Policy("tandem", plan=(row(3, placement=(0, 1, 2)),))


def jackson(load: float, seeds: range) -> dict[str, Found]:
    """Exponential services and sizes: all are M/M/1 queues of their own (Jackson), links at half the load."""
    warmup, rest = SPAN[load]
    n = int(1.2 * load * (warmup + rest)) + 200
    both = []
    for seed in seeds:
        size = np.ones((n, 4))
        size[:, 1:3] = np.random.default_rng(seed).standard_exponential((n, 2))  # fresh for each replication
        profile = replace(profiles.plain(n=n, exits=3, stage_s=1.0, out_bytes=1.0), size=size)
        links = "network: {topology: line, link: {rate: 16 bps, latency: 0 s}}\njitter: {kind: exponential}\n"
        world, policy = tandem(profile, f"{{kind: poisson, rate: {load}/s}}", links + window(load))
        both.append(means(world, policy, seed, "wait_s", "transfer_s"))
    waits, transfers = zip(*both, strict=True)
    return {
        "three stations in a row": found(3 * load / (1 - load), waits),
        "the two links between": found(2 * 0.5 / (1 - load / 2), transfers),
    }


def departures(arrivals: Floats, service: Floats) -> Floats:
    """d_k = max(a_k, d_(k-1)) + s_k, unrolled."""
    total = np.cumsum(service)
    return np.maximum.accumulate(arrivals - (total - service)) + total


def recursion() -> float:
    """The largest difference of any end or wait from the recursion of first come first served, in s."""
    rng = np.random.default_rng(7)
    born, stage_s = np.cumsum(rng.exponential(1.0, JOBS)), np.array((0.7, 0.5, 0.8))
    work, size = rng.exponential(1.0, (JOBS, 3)), rng.exponential(1.0, (JOBS, 4))
    profile = replace(profiles.plain(n=JOBS, exits=3, stage_s=stage_s, out_bytes=1e6, work=work), size=size)
    worst = 0.0
    with TemporaryDirectory() as folder:
        times = Path(folder) / "times.csv"
        times.write_text("\n".join(["time_s", *map(repr, born.tolist())]), encoding="utf-8")
        for sender, latency_s in product(("device", "link"), (0.0, 0.3)):
            world, policy = tandem(profile, f"{{kind: file, path: {times}}}", f"""
network: {{topology: line, link: {{rate: 16 Mbps, latency: {latency_s} s}}, sender: {sender}}}
run: {{duration: {float(born[-1]) + 1!r} s, drain: true, label_bytes: 0 B}}
""")  # fmt: skip
            tasks = mdisim.simulate(world, policy, 1).tasks
            at, waits = born, np.zeros(JOBS)
            for k in range(3):
                left = departures(at, work[:, k] * stage_s[k])
                waits += left - at - work[:, k] * stage_s[k]
                at = left if k == 2 else departures(left, size[:, k + 1] * 0.5) + latency_s
            worst = max(worst, float(abs(tasks["done_s"] - at).max()), float(abs(tasks["wait_s"] - waits).max()))
    return worst


# --- a channel that is shared fairly


def shared(name: str, sizes: Floats, load: float, seeds: range) -> dict[str, Found]:
    """Phones that send, wait for the answer, think and send again, all on one channel.

    Processor sharing in a closed network: the mean time of a message depends on the distribution of its size by
    the mean alone (Baskett, Chandy, Muntz and Palacios, 1975), and follows by mean value analysis. The server
    has a core for each phone, so that its service is the phone's thinking.
    """
    think_s = brentq(lambda z: mean_value(PHONES, z)[1] - load, 0.1, 1e4)
    profile = profiles.plain(n=len(sizes), stage_s=think_s, out_bytes=1.0)
    profile = replace(profile, size=np.column_stack([sizes, np.ones(len(sizes))]))
    world = world_of(profile, f"""
devices: {{phone: {{kind: unit, count: {PHONES}}}, server: {{kind: unit, cores: {PHONES}}}}}
network: {{topology: star, center: server, medium: shared, sharing: fair, link: {{rate: 8 bps, latency: 0 s}}}}
workload: {{at: phone, arrivals: {{kind: closed}}, order: bootstrap}}
jitter: {{kind: exponential}}
policy: {{name: remote, device: server, adapt: none}}
{window(load)}
""")  # fmt: skip
    policy = Remote(device="server", adapt="none")
    times = [means(world, policy, seed, "transfer_s")[0] for seed in seeds]
    return {name: found(mean_value(PHONES, think_s)[0], times)}


def mean_value(n: int, think_s: float) -> tuple[float, float]:
    """The mean time and the load of a station of mean service 1 s that n customers share: mean value analysis."""
    queue = time_s = load = 0.0
    for k in range(1, n + 1):
        time_s = 1 + queue
        load = k / (time_s + think_s)
        queue = load * time_s
    return time_s, load


_RANKS = (np.arange(1000) + 0.5) / 1000
EXPONENTIAL = -np.log(1 - _RANKS) / -np.log(1 - _RANKS).mean()
TWO_VALUED = np.repeat((7.0, 1 / 3), (1, 9))  # coefficient of variation 2: a tenth is long

MODELS = {
    "M/M/1": m_m_1,
    "M/D/1": m_d_1,
    "M/M/3": m_m_3,
    "M/G/1": m_g_1,
    "tandem": jackson,
    "shared, exponential": partial(shared, "shared channel, exponential sizes", EXPONENTIAL),
    "shared, two-valued": partial(shared, "shared channel, short and long", TWO_VALUED),
}
CASES = tuple(product(MODELS, SPAN))


def queue(number: int, seeds: int) -> tuple[float, dict[str, Found]]:
    """One of the CASES, at that many seeds of its own."""
    model, load = CASES[number]
    return load, MODELS[model](load, range(number * seeds, (number + 1) * seeds))
