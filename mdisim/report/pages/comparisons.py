"""What a page says of a comparison, of which summaries are kept and no runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mdisim.experiments.comparison import MEASURES, Comparison
from mdisim.experiments.steadiness import doubt
from mdisim.experiments.written import lines, meaning
from mdisim.report.forests import differences
from mdisim.report.frontiers import FRONTIERS, frontier
from mdisim.report.loads import OVERALL, utilisation
from mdisim.report.measures import words
from mdisim.report.pages.numbers import BOUND_MEASURES, known, told_seeds
from mdisim.report.pages.origins import parameters
from mdisim.report.pages.parts import Body, Facts, Table
from mdisim.report.pages.pictures import Sketch, drawn

COMPARED = ("throughput_per_s", "latency_p95_s", "accuracy", "in_time_accuracy")  # whose differences are drawn


def body(comparison: Comparison) -> Body:
    """Everything that the rows of a comparison tell."""
    policies, seeds = comparison.policies, comparison.seeds
    pictures, undrawn = drawn(_sketches(comparison))
    told = f"{len(policies)} {'policy' if len(policies) == 1 else 'policies'}"
    return Body(
        f"Comparison of {told} at {len(seeds)} seed{'s' * (len(seeds) > 1)}",
        _facts(comparison),
        parameters({label: one["parameters"] for label, one in policies.items()}),
        tuple(_warnings(comparison)),
        Table("By policy", ("policy", "verdict"), tuple(_verdicts(comparison).items()), words=2),
        tuple(table for table in _tables(comparison) if table.rows and len(table.heads) > 1),
        pictures,
        undrawn,
    )


def _verdicts(comparison: Comparison) -> dict[str, str]:
    if "verdict" not in comparison.runs:
        return {}
    return {str(label): str(verdict) for label, verdict in comparison.verdicts().items()}


def _facts(comparison: Comparison) -> Facts:
    numbers = [str(seed) for seed in comparison.seeds]
    until = f" (added until {comparison.until})" if comparison.until else ""
    chosen = "by MSER-5" if comparison.warmup == "mser" else "as the scenario says"
    policies = [
        label if label == one["policy"] else f"{label} ({one['policy']})"
        for label, one in comparison.policies.items()
    ]
    found = [("policies", ", ".join(policies)), ("seeds", ", ".join(numbers) + until)]
    if pd.notna(comparison.warmup_s):
        found.append(("left out as warm-up", f"the first {comparison.warmup_s:.4g} s of each run, {chosen}"))
    return tuple(found)


def _warnings(comparison: Comparison) -> list[str]:
    """What the comparison says itself, and what is plain from its rows."""
    plain = [doubt(label, verdict) for label, verdict in _verdicts(comparison).items() if verdict != "stable"]
    every = dict.fromkeys([*comparison.warnings, *plain])  # a comparison that was run has them already
    return [*(f"{warning}." for warning in every), *told_seeds(len(comparison.seeds))]


def _tables(comparison: Comparison) -> list[Table]:
    numbers = [str(name) for name in comparison.runs if name not in ("policy", "seed")]
    main, bounds = known(comparison.runs, MEASURES), known(comparison.runs, BOUND_MEASURES)
    rest = [name for name in known(comparison.runs, numbers) if name not in main]
    first, *others = comparison.policies
    told = meaning(comparison)
    pairs = f"What each policy has more than {first}, in pairs by seed; of shares in points. {told}"
    bounded = f"What devices and links could at most have answered at the exits as they were. {told}"
    return [
        _by_policy(comparison, "Measures", main, told),
        *([_by_policy(comparison, f"Differences to {first}", main, pairs, difference=True)] if others else []),
        *([_by_policy(comparison, "Bounds", bounds, bounded)] if "throughput_bound_share" in bounds else []),
        _by_measure(comparison, "Further measures", rest, told),
    ]


def _by_policy(
    comparison: Comparison, title: str, measures: Sequence[str], note: str, *, difference: bool = False
) -> Table:
    """A row a policy and a column a measure, with marks where policies differ from the first."""
    found = lines(comparison, measures, differences=difference) if measures else []
    rows = []
    for i, label in list(enumerate(comparison.policies))[difference:]:
        cells = (line.cells[i].replace("-", "−") + " *" * line.marks[i] for line in found)
        rows.append((label, *cells))
    return Table(title, ("policy", *(str(line.head) for line in found)), tuple(rows), note)


def _by_measure(comparison: Comparison, title: str, measures: Sequence[str], note: str) -> Table:
    """A row a measure and a column a policy, where measures are many."""
    table = _by_policy(comparison, title, measures, note)
    _, *rows = zip(table.heads, *table.rows, strict=True)  # turned; the first row are the policies
    return Table(title, ("measure", *comparison.policies), tuple(rows), note, folded=True)


def _sketches(comparison: Comparison) -> list[Sketch]:
    there = set(known(comparison.runs, (*COMPARED, "throughput_bound_per_s", *OVERALL)))
    found = [
        _frontier(comparison, x, y, own_bounds=x == "throughput_per_s" and "throughput_bound_per_s" in there)
        for x, y in FRONTIERS
        if {x, y} <= there
    ]
    if len(comparison.policies) > 1:
        found += [_differences(comparison, name) for name in COMPARED if name in there]
    if set(OVERALL) <= there:
        alt = "The mean and the largest utilisation of devices and the largest of channels, by policy."
        found.append(Sketch("Utilisation", alt, lambda ax: utilisation(comparison, ax=ax)))
    return found


def _frontier(comparison: Comparison, x: str, y: str, *, own_bounds: bool) -> Sketch:
    note = "The grey steps join the policies than which none is better in both." + (
        " A dotted line leads to what a policy's own exits would have allowed." if own_bounds else ""
    )
    title = f"{words(y).capitalize()} against {words(x)}"
    alt = f"{title}: a mark a policy, with 95 % intervals; the numbers are in the table of measures."
    return Sketch(title, alt, lambda ax: frontier(comparison, x, y, own_bounds=own_bounds, ax=ax), note)


def _differences(comparison: Comparison, measure: str) -> Sketch:
    first = next(iter(comparison.policies))
    alt = f"How much more {words(measure)} each policy has than {first}; the table of differences has the numbers."
    note = "Full marks differ with p < 0.05, adjusted for how many are compared; hollow ones do not."
    return Sketch(f"Differences in {words(measure)}", alt, lambda ax: differences(comparison, measure, ax), note)
