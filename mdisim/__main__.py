"""`python -m mdisim` is the command line."""

import sys

from mdisim.cli import main

if __name__ == "__main__":
    sys.exit(main())
