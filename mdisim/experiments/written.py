"""Means and intervals as text, in one unit a measure, so that they can be compared; Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import floor, isfinite, log10, nan
from typing import TYPE_CHECKING, Any, NamedTuple

from mdisim.printable import printable

if TYPE_CHECKING:
    from mdisim.experiments.compare import Comparison

VERDICT = "verdict"  # the measure that is a word
SIGNIFICANT = 0.05
FIGURES = 5  # of a mean, at most
SHARES = ("share", "accuracy", "accuracy_bound", "probability", "utilisation", "utilisation_mean",
          "utilisation_max")  # fmt: skip
STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
ENDINGS = (("_per_s", "/s"), ("_bps", "bit/s"), ("_bytes", "B"), ("_s", "s"), ("_j", "J"), ("_w", "W"))
NOT_SCALED = ("", "%", "/s", "nJ/bit")
STATED_FIGURES = 6  # of a value that somebody stated: more than anybody writes
ESCAPED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "µ": r"\textmu{}"}
ESCAPED |= {one: "\\" + one for one in "&%$#_{}"}
IN_MARKDOWN = {one: "\\" + one for one in "\\`*_~[]|"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Head(NamedTuple):
    """A measure's name in words, the unit it is shown in, and what a value is divided by for that."""

    name: str
    unit: str
    step: float

    def __str__(self) -> str:
        """Name and unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


class Line(NamedTuple):
    """A measure's head, and what each policy has of it: mean ± half, and whether it differs from the first."""

    head: Head
    cells: tuple[str, ...]
    marks: tuple[bool, ...]


def numeric(measures: Iterable[str]) -> list[str]:
    """Those of the measures that are numbers: all but the verdict."""
    return [name for name in measures if name != VERDICT]


def unit_of(measure: str) -> str:
    """The unit that a measure's name ends in; % for a share, and nothing for a number."""
    if measure.endswith(SHARES):
        return "%"
    return next((unit for ending, unit in ENDINGS if measure.endswith(ending)), "")


def name_of(measure: str) -> str:
    """A measure's name in words, without its unit."""
    ending = "" if measure.endswith(SHARES) else next((e for e, _ in ENDINGS if measure.endswith(e)), "")
    return measure.removesuffix(ending).replace("_", " ")


def step_of(unit: str, value: float) -> tuple[float, str]:
    """What a value is divided by to be read, and the prefix that the unit then has; nobody says kiloseconds."""
    steps = (step for step in STEPS if not (unit == "s" and step[0] > 1.0))
    return next((step for step in steps if value >= step[0]), (1.0, ""))


def head_of(measure: str, values: Iterable[float]) -> Head:
    """How to show these values of a measure: in the unit that suits the largest."""
    unit = unit_of(measure)
    largest = max((abs(v) for v in values if isfinite(v)), default=0.0)
    if unit in NOT_SCALED:
        return Head(name_of(measure), unit, 0.01 if unit == "%" else 1.0)
    step, prefix = step_of(unit, largest)
    return Head(name_of(measure), prefix + unit, step)


def cell(value: float, half: float) -> str:
    """A mean ± half of its interval: two figures of the half, and the mean as exactly, but five at most.

    A value without an interval has three figures.
    """
    if not isfinite(value):
        return "-"
    if not isfinite(half):
        return f"{value:.{_decimals(value, 3)}f}"
    most = _decimals(max(abs(value), half), FIGURES)
    places = min(most, _decimals(half, 2)) if half else _decimals(value, 3)
    return f"{value:.{places}f} ± {half:.{places}f}"


def quantity(measure: str, value: float, half: float = nan) -> str:
    """A value of a measure, or a mean ± half of its interval, with its unit, such as 31.8/s or 28.27 ± 0.15 ms."""
    if not isfinite(value):
        return "-"
    if isinstance(value, int):  # a count
        return _with_unit(str(value), unit_of(measure))
    head = head_of(measure, [value])
    return _with_unit(cell(value / head.step, half / head.step), head.unit)


def stated(values: Sequence[Any], unit: str = "") -> tuple[str, list[str]]:
    """Values that were stated, in SI: the unit that suits the largest of them, and each as a person writes it."""
    numbers = [v for v in values if isinstance(v, float) and isfinite(v)]
    scaled = unit and unit not in NOT_SCALED and numbers
    step, prefix = step_of(unit, max(map(abs, numbers))) if scaled else (1.0, "")
    return prefix + unit, [_plain(v / step) if isinstance(v, float) else str(v) for v in values]


