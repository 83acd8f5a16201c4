"""JSON traces as Sabre has them: a list of steps, each with duration_ms, bandwidth_kbps and perhaps latency_ms.

Sabre waits the latency once a download, from the request to the first bit: it is a way there and back, and half of
it is the latency of a link here.
"""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

import numpy as np

from mdisim.errors import InputError
from mdisim.traces.formats.knots import in_unit, made
from mdisim.traces.formats.page import MOST_LINES, Faults, Page, not_a_quantity, shown
from mdisim.traces.trace import Floats, Trace, TraceError

NEEDED = ("duration_ms", "bandwidth_kbps")
LATENCY = "latency_ms"
WAYS = 2.0  # there and back
_ROUNDING = 4e-16
_COMMAS = 3  # of a step with a latency


def parse(page: Page) -> Trace:
    """Read the trace; a step of no duration moves nothing and is left out."""
    steps = _steps(page)
    keys = [*NEEDED, *([LATENCY] if any(LATENCY in step for step in steps) else [])]
    faults = Faults(page.where, "step")
    values = np.array(
        [[_quantity(step, key, number, faults) for key in keys] for number, step in enumerate(steps, 1)]
    )
    faults.refuse()
    held = values[values[:, 0] > 0.0]
    if not len(held):
        raise TraceError(f"{page.where}: lasts no time; a step with a duration_ms above 0 would do")
    with np.errstate(over="ignore"):
        edges = np.concatenate(([0.0], np.cumsum(held[:, 0]))) / 1e3
        rate_bps = held[:, 1] * 1e3
    more = {"left out": f"{len(values) - len(held)} steps of no duration"} if len(held) < len(values) else {}
    latency_s = held[:, 2] / 1e3 / WAYS if LATENCY in keys else None
    return made(page, edges[:-1], rate_bps, float(edges[-1]), {**page.notes("json"), **more}, latency_s)


def _steps(page: Page) -> list[dict[str, Any]]:
    if max(page.text.count("{"), page.text.count("["), page.text.count(",") // _COMMAS) > MOST_LINES:
        raise TraceError(f"{page.where}: has more than {MOST_LINES} steps; a part of it would do")
    try:
        read = json.loads(page.text, parse_constant=_refused)
    except json.JSONDecodeError as error:
        raise TraceError(f"{page.where}: line {error.lineno}: is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{page.where}: is no JSON of finite numbers in one list: {error}") from error
    if not isinstance(read, list) or not read:
        raise TraceError(f"{page.where}: is no list of steps; " + _would_do())
    faults = Faults(page.where, "step")
    other = np.fromiter((not isinstance(step, dict) for step in read), dtype=np.bool_, count=len(read))
    faults.mark(other, 1, lambda row: f"is {shown(read[row])}; " + _would_do())
    faults.refuse()
    return read


def _refused(constant: str) -> NoReturn:
    raise InputError(f"{constant} is no number")


def _would_do() -> str:
    return f"steps with {' and '.join(NEEDED)}, and perhaps {LATENCY}, would do"


def _quantity(step: dict[str, Any], key: str, number: int, faults: Faults) -> float:
    if key not in step:
        faults.add(number, f"has no {key}; every step needs it")
        return 0.0
    value = step[key]
    if type(value) in (int, float) and 0 <= value <= sys.float_info.max:
        return float(value) + 0.0
    faults.add(number, not_a_quantity(key, value))
    return 0.0


def text(trace: Trace) -> str:
    """A step for each rate, with its latency where that is known."""
    widths_ms, kbps = in_unit("milliseconds", trace.widths_s, 1e3), trace.rate_bps / 1e3
    ends_ms = np.append(trace.time_s[1:], trace.duration_s) * 1e3
    columns = {NEEDED[0]: _tidy(widths_ms, _ROUNDING * ends_ms), NEEDED[1]: _tidy(kbps, _ROUNDING * kbps)}
    if trace.latency_s is not None:
        latency_ms = in_unit("milliseconds", trace.latency_s, WAYS * 1e3)
        columns[LATENCY] = _tidy(latency_ms, _ROUNDING * latency_ms)
    steps = (json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))
    return "[\n  " + ",\n  ".join(steps) + "\n]\n"


def _tidy(values: Floats, rounding: Floats) -> list[float]:
    """Without the last digits that only rounding has brought."""
    with np.errstate(all="ignore"):
        short = np.round(values, 9)
        return np.where((np.abs(values - short) <= rounding) & (short > 0.0), short, values).tolist()  # type: ignore[no-any-return]
