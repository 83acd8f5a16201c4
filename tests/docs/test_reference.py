"""The reference says all that there is, once, and nothing else: names, commands, keys, policies, columns."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pytest
from public_names import own, public_names, thing

import mdisim
from mdisim import bounds, metrics
from mdisim.cli import program
from mdisim.experiments.comparison import MEASURES
from mdisim.experiments.judging import Care
from mdisim.experiments.written import unit_of
from mdisim.planners import FAMILIES, RECIPES

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference"
DIRECTIVE = re.compile(r"^\.\. auto(\w+):: (\S+)\n((?:   :.*\n)*)", re.MULTILINE)


def documented_names() -> Iterator[str]:
    for path in sorted(REFERENCE.rglob("*.md")):
        for kind, name, options in DIRECTIVE.findall(path.read_text(encoding="utf-8")):
            if kind != "module":
                yield name
            elif ":no-members:" not in options:
                left_out = re.findall(r":exclude-members: (.*)", options)
                names = {one.strip() for text in left_out for one in text.split(",")}
                yield from (f"{name}.{one}" for one in own(importlib.import_module(name)) if one not in names)


def test_every_public_name_is_documented_once():
    told = Counter(thing(name) for name in documented_names())
    assert [name for name in public_names() if not told[thing(name)]] == []
    assert [name for name, times in told.items() if times > 1] == []


def test_every_field_of_a_view_is_told():
    text = (REFERENCE / "python" / "policies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[\w`, ]+`) \| ([\w, ]+) \|", text, re.MULTILINE)
    told = {
        (view, name) for names, views in rows for name in re.findall(r"\w+", names) for view in views.split(", ")
    }
    made = (mdisim.policies.Here, mdisim.policies.Peer, mdisim.policies.Load, mdisim.policies.Place)
    made += (mdisim.policies.Task, mdisim.policies.Knobs, mdisim.policies.Seen, mdisim.policies.Outcome)
    assert told == {(view.__name__, name) for view in made for name in view._fields}


# --- commands


def commands(group: click.Group, name: str = "mdisim") -> Iterator[str]:
    for called, command in group.commands.items():
        yield f"{name} {called}"
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {called}")


def test_every_command_has_its_section():
    text = "".join(path.read_text(encoding="utf-8") for path in (REFERENCE / "command-line").glob("*.md"))
    told = re.findall(r"^\.\. click:: (\S+):(\S+)\n   :prog: (.*)\n(   :nested: full)?", text, re.MULTILINE)
    sections = [name for _, _, name, _ in told]
    for module, attribute, name, nested in told:
        command: Any = getattr(importlib.import_module(module), attribute)
        if nested:
            sections += commands(command, name)
    assert sorted(sections) == sorted(commands(program))


# --- scenarios and policies: what the directives write, without Sphinx


@pytest.fixture
def written(monkeypatch):
    pytest.importorskip("sphinx", reason="the directives need Sphinx: pip install 'mdisim[docs]'")
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    yield importlib.import_module("reference_pages")
    for name in [name for name in sys.modules if name.partition(".")[0] == "reference_pages"]:
        del sys.modules[name]


def test_every_section_and_key_of_a_scenario_is_told(written):
    schema = mdisim.Scenario.schema()
    text = (REFERENCE / "scenario.md").read_text(encoding="utf-8")
    told = [name for names in re.findall(r"```\{scenario-keys\} (.*)", text) for name in names.split()]
    assert sorted(told) == sorted({"Scenario", *schema["$defs"]} - {"Policy"})
    for names in re.findall(r"```\{scenario-keys\} (.*)", text):
        made = written.scenario_keys.sections(*names.split())
        for name in names.split():
            for key, stated in written.scenario_keys.section(name).get("properties", {}).items():
                assert f"| `{key}` |" in made or f"`{key}: {stated.get('const')}`" in made, (name, key)


def test_every_key_says_what_it_means():
    schema = mdisim.Scenario.schema()
    sections = {name: one for name, one in schema["$defs"].items() if name != "Policy"} | {"": schema}
    silent = [
        f"{name}.{key}"
        for name, one in sections.items()
        for key, stated in one.get("properties", {}).items()
        if "description" not in stated and "const" not in stated
    ]
    assert silent == []


def test_every_policy_and_parameter_is_told(written):
    pages = {path.stem for path in (REFERENCE / "policies").glob("*.md")}
    assert pages == set(FAMILIES)
    assert sorted(name for names in FAMILIES.values() for name in names) == sorted(RECIPES)
    for family, names in FAMILIES.items():
        assert f"```{{policy-family}} {family}\n" in (REFERENCE / "policies" / f"{family}.md").read_text()
        made = written.named_policies.family(family)
        assert all(f"## {name}\n" in made for name in names)
        for name in names:
            assert all(f"| `{one.name}` |" in made for one in mdisim.policies.parameters(RECIPES[name]))


def test_words_for_what_a_schema_may_say(written):
    value = written.scenario_keys.value
    assert value({"type": "integer", "minimum": 1, "maximum": 9}) == "whole number ≥ 1 and ≤ 9"
    assert value({"anyOf": [{"type": "boolean"}, {"type": "null"}]}) == "`true` or `false`"
    assert value({"type": "array", "items": {"enum": ["a", "b"]}}) == "list: `a` or `b`"
    with pytest.raises(ValueError, match="no words"):
        value({"type": "null"})
    assert written.markdown.table(("a", "b"), [("x|y", "two\nlines")]).endswith("| x\\|y | two lines |\n")
    assert written.markdown.plain("T_e of `T_e`") == "T\\_e of `T_e`"


# --- results: the tables of the page against those of a run

KINDS = {"text": "OUSV", "integer": "iu", "number": "f", "true/false": "b"}
UNITS = {"%": "share", "/s": "1/s", "bit/s": "bit/s", "B": "bytes", "s": "s", "J": "J"}  # of a name's ending
WITHOUT_ENDING = {"", "share", "score", "index", "text", "bytes", "samples", "tasks", "layers"}
NAME = re.compile(r"`(\w+)`")


def page() -> str:
    return (REFERENCE / "results.md").read_text(encoding="utf-8")


def tables_told() -> dict[str, dict[str, str]]:
    """For each section of the page, the first two columns of its table of three."""
    found: dict[str, dict[str, str]] = {}
    for part in re.split(r"^##+ ", page(), flags=re.MULTILINE)[1:]:
        rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| \S", part, re.MULTILINE)
        found[part.partition("\n")[0]] = {name: kind.strip() for name, kind in rows}
    return found


SHORT = ("run.duration=2 s", "run.warmup=500 ms")


def section_of(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0].partition("\n### ")[0]


@pytest.fixture(scope="module")
def run():
    return mdisim.simulate(mdisim.Scenario.load("faults-5-mesh", SHORT), record=True)


@pytest.mark.parametrize("name", ["tasks", "timeline", "devices", "links", "sources", "rates", "faults", "events"])
def test_columns_told_are_those_of_a_run(run, name):
    told, table = tables_told()[name], getattr(run, name)
    assert list(told) == list(table.columns)
    for column, words in told.items():
        assert table[column].dtype.kind in KINDS[words.partition(",")[0]], (column, words, table[column].dtype)


def test_measures_told_are_those_of_a_summary(run):
    told = [name for name in tables_told()["Measures"] if name != "exit_K_share"]
    summary = [name for name in metrics.summary(run) if not re.fullmatch(r"exit_\d_share", name)]
    assert told == [*summary, *bounds.MEASURES]


def test_units_told_are_those_that_names_end_in():
    for title, rows in tables_told().items():
        for name, words in rows.items():
            told = words if title == "Measures" else words.partition(", ")[2]
            unit = unit_of(name)
            assert told == UNITS[unit] if unit else told in WITHOUT_ENDING, (title, name)


DIRECTORIES = {
    "run": "A run",
    "comparison": "A comparison",
    "sweep": "A sweep",
    "search": "A search",
    "tuning": "A tuning",
}
TARGET = "latency_p95_s"


@pytest.fixture(scope="module")
def kept(run, tmp_path_factory):
    """A directory of each kind."""
    pytest.importorskip("optuna", reason="to tune needs Optuna: pip install 'mdisim[tune]'")
    out, scenario = tmp_path_factory.mktemp("kept"), mdisim.Scenario.load("device-edge-cloud", SHORT)
    run.save(out / "run")
    mdisim.compare(scenario, ["local"], [0]).save(out / "comparison")
    grid = {"policy.exit_threshold": [0.8]}
    mdisim.sweep(scenario, grid=grid, seeds=1, jobs=1, out=out / "sweep", keep_runs=True)
    care = Care(batch=2, most=2, tolerance=0.5)
    mdisim.search_rate(scenario, "local", f"{TARGET} <= 2 s", care=care, jobs=1).save(out / "search")
    asked = {"parameters": {"exit_threshold": (0.5, 0.9)}, "minimise": TARGET, "trials": 1}
    mdisim.tune(scenario, "mdi-exit", **asked, seeds=1, fresh=1, jobs=1, out=out / "tuning")
    return out


@pytest.mark.parametrize(("folder", "title"), DIRECTORIES.items())
def test_files_told_are_those_of_directories(kept, folder, title):
    stated = section_of(page(), "Every directory") + section_of(page(), title)
    told = re.findall(r"^\| `([\w.]+[./]\w*)` \|", stated, re.MULTILINE)
    there = {path.name + ("/" if path.is_dir() else "") for path in (kept / folder).iterdir()}
    assert there ^ set(told) <= {"timeline.json.gz", "inputs/"}  # where events are recorded, where files are named


def in_words(file: str) -> set[str]:
    """The columns or keys that the row of a file names, such as search/points.parquet."""
    folder, _, name = file.partition("/")
    row = re.search(rf"^\| `{name}` \| (.*) \|$", section_of(page(), DIRECTORIES[folder]), re.MULTILINE)
    return set(NAME.findall(row[1]))


def listed(title: str, head: str) -> set[str]:
    """The names in the first column of a section's table under such a head."""
    table = section_of(page(), title).partition(f"\n| {head} |")[2].partition("\n\n")[0]
    return {name for names in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for name in NAME.findall(names)}


