"""What a run achieved: pure functions of its tables, each with its definition and its unit.

The window is [warmup_s, duration_s). Rates and delays of samples look at those *born* in the window, except
for throughput and goodput, which count the answers *given* in it. Where nothing is to be counted, the result
is NaN. No function changes a table, and none needs the engine: tables from elsewhere will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from mdisim import growth
from mdisim.recovery import recovery
from mdisim.results import STATUSES

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from mdisim.results import Run

LOST = tuple(status for status in STATUSES if status not in ("answered", "in-flight"))
LOSSES = 0.05  # of the samples offered
BACKLOG = 0.05  # of the samples admitted
ROUNDING = 1e-9  # of a deadline
ULPS = 16  # of an instant: what the sum of a sample's delays may lose

Verdict = Literal["stable", "backlogged", "overloaded", "no samples"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)  # from the best to the worst


# --- which samples, as masks: run.tasks[answered(run)]


def born(run: Run) -> pd.Series[bool]:
    """Whether a sample was offered in the window, be it admitted or refused."""
    return _within(run, run.tasks["born_s"])


def admitted(run: Run) -> pd.Series[bool]:
    """Whether a sample was offered in the window and not refused."""
    return born(run) & run.tasks["admitted_s"].notna()


def answered(run: Run) -> pd.Series[bool]:
    """Whether a sample was born in the window and answered, whenever that was."""
    return born(run) & (run.tasks["status"] == "answered")


def done(run: Run) -> pd.Series[bool]:
    """Whether a sample was answered in the window, whenever it was born."""
    return _within(run, run.tasks["done_s"]) & (run.tasks["status"] == "answered")


def in_time(run: Run) -> pd.Series[bool]:
    """Whether a sample was answered within the deadline of its source, right or wrong."""
    deadline_s = run.tasks["source"].map(dict(run.sources[["source", "deadline_s"]].to_numpy())).astype(float)
    done_s = run.tasks["done_s"]
    late = done_s - run.tasks["born_s"] > deadline_s + slack_s(deadline_s, done_s)
    return (run.tasks["status"] == "answered") & ~late


def slack_s(deadline_s: ArrayLike, done_s: ArrayLike) -> NDArray[np.float64]:
    """What rounding may add to a delay: an answer is late only if it is later than its deadline by more.

    A delay is a difference of instants, each a sum of many delays, so the slack grows with the instant.
    """
    return np.asarray(ROUNDING * np.asarray(deadline_s) + ULPS * np.spacing(np.asarray(done_s, dtype=float)))


# --- rates


def offered_per_s(run: Run) -> float:
    """Samples born in the window, per second."""
    return _share(born(run).sum(), _window_s(run))


def admitted_per_s(run: Run) -> float:
    """Samples born in the window and not refused, per second."""
    return _share(admitted(run).sum(), _window_s(run))


def throughput_per_s(run: Run) -> float:
    """Answers given in the window, per second."""
    return _share(done(run).sum(), _window_s(run))


def goodput_per_s(run: Run) -> float:
    """Answers given in the window that are right and within their source's deadline, per second."""
    return _share((done(run) & in_time(run) & run.tasks["correct"]).sum(), _window_s(run))


# --- answers


def accuracy(run: Run) -> float:
    """Right answers over all answers, of the samples born in the window."""
    return _mean(run, "correct")


def in_time_accuracy(run: Run) -> float:
    """Right answers within the deadline over all samples *offered* in the window.

    Refused and lost samples count as wrong, and so do those still in flight at the end: make the window long
    beside the deadline.
    """
    return _share((answered(run) & in_time(run) & run.tasks["correct"]).sum(), born(run).sum())


def exit_shares(run: Run) -> pd.Series[float]:
    """Share of answers by the exit at which the sample stopped, exits 1 to K; they add up to one."""
    exits = range(1, run.n_exits + 1)
    counts = run.tasks.loc[answered(run), "exit"].value_counts().reindex(exits, fill_value=0)
    return (counts / counts.sum()).rename("share").rename_axis("exit")


def offload_share(run: Run) -> float:
    """Share of answers whose task was sent over a link at least once, even if it came back.

    A label travels only after its task did, so that these are the answers with hops above zero.
    """
    return float((run.tasks.loc[answered(run), "hops"] > 0).mean())


