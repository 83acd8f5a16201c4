"""POPEX: cut and thresholds that follow the link, by tables laid out before the run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Interval
from numpy.random import Generator

from mdisim.planners.partitions.partition import Floats, PartitionError, best_cuts, expected_s
from mdisim.planners.partitions.partitioned import Partitioned, Tiers, accuracies, chain_of, possible, row_of
from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy, Setting, Signals
from mdisim.policies.protocols import Memory
from mdisim.policies.scores import SCORES
from mdisim.policies.views import Here, Knobs, Load, Peer, Seen, pure

TICK_S = 1e-4  # the shortest control period


@pure
def nearest(values: tuple[float, ...], wanted: float) -> int:
    """The number of the value that is closest, the first of equals."""
    best = 0
    for i in range(len(values)):
        if abs(values[i] - wanted) < abs(values[best] - wanted):
            best = i
    return best


@pure
def most_accurate(accuracy: tuple[float, ...], time_s: tuple[float, ...], latency_s: float) -> int:
    """The most accurate that takes less than `latency_s`, the faster of equals; the fastest if none does."""
    best = 0
    for i in range(1, len(time_s)):
        faster = time_s[i] < time_s[best]
        if time_s[i] >= latency_s:
            better = faster
        elif time_s[best] >= latency_s:
            better = True
        else:
            better = accuracy[i] > accuracy[best] or (accuracy[i] == accuracy[best] and faster)
        if better:
            best = i
    return best


@dataclass(frozen=True)
class NearestRate:
    """POPEX: of the configurations laid out for the rate nearest to the estimate, the most accurate in time.

    For each of the `rates_bps` [R], and each configuration: `rows`, expected `time_s` and `accuracy`, [R][C]. The
    estimate is that of the link to the cloud; where the cloud is no neighbour, that of the fastest link.
    """

    cloud: int
    rates_bps: tuple[float, ...]
    rows: tuple[tuple[int, ...], ...]
    time_s: tuple[tuple[float, ...], ...]
    accuracy: tuple[tuple[float, ...], ...]
    latency_s: float

    def turns(self, load: Load, knobs: Knobs, rng: Generator) -> Knobs:
        """Return the knobs with the row that is due at the estimated rate."""
        rate_bps = 0.0
        for i in range(len(load.peers)):
            rate_bps = max(rate_bps, load.peers[i].rate_bps)
        for i in range(len(load.peers)):
            if load.peers[i].device == self.cloud:
                rate_bps = load.peers[i].rate_bps
        at = nearest(self.rates_bps, rate_bps)
        chosen = most_accurate(self.accuracy[at], self.time_s[at], self.latency_s)
        return Knobs(knobs.thresholds, knobs.gap_s, self.rows[at][chosen])


@dataclass(frozen=True)
class Probes:
    """While the row sends nothing (`silent`), a sample is sent by the row `probe` with chance `share` instead."""

    silent: tuple[bool, ...]
    probe: int
    share: float

    def picks(
        self, here: Here, peers: tuple[Peer, ...], seen: Seen, knobs: Knobs, memory: Memory, rng: Generator
    ) -> int:
        """Return the row."""
        if self.silent[knobs.row] and rng.random() < self.share:
            return self.probe
        return knobs.row


@dataclass(frozen=True, kw_only=True)
class Popex(Partitioned):
    """POPEX, after the public code of BranchyNet partitioning's authors: cut and threshold follow the link.

    Before the run each threshold gets its fastest cut at each of many rates. Every `control_s` a source takes the
    rate nearest to its estimate, leaves out what takes `latency_s` or longer, and takes the most accurate of the
    rest, or else the fastest. The rate assumed before the run is what makes larger cuts take longer on the way, so
    give the cloud a link of its own, and packing that does not depend on the bytes.

    Source: the public code of POPEX by R. G. Pacheco (pachecobeto95/POPEX on GitHub), a system around R. G.
    Pacheco, R. S. Couto, "Inference Time Optimization Using BranchyNet Partitioning", IEEE ISCC 2020, arXiv
    2005.04099. A paper on POPEX itself is not known here.

    Reconstructed: theirs estimates the rate as the mean of five probes, sent every ten seconds; ours as the
    harmonic mean of the source's own last five transfers on its link to the cloud (its fastest link where it has
    none to the cloud), and while all stays on the device a few samples are sent so that there are any (`probe`).
    Their configurations have a threshold for each branch, ours one for all exits. That the fastest is taken where
    nothing is in time is ours, as are the thresholds and rates tried and the share of probes.
    """

    name: ClassVar[str] = "popex"

    latency_s: Annotated[float, Gt(0), Meaning("the expected time must stay below this", "s")]
    exit_thresholds: Annotated[
        tuple[float, ...], Meaning("configurations: a threshold for all exits each", "score")
    ] = (0.5, 0.6, 0.7, 0.8, 0.9)  # fmt: skip
    rate_low_bps: Annotated[float, Gt(0), Meaning("the lowest rate that is planned for", "bps")] = 1e5
    rate_high_bps: Annotated[float, Gt(0), Meaning("the highest rate that is planned for", "bps")] = 1e9
    rates: Annotated[int, Ge(2), Meaning("how many rates, in equal ratios", "rates")] = 81
    control_s: Annotated[float, Ge(TICK_S), Meaning("period of re-planning", "s")] = 10.0
    estimate_last: Annotated[int, Ge(1), Meaning("how many transfers the estimate is of", "transfers")] = 5
    probe: Annotated[
        float, Interval(ge=0, le=1), Meaning("samples sent to measure the link while the plan sends none", "share")
    ] = 0.01

    def build(self, setting: Setting) -> Policy:
        """Lay out rows for thresholds x cuts, the rule that moves among them, and one row to probe with."""
        self._check()
        tiers, scores, K = self.tiers(setting), self.scores(setting), setting.n_exits
        wanted = [self.wanted(K, (one,) * K, "exit_thresholds") for one in self.exit_thresholds]
        sent_s = setting.transfer_s[list(tiers.devices), tiers.cloud].mean(axis=0)
        rate_bps, fixed_s = straight(setting.out_bytes, sent_s)
        rule = self._rule(setting, tiers, scores, wanted, fixed_s)
        plan = [row_of(tiers, one, cut) for one in wanted for cut in range(K + 1)]
        sends = np.flatnonzero(possible(setting, tiers)[:K])
        probe = min(sends, key=lambda cut: sent_s[cut], default=K)
        plan.append(replace(row_of(tiers, wanted[0], int(probe)), heads=(False,) * (K - 1) + (True,)))
        at = nearest(rule.rates_bps, rate_bps)
        first = rule.rows[at][most_accurate(rule.accuracy[at], rule.time_s[at], self.latency_s)]
        return Policy(
            self.name,
            tuple(plan),
            turns=rule,
            picks=Probes(_silent(plan, tiers), len(plan) - 1, self.probe) if self.probe and len(sends) else None,
            score=SCORES[self.score],
            signals=Signals(control_s=self.control_s, estimator="harmonic", estimate_last=self.estimate_last),
            knobs=Knobs((), 0.05, first),
            details=asdict(self) | {"planned_rate_bps": rate_bps},
        )

    def _check(self) -> None:
        if not self.exit_thresholds:
            raise PartitionError("exit_thresholds is empty; one or more thresholds would do", "exit_thresholds")
        if self.rate_low_bps >= self.rate_high_bps:
            raise PartitionError(
                f"rate_low_bps {self.rate_low_bps:g} is not below rate_high_bps {self.rate_high_bps:g}",
                "rate_low_bps",
            )

    def _rule(
        self, setting: Setting, tiers: Tiers, scores: Floats, wanted: list[tuple[float, ...]], fixed_s: Floats
    ) -> NearestRate:
        """Each threshold's fastest cut at each rate."""
        rates = np.geomspace(self.rate_low_bps, self.rate_high_bps, self.rates)
        ways_s = fixed_s + 8.0 * setting.out_bytes / rates[:, None]
        ways_s[:, -1] = 0.0
        ways_s[:, ~possible(setting, tiers)] = inf
        rows, times, shares = [], [], []
        for number, one in enumerate(wanted):
            chain = chain_of(setting, tiers, scores, one)
            cuts = best_cuts(chain, ways_s)
            rows.append(number * (setting.n_exits + 1) + cuts)
            times.append(expected_s(chain, ways_s)[np.arange(len(rates)), cuts])
            shares.append(accuracies(setting, scores, one)[cuts])
        return NearestRate(
            tiers.cloud,
            tuple(rates.tolist()),
            tuple(map(tuple, np.transpose(rows).tolist())),
            tuple(map(tuple, np.transpose(times).tolist())),
            tuple(map(tuple, np.transpose(shares).tolist())),
            self.latency_s,
        )


def _silent(plan: list[Row], tiers: Tiers) -> tuple[bool, ...]:
    return tuple(tiers.cloud not in row.placement for row in plan)


def straight(out_bytes: Floats, sent_s: Floats) -> tuple[float, Floats]:
    """The rate [bit/s] by which sending `sent_s` [K+1] grows with the bytes, and what it takes beside that [K+1].

    Where it does not grow evenly, as with encoders that have times of their own, the least growth counts as
    the link's. Raises a PartitionError where all cuts have the same bytes: then nothing tells the rate.
    """
    least = int(np.argmin(out_bytes))
    more = out_bytes > out_bytes[least]
    if not more.any():
        raise PartitionError("popex needs a network whose cuts have different bytes, to tell the rate of the way")
    s_per_bit = float(((sent_s - sent_s[least])[more] / (8.0 * (out_bytes - out_bytes[least])[more])).min())
    if s_per_bit <= 0.0:
        raise PartitionError("popex: the way to the cloud takes no longer for more bytes; a finite rate would do")
    return 1.0 / s_per_bit, np.maximum(0.0, sent_s - 8.0 * out_bytes * s_per_bit)
