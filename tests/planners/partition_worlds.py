"""A device and a cloud between which a network of three stages may be cut."""

from typing import Any

from worlds import drawn, line

from mdisim.world import Arrivals, World

OUTPUTS = drawn(200, 3, seed=1)
ALONE = Arrivals("closed", population=1)


def two(rate: Any = 1e6, **changes: Any) -> World:
    """d0 and a cloud d1 ten times as fast, and 10,000 bytes of input that grow before they shrink."""
    given: dict[str, Any] = {
        "arrivals": ALONE, "head_s": [[0.002] * 3, [0.0002] * 3], "out_bytes": [10000.0, 20000.0, 4000.0, 0.0],
        "rate": rate, "outputs": OUTPUTS, "order": "sequential", "label_bytes": 0.0, "duration_s": 60.0,
    }  # fmt: skip
    return line(2, [[0.01, 0.02, 0.03], [0.001, 0.002, 0.003]], **(given | changes))
