"""What a comparison leaves behind: a row for each run, and the table that is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import nan
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from mdisim import metrics
from mdisim.experiments.replications import Auto
from mdisim.experiments.targets import check_measure
from mdisim.experiments.written import VERDICT, numeric
from mdisim.folders import (
    AnyPath,
    digest,
    need_intact,
    plain,
    provenance,
    reading,
    write_json,
    write_table,
    writing,
)
from mdisim.policies.scores import Floats
from mdisim.results import Origin
from mdisim.statistics import holm, paired_p, t_interval

MEASURES = (
    "throughput_per_s",
    "throughput_bound_share",
    "latency_mean_s",
    "latency_p95_s",
    "accuracy",
    "in_time_accuracy",
    "offload_share",
    "device_utilisation_max",
)
ESTIMATES = ("mean", "low", "high", "difference", "difference_low", "difference_high", "difference_p")

Warmup = Literal["stated", "mser"]
Seeds = Sequence[int] | Auto


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several policies on the same work.

    `runs`: one row per policy and seed, with every measure of a run's summary and of `mdisim.bounds`. `policies`:
    for each label the `policy` and its `parameters`; the first is what the others are compared with. `origin` is
    None where the world was built by hand. `warmup` says who chose the `warmup_s` that was left out, `until` how
    the number of seeds was chosen, `warnings` what makes the numbers doubtful.
    """

    runs: pd.DataFrame
    policies: Mapping[str, Mapping[str, Any]]
    origin: Origin | None = None
    warmup: Warmup = "stated"
    warmup_s: float = nan
    until: Auto | None = None
    warnings: tuple[str, ...] = ()

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(int(seed) for seed in self.runs["seed"].unique())

    @property
    def identity(self) -> str:
        """What was asked for, as 64 hexadecimal digits; empty where the world was built by hand."""
        return identity(self.origin, self.policies, self.until or self.seeds, self.warmup)

    def table(self, measures: Sequence[str] = MEASURES, *, simultaneous: bool = False) -> pd.DataFrame:
        """Means over seeds and mean differences to the first policy, with 95 % Student t intervals.

        One row a policy; columns are (measure, estimate) with the estimates mean, low, high, difference,
        difference_low and difference_high, in the measure's unit, and difference_p: `table["latency_p95_s"]` is
        one measure's. Differences are paired by seed. `difference_p` is the p-value of a paired t test, adjusted
        by Holm's procedure for the policies that are compared with the first: who calls those different whose p
        is below 0.05 is wrong about any of them at most one time in twenty, measure by measure (not over all
        measures at once). With `simultaneous` the intervals of the differences, too, hold for all these policies
        together (Bonferroni). With one seed there are no intervals (NaN), and a measure that is NaN for one seed
        is NaN. The measure `verdict` has one column, (verdict, worst): the worst over the seeds.
        """
        columns: dict[tuple[str, str], Any] = {}
        for m in measures:
            found = {"worst": self.verdicts()} if m == VERDICT else self._estimates(m, simultaneous)
            columns |= {(m, name): values for name, values in found.items()}
        return pd.DataFrame(columns, index=pd.Index(self.policies, name="policy"))

    def _estimates(self, measure: str, simultaneous: bool) -> dict[str, Floats]:
        by_seed = self.by_seed(measure).to_numpy()
        paired = by_seed - by_seed[:, :1]
        others = by_seed.shape[1] - 1
        differences = t_interval(paired, of=others if simultaneous else 1)
        p = np.append(np.nan, holm(paired_p(paired[:, 1:])))
        return dict(zip(ESTIMATES, (*t_interval(by_seed), *differences, p), strict=True))

    def by_seed(self, measure: str) -> pd.DataFrame:
        """One measure, or the verdict, a row a seed and a column a policy."""
        if measure == VERDICT:
            return self._pivoted(measure)
        known = [name for name in self.runs.columns if pd.api.types.is_float_dtype(self.runs[name])]
        check_measures([measure], known)
        return self._pivoted(measure)

    def _pivoted(self, column: str) -> pd.DataFrame:
        return self.runs.pivot(index="seed", columns="policy", values=column)[list(self.policies)]

    def verdicts(self) -> pd.Series[str]:
        """The worst verdict of each policy over the seeds."""
        found = self.runs.groupby("policy", sort=False)[VERDICT].agg(metrics.worst)
        return found.reindex(list(self.policies))

    def records(self, measures: Sequence[str] = MEASURES) -> list[dict[str, Any]]:
        """The table as plain data, one mapping a policy; an estimate's key is the measure and its name.

        The verdict is always there.
        """
        numbers = numeric(measures)
        table, verdicts = self.table(numbers), self.verdicts()
        keys = [m if estimate == "mean" else f"{m}_{estimate}" for m in numbers for estimate in ESTIMATES]
        return [
            {"policy": label, "verdict": verdicts[label], "seeds": len(self.seeds)}
            | dict(zip(keys, plain(row), strict=True))
            for label, row in zip(self.policies, table.to_numpy(), strict=True)
        ]

    def markdown(self, measures: Sequence[str] = MEASURES) -> str:
        """The table in Markdown: a row a policy, means ± half of the interval, marks where policies differ."""
        from mdisim.experiments.written import markdown

        return markdown(self, measures)

    def latex(self, measures: Sequence[str] = MEASURES) -> str:
        """The same as a LaTeX tabular, which needs the package booktabs."""
        from mdisim.experiments.written import latex

        return latex(self, measures)

    def save(self, directory: AnyPath, *, command: str = "", force: bool = False) -> Path:
        """Write the comparison as a directory, whole or not at all, and return its path.

        Inside: `summary.parquet` (one row a run), `table.json`, `provenance.json` and the scenario's YAML.
        What is there already is treated as `Run.save` does.
        """
        facts: dict[str, Any] = {
            "kind": "comparison",
            "command": command,
            "policies": self.policies,
            "seeds": self.seeds,
        }
        facts |= {"warmup": self.warmup, "warmup_s": self.warmup_s, "warnings": self.warnings}
        facts |= {"until": None if self.until is None else asdict(self.until)}
        facts |= self.origin.facts() if self.origin else {}
        with writing(directory, self.identity, facts, force) as folder:
            write_table(self.runs, folder / "summary.parquet")
            write_json(self.records(), folder / "table.json")
            if self.origin:
                self.origin.write(folder)
        return Path(directory)

    @classmethod
    def load(cls, directory: AnyPath) -> Comparison:
        """Read a comparison that `save` wrote; a ResultsError where there is none, or where it is damaged."""
        folder = Path(directory)
        facts = provenance(folder, "comparison")
        with reading(folder):
            need_intact(folder, facts)
            return cls(
                pd.read_parquet(folder / "summary.parquet"),
                facts["policies"],
                Origin.read(facts, folder),
                facts["warmup"],
                nan if facts["warmup_s"] is None else facts["warmup_s"],
                None if facts["until"] is None else Auto(**facts["until"]),
                tuple(facts["warnings"]),
            )


def check_measures(wanted: Iterable[str], known: Sequence[str]) -> None:
    """Raise an ExperimentError where a measure is not known."""
    for name in wanted:
        check_measure(name, known)


def identity(origin: Origin | None, policies: Mapping[str, Any], seeds: Seeds, warmup: Warmup = "stated") -> str:
    """A digest of what is asked for; empty without a scenario."""
    asked = asdict(seeds) if isinstance(seeds, Auto) else seeds
    more = [] if warmup == "stated" else [warmup]
    return "" if origin is None else digest(["comparison", origin.digest, policies, asked, *more])
