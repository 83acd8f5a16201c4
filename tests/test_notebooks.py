"""Every notebook runs from top to bottom, within its budget and its folder, and is stored without outputs.

They are run by `make docs`, for the site, and then not again by `make test`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks are read with nbformat: pip install -e '.[test]'")
pytest.importorskip("nbclient", reason="notebooks are run with nbclient and ipykernel: pip install -e '.[test]'")
pytest.importorskip("ipykernel", reason="notebooks are run with nbclient and ipykernel: pip install -e '.[test]'")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COUNT = 7
LIMIT_S = 600  # by the clock, for a cell that hangs
KEPT = {"kernelspec", "language_info", "mdisim"}  # of a notebook's metadata

# Before the first cell: warnings that our code or a cell causes are errors, those of other packages are not; and
# nothing is written, moved or removed outside the folder of the test, but for what matplotlib keeps of fonts.
STRICT = """
def strict(folder):
    import os, sys, warnings
    from pathlib import Path
    import matplotlib

    homes = [Path(home).resolve() for home in (folder, matplotlib.get_cachedir(), "/dev")]
    first = dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"), (0,))
    changed = first | {"os.rename": (0, 1), "os.link": (0, 1), "os.symlink": (1,)}  # which arguments are paths

    def stay(event, arguments):
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            paths = [Path(os.fsdecode(arguments[0])).resolve()] if not isinstance(arguments[0], int) else []
        else:  # a link is changed itself, not what it leads to
            given = [Path(os.path.abspath(os.fsdecode(arguments[i]))) for i in changed.get(event, ())]
            paths = [path.parent.resolve() / path.name for path in given]
        for path in paths:
            if not any(path.is_relative_to(home) for home in homes):
                raise PermissionError(f"a notebook writes in its own folder, not {path}")

    sys.dont_write_bytecode = True
    sys.addaudithook(stay)
    warnings.filterwarnings("error", module=r"(mdisim|__main__)\\b")


strict(%r)
del strict
"""
# After the last cell: the processor time of the kernel and of the processes that it has waited for.
SPENT = "import os\nprint(sum(os.times()[:4]))"


def each(test):
    return pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)(test)


def read(path):
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


@pytest.mark.site
@each
def test_runs_within_its_budget_and_folder(path, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = read(path)
    budget_s = notebook.metadata["mdisim"]["budget_s"]
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT % str(tmp_path)))
    notebook.cells.append(nbformat.v4.new_code_cell(SPENT))
    resources = {"metadata": {"path": str(work)}}
    NotebookClient(notebook, timeout=LIMIT_S, kernel_name="python3", resources=resources).execute()
    spent_s = float(notebook.cells.pop().outputs[0].text)
    assert spent_s <= budget_s
    if "EXECUTED" in os.environ:  # a folder for what the site shows
        del notebook.cells[0]
        nbformat.write(notebook, Path(os.environ["EXECUTED"]) / path.name)


@each
def test_is_stored_as_nbformat_writes_it_without_outputs(path):
    notebook = read(path)
    assert set(notebook.metadata) == KEPT
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    assert path.read_text(encoding="utf-8") == nbformat.writes(notebook) + "\n"


@each
def test_says_at_first_how_long_it_takes(path):
    told = re.search(r"Takes about (\d+)\s+seconds\.", read(path).cells[0].source)
    assert told
    assert int(told[1]) <= read(path).metadata["mdisim"]["budget_s"] / 2


def test_are_numbered_and_each_is_mentioned():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{number:02}-" for number in range(1, COUNT + 1)]
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in documents)
    assert [path.name for path in NOTEBOOKS if path.name not in text] == []