def test_columns_told_in_words_are_those_of_tables(kept, run):
    measures = {*metrics.names(run.n_exits), "verdict"}
    more = {
        "comparison/summary.parquet": measures | {*bounds.MEASURES},
        "sweep/plan.parquet": {"policy.exit_threshold"},
        "search/points.parquet": {TARGET},
        "search/runs.parquet": measures,
        "tuning/trials.parquet": {"exit_threshold"},
    }
    for file, others in more.items():
        columns = pd.read_parquet(kept / file).columns
        assert in_words(file) | others == {name.removeprefix(TARGET) or TARGET for name in columns}, file
    swept = {*listed("A sweep", "Column")} - {"PATH"} | measures | {"policy.exit_threshold"}
    assert swept == set(pd.read_parquet(kept / "sweep" / "summary.parquet").columns)


def test_keys_told_are_those_of_files(kept):
    for file in ("search/search.json", "tuning/tuning.json"):
        assert in_words(file) == set(json.loads((kept / file).read_text())), file
    for row in json.loads((kept / "tuning" / "tuning.json").read_text())["scores"]:
        assert listed("A tuning", "Score") == set(row)
    estimates = {name.replace("MEASURE", one) for name in listed("A comparison", "Estimate") for one in MEASURES}
    for row in json.loads((kept / "comparison" / "table.json").read_text()):
        assert in_words("comparison/table.json") | estimates == set(row)