def stated_one(value: Any, unit: str = "") -> str:
    """One value that was stated, with its unit, such as 5 Mbps."""
    scaled, (text,) = stated([value], unit)
    return _with_unit(text, scaled)


def _plain(value: float) -> str:
    """A number without an exponent, but where it is very large or small; no more digits than six that count."""
    text = f"{value:.{STATED_FIGURES}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < 1e15 else text


def _with_unit(text: str, unit: str) -> str:
    return text + (unit if unit.startswith("/") else f" {unit}".rstrip())


def _decimals(value: float, figures: int) -> int:
    return min(6, max(0, figures - 1 - floor(log10(abs(value))))) if value else 0


def lines(comparison: Comparison, measures: Sequence[str], *, differences: bool = False) -> list[Line]:
    """A line for each measure: the means of the policies, or what they differ from the first by.

    The verdict is no number, and has no line.
    """
    numbers = numeric(measures)
    estimates = comparison.table(numbers)
    mean, high = ("difference", "difference_high") if differences else ("mean", "high")
    found = []
    for measure in numbers:
        one = estimates[measure]
        head = head_of(measure, one["mean"])
        halves = one[high] - one[mean]
        cells = (cell(v / head.step, h / head.step) for v, h in zip(one[mean], halves, strict=True))
        marks = (bool(p < SIGNIFICANT) for p in one["difference_p"])
        found.append(Line(head, tuple(cells), tuple(marks)))
    return found


def meaning(comparison: Comparison, mark: str = "*", written: Callable[[str], str] = printable) -> str:
    """What stands in the table; `written` is how a label is."""
    n, (first, *others) = len(comparison.seeds), comparison.policies
    if n < 2:
        return "One seed: no intervals."
    told = f"Means over {n} seeds ± half of the 95 % interval."
    if others:
        told += (
            f" {mark}: differs from {written(first)}, paired by seed (t test, p < {SIGNIFICANT:g}, "
            f"adjusted by Holm for {len(others)} compared)."
        )
    return told


def markdown(comparison: Comparison, measures: Sequence[str]) -> str:
    """A table in Markdown: a row a policy, a column a measure."""
    found = lines(comparison, measures)
    verdicts = comparison.verdicts()
    rows = [["policy", *(str(line.head) for line in found), "verdict"]]
    rows.append(["---", *("---:" for _ in found), "---"])
    for i, policy in enumerate(comparison.policies):
        cells = [line.cells[i] + r" \*" * line.marks[i] for line in found]
        rows.append([in_markdown(policy), *cells, verdicts[policy]])
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    told = meaning(comparison, r"\*", in_markdown)
    return f"{text}\n\n{told}\n"


def latex(comparison: Comparison, measures: Sequence[str]) -> str:
    r"""A tabular for LaTeX, which needs \usepackage{booktabs}: a row a policy, a column a measure."""
    found = lines(comparison, measures)
    verdicts = comparison.verdicts()
    heads = [["policy", *(escaped(line.head.name) for line in found), "verdict"]]
    heads.append(["", *(f"({escaped(line.head.unit)})" if line.head.unit else "" for line in found), ""])
    body = []
    for i, policy in enumerate(comparison.policies):
        cells = (line.cells[i].replace("±", r"\pm") for line in found)
        marked = zip(cells, (line.marks[i] for line in found), strict=True)
        body.append(
            [
                escaped(policy),
                *(f"${text}{'^{*}' * mark}$" if text != "-" else "--" for text, mark in marked),
                verdicts[policy],
            ]
        )
    rows = [" & ".join(row) + r" \\" for row in (*heads, *body)]
    return "\n".join(
        (
            f"% {meaning(comparison)}",
            rf"\begin{{tabular}}{{l{'r' * len(found)}l}}",
            r"\toprule", *rows[:2], r"\midrule", *rows[2:], r"\bottomrule",
            r"\end{tabular}",
            "",
        )
    )  # fmt: skip


def escaped(text: str) -> str:
    """Text as LaTeX has it."""
    return "".join(ESCAPED.get(letter, letter) for letter in printable(text))


def in_markdown(text: str) -> str:
    """Text as Markdown has it: no markup of its own, and no HTML."""
    return "".join(IN_MARKDOWN.get(letter, letter) for letter in printable(text))
