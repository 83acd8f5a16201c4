"""How many random examples a property is tried with: few at the gate, EXAMPLES times as many where that is set.

How long an example takes is no matter of any test: it depends on what else the machine does.
"""

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("EXAMPLES", "1"))


def examples(n: int = 100) -> settings:
    """Settings of Hypothesis with so many examples at the gate."""
    return settings(max_examples=n * TIMES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
