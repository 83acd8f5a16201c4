"""How the numbers of a run and of a comparison are shown to people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from mdisim.cli import output
from mdisim.cli.output import show, table, width
from mdisim.experiments.written import cell, quantity

if TYPE_CHECKING:
    from mdisim.experiments.compare import Comparison
    from mdisim.results import Run

ANY = "any policy"  # as bounds call it
MOST_FAULTS = 20  # printed
GAP = 3  # between columns
TITLE = 20  # letters of a measure in a line, where the screen is narrow


# --- reports


def run_report(run: Run, seed: str, directory: Path) -> None:
    """Print what a run achieved, device by device at the end, and where its tables are."""
    from mdisim import metrics

    summary = run.summary()
    show(f"{run.policy} in {run.origin.name if run.origin else ''}, {seed}: {summary['verdict']}")
    table([{"measure": label, "value": value} for label, value in _lines(run, summary)])
    queues = metrics.queue_lengths(run)
    table(
        [
            {
                "device": row["device"],
                "kind": row["kind"],
                "utilisation": quantity("utilisation", row["utilisation"]),
                "waiting": cell(queues.loc[row["device"], "queue"], nan),
                "waiting to be sent": cell(queues.loc[row["device"], "out_queue"], nan),
            }
            for row in run.devices.to_dict("records")
        ]
    )
    _faults(run)
    show(f"written to {directory}")


def _faults(run: Run) -> None:
    """Print what failed, and how long it took to recover."""
    from mdisim.recovery import BEFORE_S, SHARE, WINDOW_S, recovery

    found = recovery(run).to_dict("records")
    rows = [
        {
            "fault": f"{row['target']}: {row['kind']}",
            "from": quantity("start_s", row["start_s"]),
            "until": quantity("end_s", row["end_s"]) if row["end_s"] < run.duration_s else "the end",
            "answers before": quantity("before_per_s", row["before_per_s"]),
            "lowest": quantity("lowest_per_s", row["lowest_per_s"]),
            "recovered after": quantity("recovery_s", row["recovery_s"]),
            "lost": row["lost"],
            "tried again": row["retried"],
        }
        for row in found[:MOST_FAULTS]
    ]
    if rows:
        level = f"{100 * SHARE:g} % of the answers of up to {BEFORE_S:g} s before"
        told = f"faults: recovered when {WINDOW_S:g} s have {level}"
        table(rows, told + (f"; the first {len(rows)} of {len(found)}" if len(found) > len(rows) else ""))


def _lines(run: Run, summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    def line(*names: str) -> str:
        return " / ".join(quantity(name, summary[name]) for name in names)

    yield "throughput", line("throughput_per_s")
    yield "admitted / offered", line("admitted_per_s", "offered_per_s")
    yield "goodput", line("goodput_per_s")
    yield "latency p50 / p95 / p99", line("latency_p50_s", "latency_p95_s", "latency_p99_s")
    yield "mean latency: wait / compute / transfer", line("wait_mean_s", "compute_mean_s", "transfer_mean_s")
    yield "still in flight", line("in_flight_share")
    yield "refused / lost", line("refused_share", "lost_share")
    yield "accuracy", line("accuracy")
    yield "accuracy in time, of all offered", line("in_time_accuracy")
    exits = range(1, run.n_exits + 1)
    yield f"exits 1 to {run.n_exits}", line(*(f"exit_{k}_share" for k in exits))
    yield "offloaded", line("offload_share")
    yield "sent per sample", line("sent_per_sample_bytes")
    yield (
        "utilisation: mean, busiest device, busiest channel",
        line("device_utilisation_mean", "device_utilisation_max", "channel_utilisation_max"),
    )
    if summary["devices_energy_j"]:
        yield "energy: per sample, of all devices", line("energy_per_sample_j", "devices_energy_j")


def comparison_report(comparison: Comparison, measures: Sequence[str], directory: Path) -> None:
    """Print means with intervals, the differences to the first policy, and what makes them doubtful."""
    from mdisim.experiments.written import lines, meaning

    first, *others = labels = list(comparison.policies)
    verdicts = comparison.verdicts()

    def rows(chosen: Sequence[str], differences: bool) -> list[dict[str, str]]:
        found = lines(comparison, measures, differences=differences)
        at = [labels.index(label) for label in chosen]
        title_width = TITLE if width() < output.PIPED_WIDTH else output.PIPED_WIDTH
        numbers = [
            {"measure": "\n".join(wrap(str(line.head), title_width))}
            | {labels[i]: line.cells[i] + " *" * (differences and line.marks[i]) for i in at}
            for line in found
        ]
        words = {"measure": "verdict"} | {label: str(verdicts[label]) for label in chosen}
        return numbers if differences else [*numbers, words]

    n = len(comparison.seeds)
    told = f"mean over {n} seed{'s' * (n > 1)}" + " ± half of the 95 % interval" * (n > 1)
    for chosen in _side_by_side(labels, rows(labels, False)):
        table(rows(chosen, False), told if first in chosen else None)
    told = f"mean difference to {first}, paired by seed; of shares in points"
    between = rows(others, True)
    for chosen in _side_by_side(others, between) if between and others else ():
        table(rows(chosen, True), told if others[0] in chosen else None)
    if others and n > 1 and between:
        show(meaning(comparison))
    if comparison.until or comparison.warmup != "stated":
        show(f"{n} seeds; the first {comparison.warmup_s:.4g} s of each run are left out ({comparison.warmup})")
    for warning in comparison.warnings:
        show(f"warning: {warning}")
    show(f"written to {directory}")


def _side_by_side(labels: Sequence[str], rows: Sequence[Mapping[str, str]]) -> list[list[str]]:
    """The columns in parts of about the same number that fit the screen beside the first one."""
    first = max(len(line) for row in rows for line in row["measure"].split("\n"))
    widest = max(len(text) for label in labels for text in (*(row[label] for row in rows), *label.split()))
    fit = max(1, (width() - first - GAP - 1) // (widest + GAP))
    parts = -(-len(labels) // fit)
    each = -(-len(labels) // parts)
    return [list(labels[i : i + each]) for i in range(0, len(labels), each)]


def bounds_in_words(bounds: Sequence[Mapping[str, Any]]) -> list[str]:
    """What no policy can exceed, a line for all that have the same bound; which are left out, as they search."""
    whose: dict[str, list[str]] = {}
    for bound in bounds:
        if bound["accuracy_bound"] is not None:
            whose.setdefault(_bound_in_words(bound), []).append(str(bound["policy"]))
    found = []
    for said, labels in whose.items():
        own = [label for label in labels if label != ANY]
        if own:
            found.append(f"exits of {', '.join(own)}, tasks placed at best: {said}")
        if ANY in labels:
            found.append(f"{ANY}: {said}")
    left_out = [str(bound["policy"]) for bound in bounds if bound["accuracy_bound"] is None]
    if left_out:
        found.append(f"left out: the bounds of {', '.join(left_out)}, which search for thresholds; see --bounds")
    offered = bounds[0]["offered_per_s"]
    return [*found, f"offered: {quantity('offered_per_s', offered)}"] if isfinite(offered) else found


def _bound_in_words(bound: Mapping[str, Any]) -> str:
    right = quantity("accuracy", bound["accuracy_bound"])
    if bound["throughput_bound_per_s"] is None:
        left = f"the throughput bound is left out, as its linear programme has {bound['unknowns']:,} unknowns"
        return f"{left}; at most {right} right"
    most = quantity("throughput_bound_per_s", bound["throughput_bound_per_s"]).replace("/s", " answers/s")
    by = f" (limited by {', '.join(bound['limited_by'])})" if bound["limited_by"] else ""
    return f"at most {most}{by}, at most {right} right"
