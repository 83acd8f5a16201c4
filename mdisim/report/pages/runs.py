"""What a page says of one run."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

from mdisim import metrics
from mdisim.experiments.steadiness import BINS, DRIFT, doubt, in_system, settled_s
from mdisim.experiments.written import cell
from mdisim.recovery import recovery
from mdisim.report.delays import latencies
from mdisim.report.loads import exits, utilisation
from mdisim.report.pages.numbers import column, told_seeds
from mdisim.report.pages.origins import parameters
from mdisim.report.pages.parts import Body, Facts, Table
from mdisim.report.pages.pictures import Drawn, Sketch, drawn
from mdisim.report.style import page
from mdisim.report.timelines import timeline
from mdisim.results import Run

MAIN = (
    "offered_per_s", "admitted_per_s", "throughput_per_s", "goodput_per_s", "accuracy", "in_time_accuracy",
    "latency_mean_s", "latency_p50_s", "latency_p95_s", "latency_p99_s", "wait_mean_s", "compute_mean_s",
    "transfer_mean_s", "in_flight_share", "refused_share", "lost_share", "offload_share", "sent_per_sample_bytes",
    "energy_per_sample_j",
)  # fmt: skip
MOST_ROWS, MANY_ROWS = 50, 12  # devices, links or faults; and from where on they are folded


def body(run: Run) -> Body:
    """Everything that the tables of a run tell."""
    summary = run.summary()
    verdict = str(summary["verdict"])
    rest = [name for name, value in summary.items() if name not in MAIN and isinstance(value, float)]
    pictures, undrawn = drawn(_sketches(run))
    tables = [
        _measures("Measures", MAIN, summary, "After the warm-up; one seed, so that there are no intervals."),
        _exits(run), _devices(run), _links(run), *_faults(run),
        _measures("Further measures", rest, summary)._replace(folded=True),
    ]  # fmt: skip
    return Body(
        f"One run of {run.policy}, seed {run.seed}",
        _facts(run),
        parameters({run.policy: run.parameters}),
        (*_doubts(run, verdict), *told_seeds(1)),
        Table("By policy", ("policy", "verdict"), ((run.policy, verdict),), words=2),
        tuple(table for table in tables if table.rows),
        pictures,
        undrawn,
    )


def _facts(run: Run) -> Facts:
    traces = "; ".join(f"{name} ({digest})" for name, digest in run.traces.items())
    found = {
        "policy": run.policy,
        "seed": str(run.seed),
        "duration": f"{run.duration_s:g} s, of which the first {run.warmup_s:g} s are left out",
        "samples offered": f"{len(run.tasks)}",
        "profile": f"{run.profile} ({run.profile_digest})" if run.profile_digest else run.profile,
        "traces": traces,
    }
    return tuple((name, value) for name, value in found.items() if value)


def _doubts(run: Run, verdict: str) -> list[str]:
    """What speaks against a steady state; of one run no test can tell more than this."""
    if verdict != "stable":
        return [f"{doubt(run.policy, verdict)}."]
    series = in_system(run)
    cut_s, settled = settled_s([series], run.duration_s)
    if not settled:
        return ["MSER-5 finds no end of the warm-up in this run; a longer run or a lower rate would do."]
    start, cut = round(BINS * run.warmup_s / run.duration_s), round(BINS * cut_s / run.duration_s)
    if cut <= start or abs(series[start:cut].mean() / series[cut:].mean() - 1.0) <= DRIFT:
        return []
    return [
        f"The warm-up of {run.warmup_s:g} s may be too short: by MSER-5 the number in the system settles after "
        f"{cut_s:.3g} s. A comparison over seeds tests it."
    ]


def _measures(title: str, names: Any, summary: Mapping[str, Any], note: str = "") -> Table:
    rows = []
    for name in names:
        head, (value,) = column(name, [float(summary[name])])
        if value != "−":
            rows.append((head.name, value, head.unit))
    return Table(title, ("measure", "value", "unit"), tuple(rows), note)


def _exits(run: Run) -> Table:
    answers = run.tasks[metrics.answered(run)]
    right = answers.groupby("exit")["correct"].mean()
    rows = [
        (f"exit {k}", cell(100.0 * share, nan), cell(100.0 * float(right.get(k, nan)), nan))
        for k, share in metrics.exit_shares(run).items()
    ]  # fmt: skip
    return Table("Exits", ("exit", "share of the answers (%)", "right of these (%)"), tuple(rows))


def _devices(run: Run) -> Table:
    queues = metrics.queue_lengths(run).reindex(run.devices["device"])
    parts = [("utilisation", run.devices["utilisation"]), ("energy_j", run.devices["energy_j"])]
    columns = [column(name, values.tolist()) for name, values in parts]
    heads = ("device", "kind", *(str(head) for head, _ in columns), "waiting for a core", "waiting to be sent")
    waiting = [[cell(value, nan) for value in queues[name]] for name in ("queue", "out_queue")]
    kinds = run.devices["kind"].astype(str)
    rows = zip(run.devices["device"].astype(str), kinds, *(cells for _, cells in columns), *waiting, strict=True)
    return _cut(Table("Devices", heads, tuple(rows), "Queues are means over the window, in tasks.", words=2))


def _links(run: Run) -> Table:
    parts = [("utilisation", run.links["utilisation"]), ("sent_bytes", run.links["bytes"])]
    columns = [column(name, values.astype(float).tolist()) for name, values in parts]
    heads = ("link", "channel", *(str(head) for head, _ in columns), "transfers")
    texts = [run.links[name].astype(str) for name in ("link", "channel", "transfers")]
    rows = zip(*texts[:2], *(cells for _, cells in columns), texts[2], strict=True)
    return _cut(Table("Links", heads, tuple(rows)))


def _faults(run: Run) -> list[Table]:
    found = recovery(run)
    if found.empty:
        return []
    heads = ("fault", "from (s)", "until (s)", "answers before (/s)", "lowest (/s)", "recovered after (s)", "lost")
    rows = tuple(_fault(row) for row in found.to_dict("records"))
    return [_cut(Table("Faults", heads, rows, "Where no time is given, throughput did not recover by the end."))]


def _fault(row: Mapping[Any, Any]) -> tuple[str, ...]:
    names = ("start_s", "end_s", "before_per_s", "lowest_per_s", "recovery_s")
    numbers = (cell(row[name], nan).replace("-", "–") for name in names)
    return (f"{row['target']}: {row['kind']}", *numbers, str(row["lost"]))


def _cut(table: Table) -> Table:
    """No more rows than anybody reads."""
    more, table = len(table.rows) - MOST_ROWS, table._replace(folded=len(table.rows) > MANY_ROWS)
    if more <= 0:
        return table
    note = f"{table.note} The first {MOST_ROWS} of {len(table.rows)}; the tables in the directory have all."
    return table._replace(rows=table.rows[:MOST_ROWS], note=note.strip())


def _sketches(run: Run) -> list[Sketch]:
    return [
        Sketch(
            "The run over time",
            "Panels over time: what waits, what is answered per second, and what the policy sets.",
            lambda ax: _timeline(run, ax),
        ),
        Sketch(
            "Latencies",
            "The share of answers that come within each latency; the table of measures has the p50, p95 and p99.",
            lambda ax: latencies(run, ax=ax),
        ),
        Sketch(
            "Exits",
            "Which exit answers at which device, as shares of all answers; the table of exits has the sums.",
            lambda ax: exits(run, ax=ax),
        ),
        Sketch(
            "Utilisation",
            "How busy each device and each channel is; the tables of devices and links have the numbers.",
            lambda ax: utilisation(run, ax=ax),
        ),
    ]


def _timeline(run: Run, ax: Any) -> Drawn:
    """The panels, in a figure as wide and high as that of the axes, which they replace."""
    return timeline(run) if ax is None else timeline(run, page(*ax.figure.get_size_inches()[::-1]))
