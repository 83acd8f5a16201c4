"""Pages tell what the results hold, in HTML that needs nothing beside itself."""

import re
from base64 import b64decode
from dataclasses import replace
from functools import cache
from importlib.resources import files

import page_runs
import pandas as pd
import pytest
from page_runs import Reader

from mdisim import Sweep
from mdisim.report import page
from mdisim.report.pages.sweeps import lined

SECTIONS = ["setting", "verdicts", "tables", "figures", "provenance"]
KINDS = ["run", "comparison", "sweep"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    swept = page_runs.sweep(tmp_path_factory.mktemp("pages") / "sweep")
    return {"run": page_runs.run(), "comparison": page_runs.comparison(), "sweep": swept}


@pytest.fixture(scope="module")
def pages(results):
    return cache(lambda kind: page(results[kind]))


@pytest.fixture
def read(pages):
    return lambda kind: Reader(pages(kind))


def shown(text):
    """The number in a cell, and half a unit of its last place."""
    number = text.split(" ")[0].replace("−", "-")
    return float(number), 0.501 * 10.0 ** -len(number.partition(".")[2])


def agree(cell, value):
    number, half = shown(cell)
    return number == pytest.approx(value, abs=half)


@pytest.fixture
def plain(monkeypatch):
    page_runs.without_figures(monkeypatch)


# --- facts


def test_a_run_has_the_measures_of_its_summary(results, read):
    rows = {name: (value, unit) for name, value, unit in read("run").tables["Measures"][1:]}
    summary = results["run"].summary()
    for name, measure, factor in (("throughput", "throughput_per_s", 1.0), ("accuracy", "accuracy", 100.0)):
        assert agree(rows[name][0], factor * summary[measure])
    in_s = {"s": 1.0, "ms": 1e3}[rows["latency p95"][1]]
    assert agree(rows["latency p95"][0], in_s * summary["latency_p95_s"])


def test_a_run_has_its_devices_links_and_exits(results, read):
    run, tables = results["run"], read("run").tables
    assert [row[0] for row in tables["Devices"][1:]] == run.devices["device"].tolist()
    assert [row[0] for row in tables["Links"][1:]] == run.links["link"].tolist()
    for row, busy in zip(tables["Devices"][1:], run.devices["utilisation"], strict=True):
        assert agree(row[2], 100.0 * busy)
    assert sum(float(row[1]) for row in tables["Exits"][1:]) == pytest.approx(100.0, abs=0.1)


def test_a_comparison_has_its_means_halves_and_marks(results, read):
    compared, rows = results["comparison"], read("comparison").tables["Measures"]
    at = rows[0].index("throughput (/s)")
    table = compared.table(["throughput_per_s"])["throughput_per_s"]
    for row, (label, known) in zip(rows[1:], table.iterrows(), strict=True):
        mean, half = row[at].removesuffix(" *").split(" ± ")
        assert row[0] == label
        assert agree(mean, known["mean"])
        assert agree(half, known["high"] - known["mean"])
        assert row[at].endswith("*") == (known["difference_p"] < 0.05)


def test_a_comparison_has_the_differences_to_the_first_policy(results, read):
    rows = read("comparison").tables["Differences to mdi-exit"]
    table = results["comparison"].table(["accuracy"])["accuracy"]
    at = rows[0].index("accuracy (%)")
    assert [row[0] for row in rows[1:]] == ["local", "ddi"]
    for row in rows[1:]:
        assert agree(row[at], 100.0 * table.loc[row[0], "difference"])


def test_a_comparison_has_each_share_of_the_bound(results, read):
    rows, compared = read("comparison").tables["Bounds"], results["comparison"]
    at = rows[0].index("throughput bound share (%)")
    means = compared.runs.groupby("policy")["throughput_bound_share"].mean()
    for row in rows[1:]:
        assert agree(row[at], 100.0 * means[row[0]])


def test_all_other_measures_of_a_comparison_are_there_too(results, read):
    rows, runs = read("comparison").tables["Further measures"], results["comparison"].runs
    assert rows[0] == ["measure", "mdi-exit", "local", "ddi"]
    goodput = next(row for row in rows if row[0] == "goodput (/s)")
    means = runs.groupby("policy")["goodput_per_s"].mean()
    assert all(agree(cell, means[label]) for label, cell in zip(rows[0][1:], goodput[1:], strict=True))


def test_a_sweep_has_a_row_for_each_point_and_policy(results, read):
    rows, table = read("sweep").tables["Measures"], results["sweep"].table()
    at = rows[0].index("throughput (/s)")
    assert len(rows) - 1 == len(table)
    for row, known in zip(rows[1:], table.to_dict("records"), strict=True):
        assert row[:3] == [f"{known['policy.exit_threshold']:g}", known["policy"], str(known["seeds"])]
        assert agree(row[at], known["throughput_per_s"])


@pytest.mark.parametrize("kind", KINDS)
def test_verdicts_and_the_digest_of_the_scenario_are_there(kind, results, read):
    text = " ".join(read(kind).text)
    assert re.search(r"\b(stable|backlogged|overloaded)\b", text)
    if kind != "sweep":
        assert results[kind].origin.digest in text


def test_a_sweep_that_was_kept_tells_how_it_was_made(results, read):
    text = "".join(read("sweep").text)
    assert "mdisim sweep device-edge-cloud" in text
    assert (results["sweep"].directory / "resolved.yaml").read_text() in text
    assert pd.__version__ in text


# --- warnings

bare = pytest.mark.usefixtures("plain")


def told(results):
    found = re.search(r'<ul class="warnings">(.*?)</ul>', page(results), re.DOTALL)
    return re.findall(r"<li>(.*?)</li>", found[1]) if found else []


@bare
def test_too_few_seeds_are_a_warning():
    compared = page_runs.comparison()
    calm = replace(compared, runs=compared.runs.assign(verdict="stable"), warnings=(), origin=None)
    assert told(calm) == []
    few = told(replace(calm, runs=calm.runs[calm.runs["seed"] < 3]))
    assert few == ["Only 3 seeds: the intervals are wide and themselves unsure; 5 seeds or more would do."]
    assert told(replace(calm, runs=calm.runs[calm.runs["seed"] < 1]))[0].startswith("One seed: no interval")


@bare
def test_overload_and_what_the_comparison_says_are_warnings():
    compared = replace(page_runs.comparison(), origin=None)
    runs = compared.runs.assign(
        verdict=["overloaded" if p == "local" else "stable" for p in compared.runs["policy"]]
    )
    found = told(replace(compared, runs=runs, warnings=("ddi: the warm-up of 1 s may be too short",)))
    assert found[0] == "ddi: the warm-up of 1 s may be too short."
    assert found[1].startswith("local is overloaded")
    assert len(found) == 2


@bare
def test_a_run_without_samples_is_a_warning():
    base = page_runs.run()
    text = page(replace(base, tasks=base.tasks.iloc[:0], origin=None))
    assert re.search(r'<td class="[^"]*no-samples">no samples</td>', text)
    assert f"{base.policy} has no samples: none was born in the window" in text


@bare
def test_a_run_warns_of_a_warm_up_that_is_too_short():
    base = page_runs.run()
    tasks = pd.DataFrame({"admitted_s": [0.1 * i for i in range(600)]})
    stay_s = tasks["admitted_s"].map(lambda born: 9.0 if born < 10.0 else 1.0)
    tasks = tasks.assign(born_s=tasks["admitted_s"], done_s=tasks["admitted_s"] + stay_s, status="answered")
    columns = {name: 0 for name in base.tasks if name not in tasks} | {"source": base.sources["source"].iloc[0]}
    run = replace(base, tasks=tasks.assign(**columns), duration_s=60.0, warmup_s=1.0, origin=None)
    assert any("The warm-up of 1 s may be too short" in warning for warning in told(run))


@bare
def test_failed_and_pending_runs_of_a_sweep_are_told(results):
    swept = results["sweep"]
    runs = swept.runs.assign(
        status=["failed", "pending", *["done"] * 6], message=["no <route> to d9", *[""] * 7], verdict="stable"
    )
    text = page(Sweep(runs, swept.units))
    assert "1 of 8 runs failed" in text
    assert "1 of 8 runs are not done yet" in text
    assert Reader(text).tables["Failures"][1:] == [["no <route> to d9", "1"]]


@bare
def test_a_sweep_of_which_nothing_is_done_has_a_page(results):
    swept = results["sweep"]
    plan = swept.runs[["point", *swept.paths, "policy", "seed"]].assign(status="pending")
    assert "No run is done yet" in page(Sweep(plan, swept.units))


# --- lines of a sweep


def grid(**paths):
    table = pd.MultiIndex.from_product(paths.values(), names=paths).to_frame(index=False)
    return table.assign(policy="p", seed=0, point=range(len(table)), status="done")


def test_lines_go_along_the_first_path_and_are_told_apart_by_the_others():
    path, rows, note = lined(grid(a=[1, 2, 3], b=["x", "y"]), ("a", "b"))
    assert (path, note) == ("a", "")
    assert sorted(rows["policy"].unique()) == ["p, b x", "p, b y"]


def test_where_lines_were_too_many_those_of_one_point_are_left():
    path, rows, note = lined(grid(a=[1, 2], b=range(9)), ("a", "b"))
    assert (path, len(rows)) == ("a", 2)
    assert note == "Only the points with b 0 are drawn."


def test_lines_go_along_a_path_of_which_no_value_comes_twice():
    rows = grid(a=[1, 1, 2]).assign(b=[0.1, 0.2, 0.3])
    assert lined(rows, ("a", "b"))[0] == "b"
    assert lined(rows, ())[0] is None


# --- the HTML


@pytest.mark.parametrize("kind", KINDS)
def test_elements_nest_and_every_section_is_there(kind, read):
    found = read(kind)
    assert [a["id"] for a in found.of("section")] == SECTIONS
    assert len(found.of("h1")) == 1
    assert [len(found.of(name)) for name in ("main", "header", "nav")] == [1, 1, 1]
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for _, a in found.elements if "aria-labelledby" in a} <= set(ids)
    assert {a["href"] for a in found.of("a")} == {f"#{name}" for name in SECTIONS}


