"""What the documents tell people to type is typed here: each from top to bottom, in an empty folder of its own.

Lines of `sh` blocks that begin with `mdisim` are run. Blocks of `python`, `yaml`, `csv` and `toml` with a first
line that is a comment with a file's name and no more are written to that file. Other blocks of `python` are run,
each by itself; those that are written must compile. Blocks of `yaml` are scenarios and must load, with what was
written before them; `text` is to be looked at. What cannot be run stands under a comment `<!-- not run: why -->`.
Of commands that are not run, also in the text of notebooks, names and options must exist. A document's first line
is its budget: seconds of processor time.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt

from mdisim.cli import main, program
from mdisim.scenario import Scenario

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "traces/README.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SET_UP = (
    "python3 -m venv ",
    "pip install ",
    "source .venv/bin/activate",
    "git clone ",
    ".ci/run",
    ".ci/nightly",
    "cd mdisim",
)
NAMED = re.compile(r"# ([\w-]+\.\w+)\n")
BUDGET = re.compile(r"<!-- budget: (\d+) s -->\n")
NOT_RUN = re.compile(r"<!-- not run: \S.* -->\n")
LOOKED_AT = ("text", "bibtex", "json")  # and directives of the site


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, where it stands, and whether it is excused from being run."""

    language: str
    text: str
    line: int
    excused: bool


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block, in order; code that is only indented has no language, so nobody could test it."""
    excused = False
    for token in MarkdownIt("commonmark").parse(text):
        assert token.type != "code_block", f"line {token.map[0] + 1}: indented code; a fence would do"
        if token.type == "fence":
            yield Block(token.info.strip(), token.content, token.map[0] + 1, excused)
        if token.type in ("html_block", "fence"):
            excused = bool(NOT_RUN.fullmatch(token.content))


def lines(text: str) -> Iterator[str]:
    """Every command of a block of `sh`, without its comment; a backslash at the end goes on in the next line."""
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split(" # ")[0].strip()
        if words and not words.startswith("#"):
            yield words.removeprefix(".venv/bin/")


def types(command: str) -> None:
    """Do what a reader would, or make sure that it can be done."""
    if command.startswith("mdisim "):
        words = shlex.split(command)[1:]
        expanded = [str(p) for word in words for p in (sorted(Path().glob(word)) if "*" in word else [word])]
        assert main(expanded) == 0, command
    elif command.startswith("make "):
        assert set(command.split()[1:]) <= TARGETS, command
    elif command.startswith("python benchmarks/"):
        assert options(command.split()[2:]) <= options_of(ROOT / command.split()[1]), command
    else:
        assert command.removeprefix("python -m ").startswith((*SET_UP, "pytest")), f"who runs this? {command}"
        assert all((ROOT / file).is_file() for file in re.findall(r" -r (\S+)", command)), command


def options(words: list[str]) -> set[str]:
    return {word.split("=")[0] for word in words if word.startswith("--")}


def options_of(benchmark: Path) -> set[str]:
    """The options that a benchmark's parser is given."""
    sources = [benchmark.read_text(), *(path.read_text() for path in benchmark.parent.glob("*.py"))]
    return set(re.findall(r"\"(--[\w-]+)\"", "\n".join(sources[:1] if "add_argument" in sources[0] else sources)))


def looked_at(block: Block) -> bool:
    return block.language in LOOKED_AT or block.language.startswith("{")


def shows(block: Block, origin: str) -> None:
    """Use one block as a reader would."""
    named = NAMED.match(block.text)
    if block.language in ("python", "yaml", "csv", "toml") and named:
        Path(named[1]).write_text(block.text[named.end() :] if block.language == "csv" else block.text)
        if block.language == "python":
            compile(block.text, named[1], "exec")
        elif block.language == "yaml":
            assert Scenario.load(named[1], allow_code=True).build().n_exits > 0
    elif block.language == "sh":
        for command in lines(block.text):
            types(command)
    elif block.language == "python":
        script = Path("block.py")
        script.write_text(block.text)
        runpy.run_path(str(script))
    elif block.language == "yaml":
        assert Scenario.from_text(block.text, origin=origin).build().n_exits > 0
    else:
        raise AssertionError(f"a block of {block.language!r}: nobody tests such")


def spent_s() -> float:
    """Processor time of this process and of those that it has waited for, in s."""
    return sum(os.times()[:4])


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_works_as_it_says(path, tmp_path, monkeypatch, capsys):
    text = path.read_text()
    todo = [block for block in blocks(text) if not (block.excused or looked_at(block))]
    budget = BUDGET.match(text)
    assert bool(todo) == bool(budget), "a document with blocks begins with its budget, one without does not"
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    modules, begun_s = set(sys.modules), spent_s()
    for block in todo:
        try:
            shows(block, name(path))
        except Exception as error:
            raise AssertionError(f"{name(path)}:{block.line}: {error}\n{capsys.readouterr().err}") from error
    for module in set(sys.modules) - modules:
        if str(getattr(sys.modules[module], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[module]  # the next document may have a file of the same name
    if budget:
        assert spent_s() - begun_s <= float(budget[1]), "above its budget: shorten what it runs"


def exists(words: list[str]) -> bool:
    """Whether mdisim has such a command with such options."""
    if words[0].isupper():  # such as COMMAND
        return True
    command: click.Command = program
    while words and isinstance(command, click.Group) and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return (command is not program or words[0].startswith("-")) and options(words) <= {
        *known,
        "--help",
        "--version",
    }


def text_of(path: Path) -> str:
    """A document, or the Markdown cells of a notebook."""
    text = path.read_text()
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


@pytest.mark.parametrize("path", [*DOCUMENTS, *NOTEBOOKS], ids=name)
def test_commands_that_are_not_run_exist(path):
    text = text_of(path)
    inline = [child for token in MarkdownIt("commonmark").parse(text) for child in token.children or []]
    said = [token.content for token in inline if token.type == "code_inline"]
    said += [line for block in blocks(text) for line in lines(block.text)]
    assert [line for line in said if line.startswith("mdisim ") and not exists(shlex.split(line)[1:])] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere_and_nothing_is_left_open(path):
    text = path.read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert not re.search(r"@[A-Z]+@", text)


def test_what_readme_types_without_make_is_what_make_does():
    makefile = (ROOT / "Makefile").read_text().replace("$(BIN)/", "").replace("$<", "requirements/dev.txt")
    makefile = makefile.replace("$(PIP)", "python -m pip").replace("$(LOCKED)", "install --require-hashes -r")
    makefile = makefile.replace("$(THIS)", "install --no-deps --no-build-isolation -e .").replace(
        "$(PYTHON)", "python3"
    )
    (typed,) = [block for block in blocks((ROOT / "README.md").read_text()) if "-m venv" in block.text]
    assert [line for line in lines(typed.text) if f"\t{line}\n" not in makefile] == []


def test_there_is_something_to_test():
    found = [block for path in DOCUMENTS for block in blocks(path.read_text())]
    commands = [command for block in found if block.language == "sh" for command in lines(block.text)]
    assert len([command for command in commands if command.startswith("mdisim ")]) > 50
    assert len([block for block in found if block.language == "python"]) > 10
