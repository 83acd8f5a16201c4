"""Jobs per second of several engines on the same tandem: three servers and two links, all first come first served.

    python benchmarks/tandem.py [--rounds 5] [--jobs 100000] [--engines mdisim,simpy-resource,simpy-callback,ciw]

Poisson arrivals of rate 1, exponential services of mean 0.7, links of 0.5: the same numbers for every engine,
drawn before the clock starts, so that every engine must find the exact mean time in the system, which a recursion
gives.
Each run has a process of its own; a round runs every engine once, in turn. mdisim logs every sample and makes its
tables within the time; the others keep one number a job. The last line is a JSON object.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

MEAN_SERVICE_S, LINK_S, SEED = 0.7, 0.5, 12345


def numbers(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Times of arrival [n], and times at each of the five hops [5, n]: server, link, server, link, server."""
    rng = np.random.default_rng(SEED)
    hops = np.full((5, n), LINK_S)
    born = np.cumsum(rng.exponential(1.0, n))
    hops[::2] = rng.exponential(MEAN_SERVICE_S, (3, n))
    return born, hops


def exact_mean_s(born: np.ndarray, hops: np.ndarray) -> float:
    """The mean time in the system by d_k = max(a_k, d_{k-1}) + s_k at each hop."""
    at = born
    for service in hops:
        total = np.cumsum(service)
        at = np.maximum.accumulate(at - (total - service)) + total
    return float(np.mean(at - born))


def by_mdisim(born: np.ndarray, hops: np.ndarray) -> tuple[float, float]:
    """A world of three devices in a row, with a plan that puts stage k on device k."""
    from mdisim import world as w
    from mdisim.engine import run
    from mdisim.policies import Outputs, Policy, row

    n = len(born)
    confidence, nought = np.tile((0.0, 0.0, 1.0), (n, 1)), np.zeros(n, dtype=np.int64)
    samples = w.Samples(Outputs(None, confidence, np.zeros((n, 3), dtype=np.int64), nought), work=hops[::2].T)
    arrivals = w.Arrivals("file", times_s=tuple(born.tolist()))
    rate = w.ConstantRate(8.0 / LINK_S)  # a byte takes as long as a link should
    world = w.World(
        devices=tuple(w.Device(f"server {d + 1}", "unit") for d in range(3)),
        links=(w.Link(0, 1, rate, channel=0), w.Link(1, 2, rate, channel=1)),
        sources=(w.Source(0, arrivals, order="sequential"),),
        samples=samples,
        stage_s=np.ones((3, 3)),
        head_s=np.zeros((3, 3)),
        out_bytes=np.array([1.0, 1.0, 1.0, 0.0]),
        layers=np.ones(3),
        next_hop=np.array([[-1, 1, 1], [-1, -1, 2], [-1, -1, -1]]),
        window=w.Window(float(born[-1]) + 1.0, drain=True),
        calibration=samples,
        label_bytes=0.0,
    )
    policy = Policy("tandem", (row(3, placement=(0, 1, 2)),))
    start = time.perf_counter()
    tasks = run(world, policy, 1).tasks
    seconds = time.perf_counter() - start
    return seconds, float((tasks.done_s - tasks.born_s).mean())


def by_simpy_resource(born: np.ndarray, hops: np.ndarray) -> tuple[float, float]:
    """SimPy as its tutorial shows it: a process for each job, a Resource for each server and link."""
    import simpy

    times, gaps = list(zip(*hops.tolist(), strict=True)), np.diff(born, prepend=0.0).tolist()
    start = time.perf_counter()
    env = simpy.Environment()
    stations = [simpy.Resource(env) for _ in range(5)]
    stays: list[float] = []

    def visit(services: tuple[float, ...]) -> Any:
        came = env.now
        for station, service in zip(stations, services, strict=True):
            with station.request() as turn:
                yield turn
                yield env.timeout(service)
        stays.append(env.now - came)

    def source() -> Any:
        for gap, services in zip(gaps, times, strict=True):
            yield env.timeout(gap)
            env.process(visit(services))

    env.process(source())
    env.run()
    return time.perf_counter() - start, statistics.fmean(stays)


