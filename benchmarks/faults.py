"""What a crash costs each policy, and how soon throughput is back: the fault scenario over seeds, in Markdown.

    python benchmarks/faults.py [--seeds 10] [--plot FILE]

The faults are scheduled, so they are the same for every seed: intervals are over arrivals, samples and decisions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from replay import interval

import mdisim
from mdisim.recovery import recovery

SCENARIO = "faults-5-mesh"
SHOWN = {
    "before_per_s": "answers/s before",
    "lowest_per_s": "lowest 10 s",
    "recovery_s": "90 % again after (s)",
    "retried": "tried again",
    "lost": "lost",
}


def crash_of(policy: str, seed: int) -> pd.Series:
    run = mdisim.simulate(SCENARIO, policy, seed)
    assert not run.tasks.status.isna().any()
    table = recovery(run)
    return table[table.kind == "crash"].iloc[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    policies = [policy.called for policy in mdisim.Scenario.load(SCENARIO).spec.compare]
    print(f"| policy | {' | '.join(SHOWN.values())} |\n|{'---|' * (len(SHOWN) + 1)}")
    for policy in policies:
        found = pd.DataFrame([crash_of(policy, seed) for seed in range(given.seeds)])
        cells = [interval(found[name].astype(float), 1.0) for name in SHOWN]
        print(f"| {policy} | {' | '.join(cells)} |", flush=True)
    if given.plot:
        from mdisim.report import save, throughput

        save(throughput({policy: mdisim.simulate(SCENARIO, policy) for policy in policies}), given.plot)


if __name__ == "__main__":
    main()
