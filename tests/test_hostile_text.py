"""Text that somebody else wrote reaches no terminal, table or page as anything but text."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from worlds import SCENARIO, scenario_file

import mdisim
from mdisim import cli
from mdisim.experiments.comparison import Comparison
from mdisim.printable import is_printable, printable, unseen
from mdisim.profiles import read, write
from mdisim.report.pages import page
from mdisim.scenario.yamlio import compose, dump

HOSTILE = "\x1b]0;pwned\x07\x1b[31mRED\x9b2J\u202egnp.exe\u2066\x7f\r"
ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}


def odd(text):
    return {one for one in text if not is_printable(one)} - {"\n"}


# --- one function makes text safe, and one module writes


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(HOSTILE + "\ud800")))
def test_what_is_not_seen_is_written_out_and_the_rest_stays(text):
    made = printable(text)
    assert odd(made) == set()
    assert "\n" not in made
    assert made == text or unseen(text)
    assert printable(made) == made
    assert printable(text, "\n").count("\n") == text.count("\n")


def test_escapes_are_those_of_python():
    assert printable("a\x1b[31mµ ±\u202e\n😀\ud800") == r"a\x1b[31mµ ±\u202e\n😀\ud800"


def test_no_other_module_of_the_command_line_writes():
    writers = {"echo", "secho", "print", "print_json", "Console", "Progress"}
    for path in (Path(mdisim.__file__).parent / "cli").glob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        found = {getattr(call, "attr", getattr(call, "id", "")) for call in calls} & writers
        assert path.name == "output.py" or not found, path


# --- commands


@pytest.fixture
def scene(tmp_path, monkeypatch):
    scenario_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *arguments):
    code = cli.main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert odd(out + err) == set()
    return code, out, err


def test_a_label_that_a_terminal_would_obey_is_an_issue(scene, capsys):
    quoted = json.dumps(HOSTILE)
    code, _, err = said(capsys, "check", "two.yaml", "--set", f"policy={{name: local, label: {quoted}}}")
    assert code == 2
    assert "policy.label: " in err
    assert "U+001B" in err


@pytest.mark.parametrize(
    "change",
    [
        ("profile:", f"description: {json.dumps(HOSTILE)}\nprofile:"),
        ("profile:", f"{json.dumps(HOSTILE)}: 1\nprofile:"),
        ("profile: demo.npz", f"profile: {json.dumps(HOSTILE)}"),
        ("kind: poisson", f"kind: {json.dumps(HOSTILE)}"),
        ("profile:", "polcy: \u202ex\nprofile:"),
    ],
    ids=["description", "key", "path", "kind", "the line with the caret"],
)
def test_what_check_says_of_a_file(scene, capsys, change):
    scenario_file(scene, SCENARIO.replace(*change))
    said(capsys, "check", "two.yaml")


def test_names_of_files_and_scenarios(scene, capsys):
    name = f"a{HOSTILE.replace('/', '')}.yaml"
    (scene / "two.yaml").rename(scene / name)
    made = [("check",), ("run",), ("sweep", "--seeds=2", "--jobs=1"), ("report",), ("profiles",), ("policies",),
            ("trace", "stats"), ("calibrate",)]  # fmt: skip
    for command in made:
        said(capsys, *command, name)


def test_words_of_a_profile_and_json_that_reads_back(scene, capsys):
    made = read("demo.npz")
    table = next(iter(made.costs.values()))
    notes = dict.fromkeys(table.kinds, HOSTILE)
    write(replace(made, costs={"stated": replace(table, notes=notes)}, header={"model": HOSTILE}), "odd.npz")
    assert said(capsys, "profiles", "./odd.npz")[0] == 0
    code, out, _ = said(capsys, "profiles", "./odd.npz", "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert row["model"] == HOSTILE


def test_a_fault_of_the_program_keeps_its_traceback_in_plain_text():
    code = (
        "import sys; from mdisim import cli\n"
        "class Odd(Exception): pass\n"
        f"def odd(*_, **__): raise Odd({HOSTILE!r})\n"
        "cli.program.main = odd; sys.exit(cli.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert r"\x1b]0;pwned" in done.stderr
    assert odd(done.stderr) == set()


# --- exports


def comparison(*labels):
    rows = [
        {"policy": label, "seed": seed, "delay_s": seed + i, "verdict": "stable"}
        for i, label in enumerate(labels)
        for seed in range(2)
    ]
    return Comparison(
        pd.DataFrame(rows).astype({"delay_s": float}), {x: {"policy": x, "parameters": {}} for x in labels}
    )


LABELS = (
    "<script>alert(1)</script>", "[me](javascript:alert(1))", "![x](http://x/y.png)", "**bold** _it_ `code`",
    "a|b", "&lt;b&gt;", "\\", "~~gone~~", "line\nbreak " + HOSTILE,
)  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_a_label_in_markdown_is_text_alone(label):
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = html.parse(comparison(label, "local").markdown(["delay_s"]))
    inlines = [token for token in tokens if token.type == "inline"]
    assert {child.type for token in inlines for child in token.children} <= {"text", "text_special", "softbreak"}
    assert [t.type for t in tokens].count("tr_open") == 3
    first = next(token for i, token in enumerate(inlines) if i == 3)  # after the heads of three columns
    assert "".join(child.content for child in first.children) == printable(label)


@pytest.mark.parametrize("label", ["a\n\\input{/etc/passwd}", HOSTILE])
def test_a_label_in_latex_has_no_line_of_its_own(label):
    made = comparison(label, "local").latex(["delay_s"])
    assert len(made.splitlines()) == len(comparison("x", "local").latex(["delay_s"]).splitlines())
    assert odd(made) == set()


@pytest.mark.parametrize("label", LABELS)
def test_a_label_in_a_page_is_text_alone(label):
    made = page(comparison(label, "local"))
    assert odd(made) == set()
    assert "<script>alert" not in made


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(HOSTILE)))
def test_resolved_scenarios_show_what_they_hold(text):
    written = dump({"description": text})
    assert odd(written) == set()
    assert compose(written, "here").data() == {"description": text}


# --- terminals that know no Unicode


@pytest.mark.parametrize(
    "command",
    ["check two.yaml", "run two.yaml", "compare two.yaml --seeds 2", "profiles ./demo.npz --json", "schema"],
)
def test_a_terminal_that_knows_ascii_only(scene, command):
    first = SCENARIO.splitlines()[0]
    scenario_file(scene, SCENARIO.replace(first, "description: 5 µs ± 1 → x"))
    asked = [sys.executable, "-m", "mdisim", *command.split()]
    done = subprocess.run(asked, env=os.environ | ASCII, capture_output=True)
    assert done.returncode == 0, done.stderr
    text = (done.stdout + done.stderr).decode("ascii")
    if command in ("schema", "profiles ./demo.npz --json"):
        json.loads(text)


def test_a_message_on_a_terminal_that_knows_ascii_only(scene):
    asked = [sys.executable, "-m", "mdisim", "check", "µ.yaml"]
    done = subprocess.run(asked, env=os.environ | ASCII | {"PYTHONUTF8": "1"}, capture_output=True)
    assert done.returncode == 2
    assert b"u.yaml" in done.stderr
