"""Reads results, makes their page and writes it, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from mdisim.errors import InputError
from mdisim.experiments.comparison import Comparison
from mdisim.experiments.sweep.sweep import Sweep
from mdisim.files import need_folder, whole
from mdisim.folders import AnyPath, provenance, reading
from mdisim.metrics import VERDICTS
from mdisim.printable import printable
from mdisim.report.pages import comparisons, runs, sweeps
from mdisim.report.pages.origins import past
from mdisim.report.pages.parts import Body
from mdisim.results import Origin, Run

Results = Run | Comparison | Sweep
KINDS: Mapping[str, type[Run] | type[Comparison] | type[Sweep]] = {
    "run": Run,
    "comparison": Comparison,
    "sweep": Sweep,
}
NAME = "report.html"
ENDINGS = (".html", ".htm")


class PageError(InputError):
    """A report that cannot be made or written; the message says what would do."""


class _Given(NamedTuple):
    """Results, and what is known of where they come from; no facts where they were not read from a directory."""

    results: Results
    origin: Origin | None
    facts: Mapping[str, Any]


def page(results: Results | AnyPath) -> str:
    """Make the report of a run, a comparison or a sweep, as an HTML document that needs nothing beside itself.

    Of a directory the page also has what its provenance tells: the command, the date, versions. Equal results give
    equal pages. Raises a ResultsError where there are no results, a PageError where they are of another kind.
    """
    given = _given(results)
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.from_string(_resource("page.html")).render(
        style=_resource("page.css"),
        body=_body(given.results),
        past=past(given.origin, given.facts),
        verdicts=VERDICTS,
    )
    return printable(text, keep="\n\t")


def save_page(results: Results | AnyPath, path: AnyPath | None = None) -> Path:
    """Write the report of results to a file, and return its path.

    The file is `report.html` in the directory of the results if none is named. It is there whole or not at all; a
    file of that name is replaced. Raises what `page` does, and a PageError where the file cannot be written.
    """
    target = _target(results, path)
    text = page(results)
    with whole(target, PageError) as fresh:
        fresh.write_text(text, encoding="utf-8")
    return target


def _target(results: Results | AnyPath, path: AnyPath | None) -> Path:
    if path is not None:
        target = Path(path)
        if target.suffix.lower() not in ENDINGS:
            raise PageError(f"{target}: a report is written as .html; this ending would do")
        need_folder(target, PageError)
        return target
    folder = results.directory if isinstance(results, Sweep) else results
    if folder is None or isinstance(folder, Run | Comparison):
        raise PageError("these results have no directory of their own; the path of a file would do")
    return Path(folder) / NAME


def _given(results: Results | AnyPath) -> _Given:
    if isinstance(results, Run | Comparison):
        return _Given(results, results.origin, {})
    if isinstance(results, Sweep):
        return _Given(results, *_origin(results.directory)) if results.directory else _Given(results, None, {})
    kind = str(provenance(results).get("kind"))
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise PageError(
            f"{os.fspath(results)}: holds a {kind}, of which there is no report; one of {known} would do"
        )
    return _Given(KINDS[kind].load(results), *_origin(Path(results)))


def _origin(folder: Path) -> tuple[Origin | None, dict[str, Any]]:
    facts = provenance(folder)
    with reading(folder):
        return Origin.read(facts, folder), facts


def _body(results: Results) -> Body:
    if isinstance(results, Run):
        return runs.body(results)
    return comparisons.body(results) if isinstance(results, Comparison) else sweeps.body(results)


def _resource(name: str) -> str:
    return (files("mdisim.report.pages") / name).read_text(encoding="utf-8")
