"""The formats of trace files, each in a module of its own, and how they are told apart: by what is in the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mdisim.traces.formats import iperf3, irish5g, mahimahi, oboe, ours, pensieve, steps, table
from mdisim.traces.formats.page import Page, shown, to_floats
from mdisim.traces.trace import Trace, TraceError

# what a step and a rate of the two columns must exceed on average to be milliseconds and kbit/s, not s and Mbit/s
_FINE = 60.0
MOST_TOLD = 8  # columns in a message


@dataclass(frozen=True)
class Format:
    """A format's reader and the units it takes for granted; its options, its writer, what else it holds."""

    parse: Callable[..., Trace]
    units: str
    options: tuple[str, ...] = ()
    text: Callable[[Trace], str] | None = None
    holds: tuple[str, ...] = ()


FORMATS = {
    "mdisim": Format(ours.parse, "seconds, bit/s", text=ours.text, holds=("latency_s", "loss", "end")),
    "mahimahi": Format(mahimahi.parse, "milliseconds, each a packet of 1500 bytes", ("bin_s",), mahimahi.text),
    "pensieve": Format(pensieve.parse, "seconds, Mbit/s until then", text=pensieve.text),
    "json": Format(steps.parse, "milliseconds, kbit/s", text=steps.text, holds=("latency_s",)),
    "iperf3": Format(iperf3.parse, "seconds, bit/s", ("column",)),
    "irish5g": Format(irish5g.parse, "stamps of seconds, kbit/s", ("column", "gap")),
    "oboe": Format(oboe.parse, "milliseconds, kbit/s", text=oboe.text),
}
WRITTEN = tuple(name for name, form in FORMATS.items() if form.text)


def told_apart(page: Page) -> str:
    """The name of a file's format; a TraceError where that cannot be told."""
    opens = {"[": "json", "{": "iperf3"}.get(page.text.lstrip()[:1])
    if opens is not None:
        return opens
    head = next((line for line in page.lines if line.strip() and line.lstrip()[0] != "#"), "")
    names = {name.strip() for name in head.split(",")}
    if names & set(ours.NEEDED):
        return "mdisim"
    if irish5g.TIME in names and names & set(irish5g.COLUMNS):
        return "irish5g"
    words = head.split()
    if words and to_floats(words).min() >= 0.0 and len(words) < 3:
        return "mahimahi" if len(words) == 1 else _of_two_columns(page)
    raise TraceError(
        f"{page.where}: is in no format that can be told from what is in it{_columns(head)}. "
        "Name its columns and the unit of its rates: mdisim trace convert --time COLUMN --rate COLUMN --unit "
        f"Mbps; or begin it with the line {','.join(ours.NEEDED)}; or name a format: --format "
        f"{' or '.join(FORMATS)}"
    )


def _columns(head: str) -> str:
    """What stands in the first line, where that looks like names of columns."""
    between, names = table.columns(head)
    if between == "blanks" or len(names) < 2 or not np.isnan(to_floats(names)).any():
        return ""
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return f"; its columns, separated by {between}, are {', '.join(map(shown, names[:MOST_TOLD]))}{more}"


def _of_two_columns(page: Page) -> str:
    """Oboe's lines come in pairs of one rate, which in Pensieve's would be chance, or a rate that stays."""
    rates = [line.rpartition(" ")[2].rpartition("\t")[2] for line in page.lines]
    if (
        not page.lines[0].strip()
        or len(rates) < 2
        or any(one != other for one, other in zip(rates[::2], rates[1::2], strict=False))
    ):
        return "pensieve"
    first, last = page.lines[0].split()[0], page.lines[-1].split()[0]
    span = to_floats([last])[0] - to_floats([first])[0]
    varies = len(set(rates)) > 1
    if varies and span > _FINE * len(rates) and float(to_floats(rates).mean()) > _FINE:
        return "oboe"
    if len(rates) % 2:
        return "pensieve"
    raise TraceError(
        f"{page.where}: could be Pensieve's (seconds, Mbit/s) or Oboe's (milliseconds, kbit/s), as its lines come "
        "in pairs of one rate; name one: --format pensieve or oboe (in Python: format=...)"
    )