# --- delays


def latency_s(run: Run) -> pd.Series[float]:
    """Seconds from birth to the answer's arrival at the source, one per sample born in the window and answered.

    Samples in flight at the end are missing here, and they are the slow ones: see `in_flight_share`.
    """
    return (run.tasks["done_s"] - run.tasks["born_s"])[answered(run)].rename("latency_s")


def latency_quantile_s(run: Run, q: float) -> float:
    """The q-quantile of `latency_s`, in seconds; linear between two samples."""
    return float(latency_s(run).quantile(q))


def in_flight_share(run: Run) -> float:
    """Samples still in flight when the run stopped over those admitted, both born in the window."""
    flying = admitted(run) & (run.tasks["status"] == "in-flight")
    return _share(flying.sum(), admitted(run).sum())


def in_system_mean(run: Run) -> float:
    """Mean over the window of the number of samples admitted and not yet ended."""
    came = run.tasks["admitted_s"].clip(lower=run.warmup_s)
    went = run.tasks["done_s"].fillna(np.inf).clip(upper=run.duration_s)
    return _share((went - came).clip(lower=0.0).sum(), _window_s(run))


def queue_lengths(run: Run) -> pd.DataFrame:
    """Mean over the window's control instants of what waits at each device, in tasks, by device.

    `queue` waits for a core; `out_queue` waits to be sent (what is being sent does not count).
    """
    rows = run.timeline[_within(run, run.timeline["time_s"])]
    return rows.groupby("device", observed=False)[["queue", "out_queue"]].mean()


# --- losses


def losses(run: Run) -> pd.Series[float]:
    """Share of the samples offered in the window that were refused or lost, by reason."""
    status = run.tasks.loc[born(run), "status"]
    counts = status.value_counts().reindex(list(LOST), fill_value=0)
    return (counts / (len(status) or np.nan)).rename("share").rename_axis("reason")


def recovery_max_s(run: Run) -> float:
    """The longest time that throughput took to recover from a fault, as `mdisim.recovery.recovery` counts it.

    NaN where nothing failed, or where one was not recovered from by the end. Of faults after `duration_s`, while a
    run drains, nothing is asked: throughput is not measured there.
    """
    table = recovery(run)
    return float(table.loc[table["start_s"] < run.duration_s, "recovery_s"].max(skipna=False))


# --- devices and links


def device_utilisation(run: Run) -> pd.Series[float]:
    """Share of the window's core-seconds in service, by device."""
    return run.devices.set_index("device")["utilisation"]


def channel_utilisation(run: Run) -> pd.Series[float]:
    """Share of the window in transmission, by channel: the links of one channel add up."""
    return run.links.groupby("channel")["utilisation"].sum()


def busiest(run: Run) -> tuple[str, float]:
    """The device that is busiest, or that sends over the busiest channel, or as the busiest sender; how busy, too.

    The share is of the window: in service, or in transmission.
    """
    links = run.links.assign(device=[str(link).partition(" -> ")[0] for link in run.links["link"]])
    found = [(str(device), float(used)) for device, used in device_utilisation(run).items()]
    for shared in ("channel", "sender"):
        for _, group in links.groupby(shared):
            found.append((str(group["device"].iloc[0]), float(group["utilisation"].sum())))
    return max(found, key=lambda one: one[1])


def bytes_per_sample(run: Run) -> float:
    """Mean bytes sent for an answered sample: each transfer of task or label, hop by hop, headers and all that
    was lost and sent again included."""
    return _mean(run, "bytes_sent")


# --- the abstract ledger: layers and offloads; no seconds, bytes or joules


def cost_mean(run: Run) -> float:
    """Mean abstract cost of an answered sample, in the price of one layer.

    Each stage that was run to its end pays its layers at the price of a layer there; each link that the task
    went over pays its offload price, so that every hop of a relayed way adds its own. A second pass pays its
    layers again. Heads, sample by sample factors, waiting, and the way of the label are free.
    """
    return _mean(run, "cost")


