"""Figures are written whole or not at all, and leave matplotlib as it was."""

import subprocess
import sys

import matplotlib as mpl
import pytest
from made_runs import answers, made_run
from matplotlib.figure import Figure

from mdisim import cli
from mdisim.report import FigureError, look, save, throughput, timeline

STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture
def ax():
    axes = Figure().subplots()
    axes.plot([0, 1], [0, 1])
    return axes


@pytest.mark.parametrize("ending", [*STARTS, "PNG"])
def test_the_ending_tells_the_format(ax, tmp_path, ending):
    path = save(ax, tmp_path / f"figure.{ending}")
    assert path.read_bytes().startswith(STARTS[ending.lower()])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", STARTS)
def test_equal_figures_give_equal_files(tmp_path, ending):
    run = made_run(answers((0, 100, 5)), [(40.0, 60.0, "crash", "d1")])
    one, other = (save(throughput(run), tmp_path / f"{i}.{ending}").read_bytes() for i in range(2))
    assert one == other


def test_parts_of_a_figure_stand_for_it(tmp_path):
    upper, _ = Figure().subfigures(2, 1)
    assert save(upper, tmp_path / "a.png").exists()


@pytest.mark.parametrize("name", ["figure", "figure.jpg", "figure.", ".png", ""])
def test_other_endings_are_refused(ax, tmp_path, name):
    with pytest.raises(FigureError, match=r"\.png, \.svg or \.pdf"):
        save(ax, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_nothing_is_left(ax, tmp_path):
    with pytest.raises(FigureError, match="there is no folder"):
        save(ax, tmp_path / "none" / "a.png")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(FigureError, match="cannot be written"):
        save(ax, tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_figure_that_cannot_be_drawn_leaves_the_old_file(ax, tmp_path):
    path = save(ax, tmp_path / "a.png")
    before = path.read_bytes()
    ax.set_title("$no \\such thing$")
    with pytest.raises(ValueError, match="such"):
        save(ax, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_settings_stay_as_they_were():
    before = dict(mpl.rcParams)
    throughput(made_run(answers((0, 100, 5)), [(40.0, 60.0, "crash", "d1")]))
    with look():
        assert dict(mpl.rcParams) != before
    assert dict(mpl.rcParams) == before


def test_figures_open_no_window_and_are_not_kept():
    from matplotlib import pyplot

    timeline(made_run())
    assert pyplot.get_fignums() == []


def test_without_the_extra_one_message_tells_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['seaborn', 'matplotlib']));"
        "from mdisim import cli; sys.exit(cli.main(['run', 'mdi-exit-local', *sys.argv[1:]]))"
    )
    where = ["--plot", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *where], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'mdisim[plot]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


# --- on the command line


def told(capsys, *arguments):
    code = cli.main([str(argument) for argument in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_check_draws_the_network(tmp_path, capsys):
    code, out, err = told(capsys, "check", "mdi-exit-5-mesh", "--plot", tmp_path / "mesh.svg")
    assert (code, err) == (0, "")
    assert "no issues found" in out
    assert (tmp_path / "mesh.svg").read_bytes().startswith(b"<?xml")


def test_check_draws_one_network_only(tmp_path, capsys):
    code, _, err = told(capsys, "check", "mdi-exit-5-mesh", "mdi-exit-2-node", "--plot", tmp_path / "mesh.svg")
    assert code == 2
    assert "name one" in err
    assert list(tmp_path.iterdir()) == []


def test_run_draws_its_timeline_and_tells_of_faults(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = ("--set", "run.duration=20 s", "--set", "run.warmup=2 s", "--out", "out")
    fault = ("--set", "faults.events=[{kind: crash, device: worker-1, at: 5 s, for: 5 s}]")
    code, out, err = told(capsys, "run", "mdi-exit-5-mesh", *short, *fault, "--plot", "run.png")
    assert (code, err) == (0, "")
    assert "worker-1: crash" in out
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("seeds", ["1", "2"])
def test_compare_draws_its_policies_and_runs_nothing_for_it(tmp_path, capsys, monkeypatch, seeds):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mdisim.experiments.prepare.Ground.run", None)
    short = (
        "--seeds",
        seeds,
        "--jobs",
        "1",
        "--set",
        "run.duration=20 s",
        "--set",
        "run.warmup=2 s",
        "--out",
        "out",
    )
    code, _, err = told(capsys, "compare", "mdi-exit-2-node", *short, "--plot", "both.svg")
    assert (code, err) == (0, "")
    assert (tmp_path / "both.svg").exists()


def test_names_with_dollars_are_names(tmp_path):
    runs = {"$1^$": made_run(), "$\\no$": made_run()}
    assert save(timeline(runs), tmp_path / "a.svg").exists()


def test_run_refuses_a_figure_before_it_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run.jpg", "none/run.png"):
        code, _, err = told(capsys, "run", "mdi-exit-5-mesh", "--plot", name)
        assert code == 2
        assert name in err
    assert list(tmp_path.iterdir()) == []
