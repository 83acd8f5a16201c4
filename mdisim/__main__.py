"""`python -m mdisim` is the command line."""

import sys
from pathlib import Path

if __name__ == "__main__":  # and not where a process of a pool reads this again
    if not sys.flags.safe_path:
        # Python has put the current folder first; only the package itself may come from there
        current = sys.path.pop(0)
        if Path(current) == Path(__file__).parents[1]:
            sys.path.append(current)

    from mdisim.cli import main

    sys.exit(main())
