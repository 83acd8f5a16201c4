"""What a user waits for before anything happens, in processor time beside `import pandas`.

    python benchmarks/startup.py [--rounds 9]

Each is a process of its own, one after another in every round; a round before the first compiles the modules. The
last line is a JSON object with the medians and their ratios to `import pandas` of the same round. The aims: 0.25
for `--help`, 0.6 for the first `mdisim.Scenario`, 2 for `check` of a scenario, 4 for one that plans tiers.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys

COMMANDS = {
    "python": ("-c", "pass"),
    "import pandas": ("-c", "import pandas"),
    "import mdisim": ("-c", "import mdisim"),
    "mdisim.Scenario": ("-c", "import mdisim; mdisim.Scenario"),
    "mdisim --help": ("-m", "mdisim", "--help"),
    "check mdi-exit-5-mesh": ("-m", "mdisim", "check", "mdi-exit-5-mesh"),
    "check dimee": ("-m", "mdisim", "check", "dimee"),
}


def seconds(arguments: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(args.rounds + 1)][1:]
    facts = {}
    for name in COMMANDS:
        median = statistics.median(r[name] for r in rounds)
        ratio = statistics.median(r[name] / r["import pandas"] for r in rounds)
        print(f"{name:24}{median * 1e3:8.0f} ms{ratio:8.2f} x import pandas")
        facts[name] = {"s": round(median, 4), "ratio": round(ratio, 3)}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
