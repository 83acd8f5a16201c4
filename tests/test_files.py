"""Files: what is no regular file, or too large, is not read; what a killed process left is removed by the next."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from worlds import scenario_file

from mdisim import cli, files, folders
from mdisim.profiles import ProfileError, import_csv

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@pytest.fixture
def soon():
    """What waits for a pipe, or reads a device without end, fails here."""

    def late(*_):
        raise AssertionError("it waited")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A folder with a scenario, and with a pipe that nobody writes to, under names of every kind."""
    scenario_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("pipe.yaml", "pipe.npz", "pipe.csv", "pipe.toml", "pipe.graphml"):
        os.mkfifo(name)
        Path(f"zero{Path(name).suffix}").symlink_to("/dev/zero")
    return tmp_path


COSTS = ("--confidence=c_{k}", "--correct=r_{k}", "--stage-s=1", "--out-bytes=0", "--out=x.npz")


@posix
@pytest.mark.parametrize("kind", ["pipe", "zero"])
@pytest.mark.parametrize(
    "command",
    [
        "check {}.yaml", "run {}.yaml", "profiles {}.npz", "calibrate {}.npz", "trace stats {}.csv",
        "trace synth {}.toml --out y.csv", "trace fit {}.csv --name x --out y.toml", "trace convert {}.csv y.csv",
        "check two.yaml --set profile={}.npz",
        "check two.yaml --set workload.arrivals={{kind:\\ file,path:\\ {}.csv}}",
        "check two.yaml --set network={{topology:\\ graphml,file:\\ {}.graphml}}",
        "check two.yaml --set network.link={{trace:\\ {}.csv}}",
    ],
)  # fmt: skip
def test_pipes_and_devices_are_refused(odd, soon, capsys, command, kind):
    arguments = [a.replace("\0", " ") for a in command.format(kind).replace("\\ ", "\0").split()]
    assert cli.main(arguments) == 2
    assert "no regular file" in capsys.readouterr().err


@posix
@pytest.mark.parametrize("kind", ["pipe", "zero"])
def test_tables_that_are_pipes_and_devices_are_refused(odd, soon, capsys, kind):
    assert cli.main(["profile", "import", f"{kind}.csv", *COSTS]) == 2
    assert "no regular file" in capsys.readouterr().err
    assert not Path("x.npz").exists()


@posix
@pytest.mark.parametrize("name", ["provenance.json"])
def test_results_that_are_pipes_are_refused(odd, soon, capsys, name):
    Path("out").mkdir()
    os.mkfifo(f"out/{name}")
    assert cli.main(["report", "out"]) == 2
    assert "no results here" in capsys.readouterr().err


def test_the_limit_is_of_what_is_read(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert files.content(path, 5) == b"12345"
    with pytest.raises(ValueError, match="has 5 bytes, above the limit of 4"):
        files.content(path, 4)
    with pytest.raises(ValueError, match="no regular file"):
        files.content(tmp_path, 5)
    with pytest.raises(FileNotFoundError):
        files.content(tmp_path / "b", 5)
    if os.path.exists("/proc/self/status"):  # a file whose size is not known before
        with pytest.raises(ValueError, match="has 11 bytes, above the limit of 10"):
            files.content("/proc/self/status", 10)


@pytest.mark.parametrize("command", ["sweep two.yaml --seeds 2 --jobs 1 --out out", "run two.yaml --out out"])
def test_a_full_disk_is_told_with_what_could_not_be_written(tmp_path, monkeypatch, capsys, command):
    """Of files that are written bit by bit the error of the file system has no name."""
    resource = pytest.importorskip("resource")
    scenario_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        assert cli.main([*command.split(), "--set", "run.duration=2 s"]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "Error: " in (said := capsys.readouterr().err)
    assert "out" in said.splitlines()[-1].partition("Error: ")[2].partition(":")[0]
    assert not list(tmp_path.glob("out/parts/*.parquet"))


# --- tables


def table(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",".join(f"c_{i}" for i in range(1_000_000)) + "\n" + "0," * 999_999 + "0\n", "has 1000000 columns"),
        ("c_1,c_999999999,r_1\n0.5,0.5,1\n", "the column c_999999999 says"),
        (f"c_1,c_{'9' * 5000},r_1\n0.5,0.5,1\n", "the column c_99999999999999999999 says"),
        ("c_1,c_9999,r_1,r_9999\n0.5,0.5,1,1\n", "no column 'c_2'"),
    ],
    ids=["a million columns", "nine digits", "five thousand digits", "four digits"],
)
def test_tables_that_are_far_too_wide(tmp_path, soon, text, said):
    with pytest.raises(ProfileError) as error:
        import_csv(table(tmp_path, text), confidence="c_{k}", correct="r_{k}", stage_s=1.0)
    assert said in str(error.value)
    assert len(error.value.faults) <= 12