def by_simpy_callback(born: np.ndarray, hops: np.ndarray) -> tuple[float, float]:
    """SimPy's kernel at its barest: a deque for each station, a Timeout and a callback for each service."""
    import simpy

    services, gaps = [iter(hop) for hop in hops.tolist()], iter(np.diff(born, prepend=0.0).tolist())
    start = time.perf_counter()
    env = simpy.Environment()
    stays: list[float] = []

    def station(durations: Any, leave: Callable[[float], None]) -> Callable[[float], None]:
        waiting: deque[float] = deque()
        busy = False

        def enter(came: float) -> None:
            nonlocal busy
            if busy:
                waiting.append(came)
            else:
                busy = True
                env.timeout(next(durations), came).callbacks.append(done)

        def done(event: simpy.Event) -> None:
            nonlocal busy
            if waiting:
                env.timeout(next(durations), waiting.popleft()).callbacks.append(done)
            else:
                busy = False
            leave(event.value)

        return enter

    enter = lambda came: stays.append(env.now - came)  # noqa: E731
    for durations in reversed(services):
        enter = station(durations, enter)

    def arrive(event: simpy.Event | None) -> None:
        if event is not None:
            enter(env.now)
        for gap in gaps:
            env.timeout(gap).callbacks.append(arrive)
            return

    arrive(None)
    env.run()
    return time.perf_counter() - start, statistics.fmean(stays)


def by_ciw(born: np.ndarray, hops: np.ndarray) -> tuple[float, float]:
    """Ciw: five nodes in a row with given services."""
    import ciw

    gaps, services = np.diff(born, prepend=0.0).tolist(), hops.tolist()
    start = time.perf_counter()
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential(gaps), None, None, None, None],
        service_distributions=[ciw.dists.Sequential(times) for times in services],
        routing=np.eye(5, k=1).tolist(),
        number_of_servers=[1] * 5,
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(len(gaps), method="Finish")
    records = simulation.get_all_records()
    seconds = time.perf_counter() - start
    ends = sorted((r.id_number, r.exit_date) for r in records if r.node == 5)[: len(gaps)]
    return seconds, float(np.mean([end for _, end in ends] - born))


ENGINES = {
    "mdisim": by_mdisim,
    "simpy-resource": by_simpy_resource,
    "simpy-callback": by_simpy_callback,
    "ciw": by_ciw,
}


def alone(engine: str, n: int) -> float:
    """The seconds of one engine in a process of its own; an error where its mean is not the recursion's."""
    command = [sys.executable, __file__, "--only", engine, "--jobs", str(n)]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if abs(done["mean_s"] - done["exact_s"]) > 1e-6:
        raise SystemExit(f"{engine}: the mean is {done['mean_s']}, the recursion's is {done['exact_s']}")
    return float(done["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--only", choices=ENGINES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        born, hops = numbers(args.jobs)
        seconds, mean_s = ENGINES[args.only](born, hops)
        print(json.dumps({"seconds": seconds, "mean_s": mean_s, "exact_s": exact_mean_s(born, hops)}))
        return
    engines = [e for e in args.engines.split(",") if e != "ciw" or importlib.util.find_spec("ciw")]
    seconds = [{engine: alone(engine, args.jobs) for engine in engines} for _ in range(args.rounds)]
    report(seconds, args.jobs)


def report(rounds: list[dict[str, float]], n: int) -> None:
    """A table, and a line of JSON; ratios are medians of the rounds' own."""
    medians = {engine: statistics.median(r[engine] for r in rounds) for engine in rounds[0]}
    print(f"{'engine':16}{'median s':>10}{'best s':>10}{'jobs/s':>12}{'us/job':>9}")
    for engine, median in sorted(medians.items(), key=lambda item: item[1]):
        best = min(r[engine] for r in rounds)
        print(f"{engine:16}{median:10.3f}{best:10.3f}{n / median:12,.0f}{median / n * 1e6:9.1f}")
    print(f"{n:,} jobs, {len(rounds)} rounds; every mean agrees with the exact recursion")
    facts: dict[str, Any] = {"jobs_per_s": {e: round(n / s) for e, s in medians.items()}, "rounds": len(rounds)}
    for rival in ("simpy-resource", "simpy-callback"):
        if {rival, "mdisim"} <= medians.keys():
            ratio = statistics.median(r[rival] / r["mdisim"] for r in rounds)
            facts["ratio_to_" + rival.replace("-", "_")] = round(ratio, 3)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