def cost_saving(run: Run, all_cloud_cost: float | None = None) -> float:
    """One minus the mean cost over that of a sample which the cloud computes whole, in the same unit.

    Left out, that is what the policy says of itself (`all_cloud_cost`, the policies of three tiers); NaN where
    it does not know.
    """
    known = run.parameters.get("all_cloud_cost", np.nan) if all_cloud_cost is None else all_cloud_cost
    return 1.0 - _share(cost_mean(run), float(known))


# --- the physical ledger: energy, beside the seconds and bytes above


def energy_per_sample_j(run: Run) -> float:
    """Mean joules that an answered sample itself caused: busy power while it computed, and its transfers.

    Transfers are those of task and label, each bit that was sent at its link's price, on either end together;
    idle power is nobody's. NaN where a device that computed draws nobody knows how much.
    """
    return float(run.tasks.loc[answered(run), "energy_j"].mean(skipna=False))


def devices_energy_j(run: Run) -> float:
    """Joules of all devices over the window, idle and busy, whatever for; transfers are not in it."""
    return float(run.devices["energy_j"].sum(skipna=False))


# --- fairness


def fairness(run: Run) -> float:
    """Jain's index (sum x)^2 / (n sum x^2) of the sources' throughputs: one if all are equal, 1/n at worst."""
    counts = run.tasks.loc[done(run), "source"].value_counts()
    x = counts.reindex(run.sources["source"].tolist(), fill_value=0).to_numpy(dtype=float)
    return _share(float(x.sum()) ** 2, len(x) * float((x * x).sum()))


# --- promises


def promised(run: Run, measure: str) -> float:
    """A measure of `mdisim.promises` by its name, for policies that promise an accuracy `p_tar`; else NaN."""
    if "p_tar" not in run.parameters:
        return float("nan")
    from mdisim import promises

    found = getattr(promises, measure)(run)
    return float(found[0] if isinstance(found, tuple) else found)


# --- verdict


