"""How long a user waits before anything happens: `mdisim --help` and `import mdisim` beside `import pandas`.

    python benchmarks/startup.py [--rounds 9]

Each is a process of its own, one after another in every round. The last line is a JSON object with the medians and
their ratios to `import pandas`: the aims are 0.25 for `--help` and 1.5 for `import mdisim`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python": ("-c", "pass"),
    "import pandas": ("-c", "import pandas"),
    "import mdisim": ("-c", "import mdisim"),
    "mdisim --help": ("-m", "mdisim", "--help"),
}


def seconds(arguments: tuple[str, ...]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(args.rounds + 1)][1:]
    medians = {name: statistics.median(r[name] for r in rounds) for name in COMMANDS}
    for name, median in medians.items():
        print(f"{name:16}{median * 1e3:8.0f} ms{median / medians['import pandas']:8.2f} x import pandas")
    facts = {f"{name.replace(' --', '_').replace(' ', '_')}_s": round(s, 4) for name, s in medians.items()}
    for name in ("import mdisim", "mdisim --help"):
        ratio = statistics.median(r[name] / r["import pandas"] for r in rounds)
        facts[f"ratio_{name.replace(' --', '_').replace(' ', '_')}"] = round(ratio, 3)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
