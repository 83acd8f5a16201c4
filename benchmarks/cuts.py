"""Where B-AlexNet is best cut, over the rate of the link and the speed of the device: one figure.

    python benchmarks/cuts.py FILE

Tensor sizes and shares of the operations are those of the published network; that the cloud takes 1 ms for all of
it, and branches no time, is assumed.
"""

from __future__ import annotations

import sys

import numpy as np

from mdisim.planners.partitions.partition import b_alexnet
from mdisim.report import cuts, look, save
from mdisim.report.style import page

RATES_BPS = np.geomspace(2e5, 4e8, 601)


def main() -> None:
    with look():
        figure = page(2.6)
        left, right = figure.subplots(1, 2, sharey=True)
        cuts(b_alexnet(1e-3, {}), (10, 30, 100), RATES_BPS, ax=left).set_title("no branches")
        cuts(b_alexnet(1e-3, {"pool1": 0.8}), (10, 30, 100), RATES_BPS, ax=right)
        right.set_title("80 % leave after pool1")
    right.set(ylabel="")
    left.get_legend().remove()
    save(figure, sys.argv[1])


if __name__ == "__main__":
    main()