@pytest.mark.parametrize("kind", KINDS)
def test_tables_have_heads_and_figures_say_what_they_show(kind, read):
    found = read(kind)
    assert {a.get("scope") for a in found.of("th")} == {"col", "row"}
    assert all(len(a["alt"]) > 30 for a in found.of("img"))
    assert len(found.of("img")) == len(found.of("figure")) >= 4
    for rows in found.tables.values():
        assert {len(row) for row in rows} == {len(rows[0])}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_fetched(kind, pages, read):
    found = read(kind)
    addresses = [a[name] for _, a in found.elements for name in ("src", "srcset", "href") if name in a]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not {"script", "iframe", "object", "base"} & {tag for tag, _ in found.elements}
    assert "url(" not in pages(kind)
    assert "@import" not in pages(kind)
    for address in (a["src"] for a in found.of("img")):
        drawing = b64decode(address.partition("base64,")[2]).decode()
        assert all(where.startswith("#") for where in re.findall(r'href="([^"]*)"', drawing))


@bare
def test_what_stands_in_files_is_text():
    name, label = "<script>alert(1)</script>", 'a <b> & "c"'
    compared = page_runs.comparison()
    origin = replace(compared.origin, name=name, given=f"# {name}\n", overrides=(name,))
    runs = compared.runs.assign(policy=compared.runs["policy"].replace("ddi", label))
    policies = {label if known == "ddi" else known: of for known, of in compared.policies.items()}
    text = page(replace(compared, runs=runs, policies=policies, origin=origin, warnings=(name,)))
    found = Reader(text)
    assert found.of("script") == found.of("b") == []
    assert "".join(found.text).count(name) >= 4
    assert label in [row[0] for row in found.tables["Measures"]]


@bare
def test_a_scenario_that_cannot_be_read_here_costs_the_picture_of_its_network():
    compared = page_runs.comparison(1)
    text = page(replace(compared, origin=replace(compared.origin, resolved="profile: /nowhere/at-all.npz\n")))
    assert "The network is not drawn" in text
    assert "profile: /nowhere/at-all.npz" in text


def test_equal_results_give_equal_pages(results, pages):
    assert page(results["comparison"]) == pages("comparison")


# --- the colours


def contrast(one, other):
    """Of two colours, as WCAG 2 defines it."""
    lights = []
    for colour in (one, other):
        parts = [int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_all_letters_stand_out():
    style = (files("mdisim.report.pages") / "page.css").read_text()
    schemes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", scheme))
        for back, letters in (("paper", "ink pale link good doubt bad"), ("soft", "ink pale good doubt bad"),
                              ("warn", "ink")):  # fmt: skip
            for name in letters.split():
                assert contrast(colours[back], colours[name]) >= 4.5, f"{name} on {back}"
