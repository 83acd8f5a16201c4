"""The formats of trace files, each in a module of its own, and how they are told apart: by what is in the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mdisim.traces.formats import irish5g, mahimahi, oboe, ours, pensieve, steps
from mdisim.traces.formats.page import Page, to_floats
from mdisim.traces.trace import Trace, TraceError

# what a step and a rate of the two columns must exceed on average to be milliseconds and kbit/s, not s and Mbit/s
_FINE = 60.0


@dataclass(frozen=True)
class Format:
    """A format's reader and the options it takes; its writer, and what it holds beside times and rates."""

    parse: Callable[..., Trace]
    options: tuple[str, ...] = ()
    text: Callable[[Trace], str] | None = None
    holds: tuple[str, ...] = ()


FORMATS = {
    "mdisim": Format(ours.parse, text=ours.text, holds=("latency_s", "loss", "end")),
    "mahimahi": Format(mahimahi.parse, ("bin_s",), mahimahi.text),
    "pensieve": Format(pensieve.parse, text=pensieve.text),
    "json": Format(steps.parse, text=steps.text, holds=("latency_s",)),
    "irish5g": Format(irish5g.parse, ("column",)),
    "oboe": Format(oboe.parse, text=oboe.text),
}
WRITTEN = tuple(name for name, form in FORMATS.items() if form.text)


def told_apart(page: Page) -> str:
    """The name of a file's format; a TraceError where that cannot be told."""
    if page.text.lstrip()[:1] in ("[", "{"):
        return "json"
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
        f"{page.where}: is in no format that can be told from what is in it; a first line {','.join(ours.NEEDED)} "
        f"would do, or name one: --format {' or '.join(FORMATS)} (in Python: format=...)"
    )


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