def in_system(run: Run, times_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many samples are admitted and not yet ended at each of these times."""
    took = run.tasks["admitted_s"].notna()
    come = np.sort(run.tasks.loc[took, "admitted_s"].to_numpy())
    gone = np.sort(run.tasks.loc[took, "done_s"].dropna().to_numpy())
    return np.searchsorted(come, times_s, "right") - np.searchsorted(gone, times_s, "right")


def verdict(run: Run) -> Verdict:
    """Whether the system keeps up with what is offered, and so whether its latencies mean anything.

    - No samples: none was born in the window.
    - Overloaded: more than 5 % of the samples offered were refused or lost; or the sources offer more on average
      than devices and links can answer (`run.oversubscribed`); or the number in the system grows by more than
      twice what chance does (`mdisim.growth`), a quarter of it or more in the second half of the window.
    - Backlogged: not so, but at the end more than 5 % of the samples admitted in the window, and more than one,
      are in the system (a closed loop's do not count); or it is not shown that the system keeps up.
    - Stable: else. It is shown that a system keeps up where the busiest device, channel or sender had the time
      for more samples than twice what chance does; or where the number in the system stayed within 0.6 of that;
      or where every source waits for the system (closed loops, and rates that the policy sets).

    Of M/D/1 and M/M/1 queues with 10,000 arrivals at stated rates, none of a load up to 0.95 is called overloaded,
    and all from 1.02 on are; docs/inside/why.md has the table of how often which verdict is given.
    """
    if not born(run).any():
        return "no samples"
    if losses(run).sum() > LOSSES or run.oversubscribed or growth.grows(_number(run)):
        return "overloaded"
    return "stable" if _few_are_left(run) and _keeps_up(run) else "backlogged"


def worst(verdicts: Iterable[str]) -> str:
    """The worst of these verdicts."""
    return max(verdicts, key=[str(verdict) for verdict in VERDICTS].index)


def _number(run: Run) -> NDArray[np.int64]:
    """How many samples are in the system as the window begins, and after each of its steps."""
    return in_system(run, np.linspace(run.warmup_s, run.duration_s, growth.STEPS + 1))


def _few_are_left(run: Run) -> bool:
    """Whether few of the samples admitted in the window are in the system at its end, but for closed loops'."""
    part = _of(run, run.sources.loc[run.sources["arrivals"] != "closed", "source"].tolist())
    return int(_number(part)[-1]) <= max(1.0, BACKLOG * float(admitted(part).sum()))


def _keeps_up(run: Run) -> bool:
    """Whether it is shown that the system answers as much as comes."""
    if not np.isfinite(run.sources["offered_per_s"]).any() or growth.calm(_number(run)):
        return True
    device, used = busiest(run)
    part = _of(run, _sources_at(run, device))
    return growth.spare(_number(part), (1.0 - used) * float(admitted(part).sum()))


def _sources_at(run: Run, device: str) -> list[str]:
    """The sources at a device and those of the samples that stopped there; all sources where there are none."""
    stopped = run.tasks.loc[run.tasks["device"] == device, "source"].unique()
    here = (run.sources["device"] == device) | run.sources["source"].isin(stopped)
    names: list[str] = run.sources.loc[here if here.any() else ~here, "source"].tolist()
    return names


def _of(run: Run, sources: list[str]) -> Run:
    """The run with the samples of these sources alone."""
    return replace(run, tasks=run.tasks[run.tasks["source"].isin(sources)])


# --- everything


def summary(run: Run) -> dict[str, Any]:
    """The measures of a run, flat; names end in the unit, but for shares, mean numbers, costs and the index."""
    measures = {name: measure(run) for name, measure in MEASURES.items()}
    shares = {_exit_name(k): share for k, share in enumerate(exit_shares(run), 1)}
    return {**measures, **shares, "verdict": verdict(run)}


def names(n_exits: int) -> tuple[str, ...]:
    """The names of the numbers in a summary."""
    return (*MEASURES, *(_exit_name(k) for k in range(1, n_exits + 1)))


def _exit_name(k: int) -> str:
    return f"exit_{k}_share"


def _within(run: Run, times_s: pd.Series[float]) -> pd.Series[bool]:
    return (times_s >= run.warmup_s) & (times_s < run.duration_s)


def _window_s(run: Run) -> float:
    return run.duration_s - run.warmup_s


def _mean(run: Run, column: str) -> float:
    return float(run.tasks.loc[answered(run), column].mean())


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


MEASURES: Mapping[str, Callable[[Run], float]] = {
    "offered_per_s": offered_per_s,
    "admitted_per_s": admitted_per_s,
    "throughput_per_s": throughput_per_s,
    "goodput_per_s": goodput_per_s,
    "accuracy": accuracy,
    "in_time_accuracy": in_time_accuracy,
    "latency_mean_s": lambda run: float(latency_s(run).mean()),
    "latency_p50_s": lambda run: latency_quantile_s(run, 0.50),
    "latency_p95_s": lambda run: latency_quantile_s(run, 0.95),
    "latency_p99_s": lambda run: latency_quantile_s(run, 0.99),
    "wait_mean_s": lambda run: _mean(run, "wait_s"),
    "compute_mean_s": lambda run: _mean(run, "compute_s"),
    "transfer_mean_s": lambda run: _mean(run, "transfer_s"),
    "in_flight_share": in_flight_share,
    "refused_share": lambda run: float(losses(run)["refused"]),
    "lost_share": lambda run: float(losses(run).drop("refused").sum()),
    "recovery_max_s": recovery_max_s,
    "offload_share": offload_share,
    "sent_per_sample_bytes": bytes_per_sample,
    "device_utilisation_mean": lambda run: float(device_utilisation(run).mean()),
    "device_utilisation_max": lambda run: float(device_utilisation(run).max()),
    "channel_utilisation_max": lambda run: float(channel_utilisation(run).max()),
    "in_system_mean": in_system_mean,
    "queued_mean": lambda run: float(queue_lengths(run)["queue"].sum()),
    "out_queued_mean": lambda run: float(queue_lengths(run)["out_queue"].sum()),
    "cost_mean": cost_mean,
    "cost_saving": cost_saving,
    "energy_per_sample_j": energy_per_sample_j,
    "devices_energy_j": devices_energy_j,
    "fairness": fairness,
    "on_device_share": lambda run: promised(run, "on_device_probability"),
    "device_accuracy": lambda run: promised(run, "device_accuracy"),
    "outage_probability": lambda run: promised(run, "outage_probability"),
}
