"""How far a policy could go: bounds on throughput and accuracy that hold for every policy.

The bound on throughput is the solution of a linear programme over all ways that tasks could take (`flows`), for
given shares of exits and plan rows (`demands`). It leaves out latency, what packing takes, faults, and that nobody
knows the future. Jitter and loss count by their means: in the long run. It counts whole samples: of the answers
since the start of a run, when nothing is in the system, there are never more than the bound times the time; in a
window that begins later, those already in the system may come on top of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from mdisim.bounds.demands import (
    BoundError,
    Demand,
    Kind,
    Mask,
    answered,
    calibrated,
    lightest,
    of_shares,
    planned,
    planned_stages,
)
from mdisim.bounds.flows import Bound, most
from mdisim.bounds.resources import Period
from mdisim.policies.policy import Policy
from mdisim.world import World

if TYPE_CHECKING:
    from mdisim.results import Run

__all__ = [
    "MEASURES", "Bound", "BoundError", "Demand", "Kind", "accuracy_bound", "best_exit_accuracy", "lightest",
    "measures", "of_shares", "offered_per_s", "oversubscribed", "planned", "planned_stages", "run_bound",
    "throughput_bound", "unknowns",
]  # fmt: skip
MEASURES = ("throughput_bound_per_s", "throughput_bound_share", "accuracy_bound")
FAR = 0.95  # of what is busiest: a rate that needs less of it is below every bound
MOST_UNKNOWNS = 30_000  # of a linear programme that nobody asked for by itself: about two seconds
ROUNDING = 1e-6  # of a bound


def throughput_bound(
    world: World,
    demand: Sequence[Kind | float] | None = None,
    *,
    mix: Sequence[float] | None = None,
    offered: Sequence[float] | None = None,
    since_s: float = 0.0,
    until_s: float | None = None,
    only: Mask | None = None,
) -> Bound:
    """The most answers per second that compute and links allow, wherever tasks go.

    Parameters
    ----------
    world
        Devices, links and what the samples need of them.
    demand
        The share of answers at each exit, [K]; or what `planned` or `lightest` says; the latter if left out, and
        then no policy whatever answers more.
    mix
        The share of answers that belong to each source, [S]; free if left out.
    offered
        The samples offered at each source per second, [S]; without limit if left out.
    since_s, until_s
        The period that is counted, which matters where rates change: the whole run if left out.
    only
        Which stages each device may run, [D, K], such as `planned_stages` of a policy; all that it holds if left
        out.

    Raises
    ------
    BoundError
        The demand, the mix or the period does not fit the world.
    """
    given = demand if demand is not None else lightest(world)
    asked = tuple(kind for kind in given if isinstance(kind, Kind))
    if len(asked) < len(given):
        asked = of_shares(world, [float(share) for share in given if not isinstance(share, Kind)])
    if not asked:
        raise BoundError("a demand without any answers has no bound; one answer or more would do")
    end_s = world.window.duration_s if until_s is None else until_s
    if not 0.0 <= since_s < end_s:
        raise BoundError(f"the period is {since_s:g} s to {end_s:g} s; one that begins before it ends would do")
    for name, rates in (("mix", mix), ("offered", offered)):
        if rates is not None and len(rates) != len(world.sources):
            raise BoundError(f"{name} has {len(rates)} values; one per source would do: {len(world.sources)}")
    return most(world, asked, Period(since_s, end_s), mix, offered, only)


def unknowns(world: World, demand: Sequence[Kind]) -> int:
    """How many unknowns the linear programme of a bound has: time and memory grow faster than they do."""
    D, K, L, S = len(world.devices), world.n_exits, len(world.links), len(world.sources)
    return len(demand) * (6 * D * K + 2 * L * K + L + S)


def run_bound(world: World, policy: Policy, run: Run, since_s: float | None = None) -> Bound | None:
    """The bound for the answers that a run gave from `since_s` (the end of its warm-up) to its end.

    It takes them as they were: their exits, plan rows, sources, and each one's own work and size. None where no
    answer was given, or where the linear programme is too large to be solved after every run (more than 30,000
    unknowns). From 0 on it holds exactly, where there is neither jitter nor loss.
    """
    start_s = run.warmup_s if since_s is None else since_s
    which = _given(run, start_s)
    if not which.any():
        return None
    counts = run.tasks.loc[which, "source"].value_counts().reindex(run.sources["source"].tolist(), fill_value=0)
    demand = answered(world, policy, run, which)
    if unknowns(world, demand) > MOST_UNKNOWNS:
        return None
    mix = (counts / counts.sum()).tolist()
    return throughput_bound(world, demand, mix=mix, since_s=start_s, until_s=run.duration_s)


def oversubscribed(world: World, policy: Policy, run: Run) -> bool:
    """Whether the sources offer more on average than can be answered, of samples as a run answered them.

    It is the rates that the sources state that count, not how many samples came in this run; and the throughput
    bound of answers at these exits, with every stage where the policy's plan puts it, or anywhere if a rule does.
    False where a closed loop or the policy sets a rate, where nothing was answered, and where the linear programme
    is too large to be solved after every run (more than 30,000 unknowns).
    """
    offered = offered_per_s(world)
    total, which = float(sum(offered)), _given(run, run.warmup_s)
    if not (isfinite(total) and total and which.any()) or _is_far(run, total):
        return False
    demand = answered(world, policy, run, which)
    if unknowns(world, demand) > MOST_UNKNOWNS:
        return False
    mix = [rate / total for rate in offered]
    bound = throughput_bound(
        world, demand, mix=mix, since_s=run.warmup_s, until_s=run.duration_s, only=planned_stages(world, policy)
    )
    return total > bound.per_s * (1.0 + ROUNDING)


def _given(run: Run, since_s: float) -> Mask:
    """Which samples were answered from `since_s` to the end."""
    done_s = run.tasks["done_s"]
    which = (run.tasks["status"] == "answered") & (done_s >= since_s) & (done_s <= run.duration_s)
    return np.asarray(which)


def _is_far(run: Run, total_per_s: float) -> bool:
    """Whether the run, done faster until what is busiest is always busy, would answer more than is offered."""
    from mdisim import metrics

    return total_per_s * metrics.busiest(run)[1] <= FAR * metrics.throughput_per_s(run)


def accuracy_bound(world: World, policy: Policy | None = None) -> float:
    """The share of samples that any exit gets right; of a policy, any exit that a row of its plan evaluates.

    This is the accuracy of who knows which exit to trust, as nobody does. NaN without samples.
    """
    K = world.n_exits
    outputs = world.samples.outputs if policy is None else calibrated(world, policy)
    heads = [True] * K if policy is None else np.any([row.evaluated for row in policy.plan], axis=0)
    right = (outputs.prediction == outputs.label[:, None]) & heads
    return float(right.any(axis=1).mean()) if len(right) else float("nan")


def best_exit_accuracy(world: World) -> tuple[int, float]:
    """The exit, from 1, that alone is right most often, and its accuracy."""
    outputs = world.samples.outputs
    shares = (outputs.prediction == outputs.label[:, None]).mean(axis=0)
    return int(shares.argmax()) + 1, float(shares.max())


def offered_per_s(world: World) -> tuple[float, ...]:
    """The mean rate at which each source offers samples; infinite where a policy or a closed loop says."""
    found = []
    for source in world.sources:
        given = source.arrivals
        match given.kind:
            case "constant" | "poisson":
                found.append(given.rate_per_s)
            case "on-off":
                found.append(given.rate_per_s * given.on_s / (given.on_s + given.off_s))
            case "file":
                until_s = world.window.duration_s
                found.append(sum(time_s < until_s for time_s in given.times_s) / until_s)
            case _:
                found.append(float("inf"))
    return tuple(found)


def measures(world: World, policy: Policy, run: Run) -> dict[str, float]:
    """What a run could have had, by name: its bounds, and its share of the first.

    `throughput_bound_per_s` is `run_bound` within the window, `throughput_bound_share` the throughput's share of
    it; NaN where there is none, or it is zero, and all answers were on their way before. `accuracy_bound`: the
    share of samples, of those born in the window and answered, that an exit gets right which their row evaluates.
    """
    from mdisim import metrics

    bound = run_bound(world, policy, run)
    per_s = float("nan") if bound is None else bound.per_s
    tasks = run.tasks.loc[metrics.answered(run), ["sample", "row"]]
    outputs = calibrated(world, policy)
    right = (outputs.prediction == outputs.label[:, None])[tasks["sample"]]
    right &= np.array([row.evaluated for row in policy.plan])[tasks["row"]]
    return {
        "throughput_bound_per_s": per_s,
        "throughput_bound_share": metrics.throughput_per_s(run) / per_s if per_s else float("nan"),
        "accuracy_bound": float(right.any(axis=1).mean()) if len(right) else float("nan"),
    }
