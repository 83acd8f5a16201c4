"""How a calibration is shown to people, in tables that fit a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from mdisim.cli.output import show, table
from mdisim.experiments.written import quantity

if TYPE_CHECKING:
    from mdisim.calibration import CalibratedExits

Row = Mapping[str, Any]
WIDTH = 100  # of a line
KEPT = ("on_device_probability", "device_accuracy", "overall_accuracy", "outage_probability")


def calibration_report(found: Row, fitted: CalibratedExits) -> None:
    """Print what was fitted, how reliable the exits are, and what becomes of the promise."""
    if found["mode"] != "none":
        _fits(found, fitted)
    whose = "" if found["samples"] == "all" else ", at each exit those that reach it"
    labels = found["nll_of"] == "label" and found["mode"] != "none"
    show(
        f"{found['profile']}, {found['test_samples']} test samples{whose}",
        "accuracy to gap in %, ECE with its 95 % interval",
        "right NLL: of being right or not" + ("; label NLL: of the true class" if labels else ""),
    )
    table([_reliability(row, found) for row in found["exits"]])
    for warning in found["warnings"]:
        show(*wrap(f"warning: {warning}", WIDTH))
    _promise(found["promise"], found)
    if found["risk"] is not None:
        _risk(found["risk"])


def _fits(found: Row, fitted: CalibratedExits) -> None:
    """What was fitted at each exit that runs, and below it which guards acted."""
    run = {row["exit"] for row in found["exits"]}
    reports = {str(k): report for k, report in enumerate(fitted.reports, 1) if k in run}
    pooled = found["mode"] == "global"  # one map for all
    if pooled:
        reports = {"all": next(iter(reports.values()))}
    unasked = " (needs no logits; there are none)" if found["by_default"] and found["nll_of"] == "right" else ""
    rows = [
        {
            "exit": k,
            **({} if pooled else {"samples": report.samples}),
            "n": report.n,
            "fitted": _parameters(report.parameters) if report.method != "none" else "left as it is",
            f"{found['nll_of']} NLL before": _number(report.nll_before),
            "after": _number(report.nll_after),
        }
        for k, report in reports.items()
    ]
    show(
        f"{found['method']}{unasked}, {found['mode']}, p_tar {found['p_tar']:g}, from {found['fit_samples']} of "
        f"{found['calibration_samples']} calibration samples"
    )
    table(rows)
    flags = [f"  exit {k}: {report.flag}" for k, report in reports.items() if report.flag]
    show(*flags, *[""] * bool(flags))


def _parameters(parameters: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in parameters.items())


def _reliability(row: Row, found: Row) -> dict[str, str]:
    """How reliable one exit is; accuracy to gap in percent."""
    ece = "-".join(_percent(row[name]) for name in ("ece_low", "ece_high"))
    return {
        "exit": f"{row['exit']} {row['when']}",
        **({"n": str(row["n"])} if found["samples"] != "all" else {}),
        "accuracy": _percent(row["accuracy"]),
        "mean\nconf.": _percent(row["confidence"]),
        "ECE": f"{_percent(row['ece'])} ({ece})" if row["n"] else "-",
        "MCE": _percent(row["mce"]),
        "signed": _percent(row["signed_ece"], "+"),
        f"gap\n≥ {found['p_tar']:g}": _percent(row["gap_above"], "+"),
        "Brier": _number(row["brier"]),
        "right\nNLL": _number(row["nll"]),
    }


def _promise(kept: Sequence[Row], found: Row) -> None:
    rows = [
        {"measure": name.replace("on_device", "on-device").replace("_", " ")}
        | {row["when"]: quantity("share", row[name], _half(row, name)) for row in kept}
        for name in KEPT
    ]
    show(
        f"the promise: {100 * found['p_tar']:g} % of the device's answers are right",
        f"cloud fallback {found['cloud_fallback']}; outage over batches of {kept[0]['outage_batch']}",
    )
    table(rows)


def _half(row: Row, name: str) -> float:
    """Half of the interval of a measure, NaN where it has none."""
    return float(row[f"{name}_high"] - row[name]) if f"{name}_high" in row else nan


def _risk(plan: Row) -> None:
    how = {
        "probability": f"with probability {1 - plan['delta']:g}",
        "expectation": "in expectation",
        "none": "on the calibration samples alone: nothing is promised for others",
    }
    side = "at least" if plan["quantity"] == "device accuracy" else "at most"
    rows = [
        {
            "samples": half,
            "n": plan[f"{prefix}n"],
            "on the device": quantity("share", plan[f"{prefix}leaving"] / plan[f"{prefix}n"]),
            plan["quantity"]: quantity("share", plan[f"{prefix}observed"]),
        }
        for half, prefix in (("calibration", ""), ("test", "test_"))
    ]
    show(
        f"{plan['planner']}: the threshold {plan['threshold']:g} keeps the {plan['quantity']} {side} "
        f"{100 * plan['limit']:g} %,",
        how[plan["guarantee"]],
    )
    table(rows)


def _percent(value: float, sign: str = "") -> str:
    return "-" if isnan(value) else f"{100 * value:{sign}.1f}"


def _number(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}"
