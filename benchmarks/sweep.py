"""What the machinery of a sweep costs: beside plain processes that do the same runs, and beside a plain loop.

    python benchmarks/sweep.py [--runs 500] [--rounds 2] [--seconds 0.5]

Throughput: a sweep with two workers, and two independent processes that each loop over half of the same runs, one
after the other in every round; imports and all are in the time. The aim is 0.9 of the plain processes; where other
work shares the cores, read the ratio of processor time, which does not know of waiting. Overhead:
processor time of a sweep in one process, above that of a plain loop over the same runs of about a second. The aim
is 5 %. The last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mdisim
from mdisim.experiments.prepare import Ground

SCENARIO = "mdi-exit-5-mesh"
THRESHOLDS = 10  # points: the runs are seeds of these
SEEDS = 5  # of a point, where runs are long
POINTS = [round(0.5 + 0.045 * i, 3) for i in range(THRESHOLDS)]
PLAIN = """
import sys
import pandas as pd
import mdisim
from mdisim.experiments.prepare import Ground
duration, seeds, out, thresholds = sys.argv[1], int(sys.argv[2]), sys.argv[3], map(float, sys.argv[4:])
rows = []
for threshold in thresholds:
    at = {"policy.exit_threshold": threshold, "run.duration": duration, "run.warmup": "1 s"}
    scenario = mdisim.Scenario.load("%s", at)
    world = scenario.build()
    ground = Ground(world, scenario)
    policy = ground.policy(None)
    rows += [mdisim.run(world, policy, seed).summary() for seed in range(seeds)]
pd.DataFrame(rows).to_parquet(out)
"""


def scenario(duration: str) -> mdisim.Scenario:
    return mdisim.Scenario.load(SCENARIO, {"run.duration": duration, "run.warmup": "1 s"})


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def duration_for(seconds: float) -> str:
    """How long to simulate for a run that takes so many seconds of processor time here."""
    at = scenario("60 s")
    mdisim.simulate(at, seed=0)
    used = cpu_s(lambda: mdisim.simulate(at, seed=0).summary())
    return f"{max(2, round(60 * seconds / used))} s"


def plain(duration: str, seeds: int, folder: Path) -> None:
    """Two processes, each with every other point."""
    program = folder / "plain.py"
    program.write_text(PLAIN % SCENARIO)
    halves = [
        subprocess.Popen(
            [sys.executable, str(program), duration, str(seeds), str(folder / f"{half}.parquet")]
            + [str(x) for x in POINTS[half::2]]
        )
        for half in (0, 1)
    ]
    assert [process.wait() for process in halves] == [0, 0]


def swept(duration: str, seeds: int, folder: Path) -> None:
    """The command, in a process of its own as the plain ones are."""
    options = f"--policies mdi-exit --jobs 2 --seeds {seeds}".split()
    command = [sys.executable, "-m", "mdisim", "sweep", SCENARIO, *options]
    command += ["--set", f"run.duration={duration}", "--set", "run.warmup=1 s", "--out", str(folder / "out")]
    command += ["--grid", f"policy.exit_threshold={','.join(map(str, POINTS))}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def took(what: Callable[[str, int, Path], None], duration: str, seeds: int) -> tuple[float, float]:
    """Seconds by the clock, and of processor time in all processes below this one."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        what(duration, seeds, Path(folder))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def looped(duration: str, points: list[float]) -> None:
    """What a plain loop does: five seeds a point."""
    for threshold in points:
        at = {"policy.exit_threshold": threshold, "run.duration": duration, "run.warmup": "1 s"}
        ground = Ground.of(mdisim.Scenario.load(SCENARIO, at))
        policy = ground.policy(None)
        rows = [mdisim.run(ground.world, policy, seed).summary() for seed in range(SEEDS)]
        assert len(rows) == SEEDS


def swept_here(duration: str, points: list[float]) -> None:
    """The same as a sweep in this process, with its files."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        done = mdisim.sweep(
            scenario(duration),
            grid={"policy.exit_threshold": points},
            policies=["mdi-exit"],
            seeds=SEEDS,
            jobs=1,
            out=out,
        )
    assert (done.runs["status"] == "done").all()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--long-runs", type=int, default=25)
    args = parser.parse_args()
    seeds = max(1, args.runs // THRESHOLDS)
    duration = duration_for(args.seconds)
    ratios, n = [], seeds * THRESHOLDS
    for number in range(args.rounds):
        order = (plain, swept) if number % 2 == 0 else (swept, plain)
        found = {what.__name__: took(what, duration, seeds) for what in order}
        ratios.append([a / b for a, b in zip(found["plain"], found["swept"], strict=True)])
        told = ", ".join(
            f"{name} {n / s:.2f}/s ({used / n:.3f} s of processor each)" for name, (s, used) in found.items()
        )
        print(f"{n} runs of {duration}: {told}: {ratios[-1][0]:.3f} of the throughput")
    second = duration_for(1.0)
    points = POINTS[: max(1, args.long_runs // SEEDS)]
    pairs = []
    for number in range(args.rounds):
        order = (looped, swept_here) if number % 2 == 0 else (swept_here, looped)
        used = {what.__name__: cpu_s(lambda what=what: what(second, points)) for what in order}
        pairs.append((used["looped"], used["swept_here"]))
        few = len(points) * SEEDS
        print(
            f"{few} runs of {second}: a loop {pairs[-1][0] / few:.3f} s a run, a sweep {pairs[-1][1] / few:.3f} s"
        )
    share = statistics.median(b / a - 1 for a, b in pairs)
    by_clock, by_processor = (round(statistics.median(column), 3) for column in zip(*ratios, strict=True))
    facts = {"runs": n, "ratio": by_clock, "ratio_of_processor_time": by_processor, "overhead": round(share, 4)}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
