"""Reports are written whole or not at all, and what cannot be reported is told in one message."""

import json
import subprocess
import sys
from dataclasses import replace

import page_runs
import pytest

from mdisim import ResultsError, cli, folders
from mdisim.report import PageError, save_page


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    compared = replace(page_runs.comparison(1), warnings=())
    return compared.save(tmp_path_factory.mktemp("pages") / "both", command="mdisim compare both")


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    page_runs.without_figures(monkeypatch)


def told(capsys, *arguments):
    code = cli.main(["report", *(str(argument) for argument in arguments)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_report_lies_in_the_directory_of_the_results(saved, capsys):
    code, out, err = told(capsys, saved)
    assert (code, err) == (0, "")
    assert out.strip() == f"written to {saved / 'report.html'}"
    text = (saved / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "mdisim compare both" in text
    assert json.loads((saved / "provenance.json").read_text())["date"] in text
    assert not [path.name for path in saved.iterdir() if path.name.startswith(".")]


def test_it_goes_where_it_is_told_and_replaces_what_is_there(saved, tmp_path, capsys):
    target = tmp_path / "a b.html"
    target.write_text("old")
    assert told(capsys, saved, "--out", target)[0] == 0
    assert target.read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [target]


def test_runs_and_comparisons_in_memory_need_a_path(tmp_path):
    with pytest.raises(PageError, match="the path of a file would do"):
        save_page(page_runs.run())
    path = save_page(page_runs.comparison(1), tmp_path / "report.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no results here"),
        (lambda folder: folder.mkdir(), "no results here"),
        (lambda folder: folder.write_text("x"), "no results here"),
        (lambda folder: kept(folder, kind="tuning"), "holds a tuning, of which there is no report"),
        (lambda folder: kept(folder, kind="run"), "incomplete or damaged"),
        (lambda folder: kept(folder, kind="comparison"), "incomplete or damaged"),
        (lambda folder: kept(folder, kind="sweep", paths=[]), "incomplete or damaged"),
    ],
)
def test_what_is_no_results_is_refused_in_one_message(make, message, tmp_path, capsys):
    folder = tmp_path / "results"
    make(folder)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = told(capsys, folder)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def kept(folder, **facts):
    folder.mkdir()
    stated = {"format": folders.FORMAT, **facts}
    sealed = stated | {folders.CHECKSUM: folders.digest(stated)}
    (folder / "provenance.json").write_text(json.dumps(sealed))


@pytest.mark.parametrize(
    ("name", "message"), [("a.pdf", "this ending would do"), ("no/a.html", "there is no folder")]
)
def test_where_nothing_can_be_written_nothing_is_left(saved, name, message, tmp_path, capsys):
    code, _, err = told(capsys, saved, "--out", tmp_path / name)
    assert code == 2
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_put_in_place_leaves_no_part(saved, tmp_path):
    (tmp_path / "a.html").mkdir()
    with pytest.raises(PageError, match="cannot be written"):
        save_page(saved, tmp_path / "a.html")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_results_that_lost_a_table_leave_the_old_report(saved, tmp_path):
    target = tmp_path / "report.html"
    target.write_text("old")
    with pytest.raises(ResultsError):
        save_page(tmp_path, target)
    assert target.read_text() == "old"


@pytest.mark.parametrize("lacking", ["seaborn", "jinja2"])
def test_without_the_extra_one_message_tells_what_to_install(saved, lacking, tmp_path):
    code = (
        f"import sys; sys.modules['{lacking}'] = None;"
        "from mdisim import cli, folders; sys.exit(cli.main(['report', *sys.argv[1:]]))"
    )
    where = [str(saved), "--out", str(tmp_path / "a.html")]
    done = subprocess.run([sys.executable, "-c", code, *where], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'mdisim[plot]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
