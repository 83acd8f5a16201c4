"""The command that calibrates a profile's exits on one half of its samples and tells what it does on the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdisim.cli.options import check_plot, json_option, plots, together
from mdisim.cli.output import as_json, say

if TYPE_CHECKING:
    from mdisim.calibration import CalibratedExits, Promise
    from mdisim.calibration.stopping import CloudFallback
    from mdisim.policies.scores import Outputs

Row = dict[str, Any]
Part = tuple["Outputs", Any]  # what exits say of samples, and what of them belongs together, [n]
TARGETS, LIMITS = ("device-accuracy",), ("early-gap", "upper-confidence", "conformal")
SURE = ("device-accuracy", "early-gap", "upper-confidence")  # promise with a probability
FEW_PARAMETERS = ("platt", "temperature")
WORSE = 0.01  # nats of negative log-likelihood that are no chance of a draw
RISKS = (*TARGETS, *LIMITS, "grid")


@dataclass(frozen=True)
class Offloading:
    """Who answers: exits up to `device_exits` from `p_tar` on, else the cloud with its fallback."""

    p_tar: float
    device_exits: int | None
    cloud_fallback: CloudFallback


@dataclass(frozen=True)
class Demand:
    """Which planner of thresholds is asked for what: a limit of the gap, surely but for `delta`."""

    planner: str | None
    limit: float | None
    delta: float | None

    def __post_init__(self) -> None:
        if self.planner is None and (self.limit, self.delta) != (None, None):
            raise click.UsageError(f"--limit and --delta are for --risk; add one of {', '.join(RISKS)}")
        if self.planner in LIMITS and self.limit is None:
            raise click.UsageError(f"--risk {self.planner} needs the largest gap; add such as --limit 0.02")
        if self.planner in TARGETS and self.limit is not None:
            raise click.UsageError(
                f"--limit is for a gap, but --risk {self.planner} keeps an accuracy of --p-tar; leave it out"
            )
        if self.planner is not None and self.planner not in SURE and self.delta is not None:
            raise click.UsageError(
                f"--risk {self.planner} promises nothing with a probability; leave --delta out, or name one of "
                + ", ".join(SURE)
            )


says_how = together(
    click.option("--method", metavar="METHOD",
                 help="temperature (the default with logits), vector, matrix, dirichlet, platt (the default "
                      "without), beta, isotonic or histogram."),
    click.option("--mode", default="per-exit", show_default=True, metavar="MODE",
                 help="Fitted to whom: none, global, per-exit, all-samples or sequential."),
    click.option("--p-tar", type=float, default=0.8, show_default=True, metavar="P",
                 help="Threshold of the exits, and the accuracy that is promised."),
    click.option("--device-exits", type=int, metavar="N",
                 help="Exits on the device; by default all but the last, which is in the cloud."),
    click.option("--cloud-fallback", default="most-confident", show_default=True,
                 metavar="final|most-confident", help="Who answers where no exit reaches P."),
)  # fmt: skip


@click.command()
@click.argument("profile", metavar="PROFILE")
@says_how
@click.option("--samples", type=click.Choice(["all", "reaching"]), default="all", show_default=True,
              help="At each exit, score every sample, or those that reach it.")  # fmt: skip
@click.option("--bins", type=click.IntRange(1), default=15, show_default=True, help="Of the calibration errors.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of resamples, batches and the split for --risk.",
)
@click.option("--draws", type=click.IntRange(1), default=1000, show_default=True, help="Resamples of intervals.")
@click.option("--risk", type=click.Choice(RISKS), help="Plan a threshold that keeps a promise, as well.")
@click.option("--limit", type=float, metavar="GAP", help="The largest gap in accuracy, for --risk.")
@click.option("--delta", type=float, metavar="D", help="How often --risk may break its promise (0.1).")
@plots("reliability diagrams")
@json_option
def calibrate(
    profile: str,
    method: str | None,
    mode: Any,
    samples: str,
    bins: int,
    seed: int,
    draws: int,
    risk: str | None,
    limit: float | None,
    delta: float | None,
    plot: Path | None,
    wants_json: bool,
    **who: Any,
) -> None:
    """Calibrate the exits of PROFILE, a name or a file, and measure it on held-out samples.

    Fits on the calibration half and scores on the test half. With --risk and a calibration, one half of the
    calibration half, drawn at random, is for the fit and the other for the threshold. Groups stay whole, and count
    as wholes.
    """
    from mdisim import calibration

    demand, way = Demand(risk, limit, delta), Offloading(**who)
    check_plot(plot)
    needed = (mode != "none") + (risk is not None)
    (to_fit, of_fit), (to_plan, of_plan), (test, of_test) = _parts(profile, seed, needed)
    chosen = method or calibration.default_method(to_fit)
    fitted = calibration.calibrate(to_fit, chosen, mode, **who, group=of_fit)
    seen = {"before": test} if mode == "none" else {"before": test, "after": fitted.calibrated(test)}
    found: Row = {
        "profile": profile,
        "method": chosen,
        "by_default": method is None,
        "mode": mode,
        **asdict(way),
        "calibration_samples": len(to_fit.label) + (len(to_plan.label) if needed == 2 else 0),
        "fit_samples": len(to_fit.label),
        "test_samples": len(test.label),
        "samples": samples,
        "nll_of": "right" if to_fit.logits is None else "label",
        "fits": fitted.rows(),
        "exits": _scores(seen, way, samples, bins, seed, draws, of_test),
        "promise": [{"when": when, **_kept(outputs, way, seed)} for when, outputs in seen.items()],
        "risk": None if risk is None else _plan(demand, way, fitted, to_plan, test, of_plan),
    }
    found["warnings"] = _worse(found)
    if wants_json:
        as_json([found])
    else:
        from mdisim.cli.calibration_shown import calibration_report

        calibration_report(found, fitted)
    if plot is not None:
        _draw(test, fitted if "after" in seen else None, way, samples, bins, plot)


def _parts(name: str, seed: int, needed: int) -> tuple[Part, Part, Part]:
    """The samples to fit, to plan a threshold and to test, with their groups.

    The first two share neither a sample nor a group if two are needed.
    """
    import numpy as np

    from mdisim.calibration import CalibrationError
    from mdisim.policies.scores import Outputs
    from mdisim.profiles import load
    from mdisim.profiles.halves import two_parts

    profile = load(name)

    def rows(which: Any) -> Part:
        logits = None if profile.logits is None else profile.logits[which]
        said, label = profile.prediction[which].astype(np.int64), profile.label[which].astype(np.int64)
        group = None if profile.group is None else profile.group[which]
        return Outputs(logits, profile.confidence[which], said, label), group

    fit = plan = np.flatnonzero(profile.split == 0)
    if len(fit) < needed:
        raise CalibrationError(f"{name} has {len(fit)} calibration samples; a profile with a few hundred would do")
    if needed == 2:
        of = None if profile.group is None else profile.group[fit]
        fit, plan = (fit[part] for part in two_parts(len(fit), of, np.random.default_rng(seed)))
    return rows(fit), rows(plan), rows(np.flatnonzero(profile.split == 1))


def _right(outputs: Outputs) -> Any:
    """Whether each exit is right, [n, K]."""
    return outputs.prediction == outputs.label[:, None]


def _scores(
    seen: Mapping[str, Outputs], way: Offloading, samples: str, bins: int, seed: int, draws: int, group: Any
) -> list[Row]:
    """For each exit that runs how reliable it is, before and after, with the interval of its ECE.

    Every interval begins with the same seed: before and after are then compared on the same resamples.
    """
    from functools import partial

    import numpy as np

    from mdisim.calibration import bootstrap, exit_rows, reaches, reliability
    from mdisim.calibration.stopping import evaluated

    ece = partial(reliability.ece, bins=bins)
    rows: list[Row] = []
    for when, outputs in seen.items():
        sure, ok = outputs.confidence, _right(outputs)
        counts = reaches(sure, way.p_tar, way.device_exits) if samples == "reaching" else np.ones(ok.shape, bool)
        measured = exit_rows(sure, ok, p_tar=way.p_tar, reached=counts, bins=bins)
        for k in evaluated(ok.shape[1], way.device_exits):
            low = high = float("nan")
            if counts[:, k].any():
                pair = sure[counts[:, k], k], ok[counts[:, k], k]
                of = None if group is None else group[counts[:, k]]
                _, low, high = bootstrap(ece, *pair, rng=np.random.default_rng(seed), draws=draws, group=of)
            rows.append({"when": when, **measured[k], "ece_low": low, "ece_high": high})
    return sorted(rows, key=lambda row: int(row["exit"]))


def _worse(found: Row) -> list[str]:
    """Warnings of exits that the calibration made less reliable on samples that it has not seen."""
    nll = {(row["exit"], row["when"]): row["nll"] for row in found["exits"]}
    told = []
    for fit in found["fits"]:
        before, after = (nll.get((fit["exit"], when), float("nan")) for when in ("before", "after"))
        if after > before + WORSE:
            other = [] if fit["samples"] == "all" else ["--mode all-samples"]
            other += [] if fit["method"] in FEW_PARAMETERS else [f"--method {' or '.join(FEW_PARAMETERS)}"]
            told.append(
                f"exit {fit['exit']}: worse on the test samples after the calibration, right NLL {before:.3f} -> "
                f"{after:.3f}; {fit['method']} was fitted to {fit['n']} samples ({fit['samples']}): take more "
                f"samples{''.join(f', or {one}' for one in other)}"
            )
    return told


def _kept(outputs: Outputs, way: Offloading, seed: int) -> Row:
    """What becomes of the promise that answers on the device are right with probability `p_tar`."""
    import numpy as np

    from mdisim.calibration import answered_by, outage, stops_at

    last, right = outputs.confidence.shape[1] - 1, _right(outputs)
    here = stops_at(outputs.confidence, way.p_tar, way.device_exits) < last
    answers = answered_by(outputs.confidence, way.p_tar, way.device_exits, way.cloud_fallback)
    correct = right[np.arange(len(right)), answers]
    out = outage.outage_probability(correct, here, way.p_tar, rng=np.random.default_rng(seed))
    return {
        "on_device_probability": outage.on_device_probability(here),
        "device_accuracy": outage.device_accuracy(correct, here),
        "overall_accuracy": outage.overall_accuracy(correct),
        "outage_probability": out.value,
        "outage_probability_low": out.low,
        "outage_probability_high": out.high,
        "outage_batch": outage.BATCH,
    }


def _plan(
    demand: Demand, way: Offloading, fitted: CalibratedExits, to_plan: Outputs, test: Outputs, group: Any
) -> Row:
    """The planned threshold with its promise, and what it gives on the test half."""
    from mdisim.calibration.leaving import Leaving

    made = _planned(demand, way, fitted.calibrated(to_plan), group)
    held = fitted.calibrated(test)
    there = Leaving.of(held.confidence, _right(held), [made.threshold], way.device_exits)
    return {
        "planner": demand.planner,
        **asdict(made),
        "test_n": there.n,
        "test_leaving": int(there.leaving[0]),
        "test_observed": there.observed(made.quantity, 0),
    }


def _planned(demand: Demand, way: Offloading, outputs: Outputs, group: Any) -> Promise:
    from mdisim.calibration import risk

    planners: dict[str | None, Any] = {
        "device-accuracy": risk.device_accuracy,
        "early-gap": risk.early_gap,
        "upper-confidence": risk.upper_confidence,
        "conformal": risk.conformal,
        "grid": risk.grid_search,
    }
    asked: dict[str, Any] = {"target": way.p_tar} if demand.limit is None else {"limit": demand.limit}
    if demand.delta is not None:
        asked["delta"] = demand.delta
    if demand.planner != "grid":
        asked["group"] = group
    made: Promise = planners[demand.planner](
        outputs.confidence, _right(outputs), device_exits=way.device_exits, **asked
    )
    return made


def _draw(
    test: Outputs, fitted: CalibratedExits | None, way: Offloading, samples: str, bins: int, plot: Path
) -> None:
    """Draw the exits that run, before and, where they are calibrated, after."""
    from mdisim.calibration.stopping import evaluated
    from mdisim.report import reliability, save

    panels = reliability(
        test,
        fitted,
        bins=bins,
        exits=[k + 1 for k in evaluated(test.confidence.shape[1], way.device_exits)],
        reached_at=way.p_tar if samples == "reaching" else None,
        device_exits=way.device_exits,
    )
    save(panels[0, 0], plot)
    say(f"drawn in {plot}", err=True)
