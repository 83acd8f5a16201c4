"""What the documents tell people to type is typed here: commands of mdisim, and blocks of Python."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

from mdisim.cli import main
from mdisim.scenario import Scenario

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "traces" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
NEEDS_A_DATA_SET = "profile build"
TABLE = "label,conf_1,conf_2,pred_1,pred_2\n" + "".join(
    f"{i % 3},0.{5 + i % 5},0.9{i % 7},{i % 2},{i % 3}\n" for i in range(40)
)


def blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for path in DOCUMENTS:
        fences = re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
        found += [(path.name, text) for named, text in fences if named == language]
    return found


def commands() -> list[str]:
    lines = [line for _, text in blocks("") for line in text.splitlines()]
    typed = [line.removeprefix(".venv/bin/") for line in lines]
    return sorted({line for line in typed if line.startswith("mdisim ") and NEEDS_A_DATA_SET not in line})


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", commands())
@pytest.mark.usefixtures("here")
def test_commands_do_what_they_say(command, capsys):
    words = shlex.split(command, comments=True)[1:]
    expanded = [str(p) for word in words for p in (sorted(Path().glob(word)) if "*" in word else [word])]
    assert main(expanded) == 0, capsys.readouterr().err


@pytest.mark.parametrize(("document", "text"), blocks("python"))
@pytest.mark.usefixtures("here")
def test_python_blocks_run(document, text):
    program = Path(document).with_suffix(".py")
    program.write_text(text)
    runpy.run_path(str(program))


@pytest.mark.parametrize(("document", "text"), blocks("yaml"))
def test_scenarios_in_documents_load(document, text):
    assert Scenario.from_text(text, origin=document).build().n_exits > 0


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere_and_nothing_is_left_open(path):
    text = path.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert not re.search(r"@[A-Z]+@", text)


def test_there_is_something_to_test():
    assert len(commands()) >= 8
    assert blocks("python")