def test_a_long_table_in_which_every_line_is_an_exit_of_its_own(tmp_path, soon):
    lines = "".join(f"s{i},{i},0.5,1\n" for i in range(30_000))
    with pytest.raises(ProfileError, match="30000 different values"):
        import_csv(table(tmp_path, "who,exit,c,r\n" + lines), confidence="c", correct="r", sample="who",
                   stop="exit", stage_s=1.0)  # fmt: skip


def test_of_very_many_faults_a_few_are_shown_and_all_counted(tmp_path, soon):
    with pytest.raises(ProfileError) as error:
        import_csv(
            table(tmp_path, "c_1,r_1\n" + "2,x\n" * 200_000), confidence="c_{k}", correct="r_{k}", stage_s=1.0
        )
    assert error.value.faults[-1] == "and 399990 more"
    assert len(error.value.faults) == 11


# --- what a killed process leaves


KILLED = """
import os, signal, sys
from pathlib import Path
from mdisim import files, folders
how, target = sys.argv[1:]
if how == "file":
    with files.whole(Path(target)) as fresh:
        fresh.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
with folders.writing(target, "", {}) as folder:
    (folder / "half").write_text("half")
    if how == "wait":
        print(flush=True)
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_what_a_killed_process_left_of_results_is_removed_by_the_next(tmp_path):
    target = tmp_path / "out"
    subprocess.run([sys.executable, "-c", KILLED, "folder", target])
    assert [path.name[:5] for path in tmp_path.iterdir()] == [".out."]
    (tmp_path / ".out.later").mkdir()  # not one of ours
    with folders.writing(target, "", {}) as folder:
        (folder / "a").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.later", "out"]


@posix
def test_what_a_killed_process_left_of_a_file_is_removed_by_the_next(tmp_path):
    target = tmp_path / "a.txt"
    subprocess.run([sys.executable, "-c", KILLED, "file", target])
    assert [path.name[:7] for path in tmp_path.iterdir()] == [".a.txt."]
    with files.whole(target) as fresh:
        fresh.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "whole"


@posix
def test_what_a_living_process_writes_is_left_alone(tmp_path):
    target = tmp_path / "out"
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    living = subprocess.Popen([sys.executable, "-c", KILLED, "wait", target], **piped)
    living.stdout.readline()
    with folders.writing(target, "", {}) as folder:
        (folder / "a").write_text("whole")
    assert len(list(tmp_path.iterdir())) == 2
    living.communicate()


# --- a full disk


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_is_full_is_no_bad_input_and_the_file_is_named(tmp_path, monkeypatch, capsys, code):
    scenario_file(tmp_path)
    monkeypatch.chdir(tmp_path)

    def full(*_, **__):
        raise OSError(code, os.strerror(code))

    for name in ("write_text", "write_bytes"):
        monkeypatch.setattr(Path, name, full)
    for arguments, named in (
        (("run", "two.yaml", "--out", "out"), "out: "),
        (("trace", "convert", "lte-driving", "mine.csv"), "mine.csv: "),
    ):
        assert cli.main(arguments) == 1
        said = capsys.readouterr().err
        assert named in said
        assert os.strerror(code) in said


def test_a_folder_that_was_removed_is_told(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for arguments in (["run", "mdi-exit-5-mesh"], ["check", "mdi-exit-5-mesh"], ["sweep", "mdi-exit-5-mesh"]):
        assert cli.main(arguments) == 2
        assert capsys.readouterr().err == "Error: the current folder was removed; change to one that is there\n"
