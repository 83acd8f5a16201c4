"""The command line: what it prints, what it writes and where, and how it refuses."""

import gzip
import json
import os
import signal
import subprocess
import sys

import pytest
from worlds import scenario_file

from mdisim import cli
from mdisim.experiments import cases
from mdisim.planners import RECIPES
from mdisim.policies import described
from mdisim.profiles import device_kinds, load
from mdisim.results import Run
from mdisim.scenario import Scenario

HEAVY = {"numpy", "pandas", "scipy", "seaborn", "matplotlib", "numba", "torch", "networkx", "pydantic", "yaml",
         "simpy", "rich"}  # fmt: skip


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A folder with a scenario in it, which is the working directory."""
    scenario_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cases, "cores", lambda: 1)  # where --jobs is left out: processes take long to start
    return tmp_path


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def told(capsys, *arguments):
    """The exit code, stdout and stderr of a command."""
    code = cli.main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def loaded(code):
    """Which heavy packages a fresh Python has loaded after this code."""
    report = f"import sys; {code}; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


# --- lightness


def test_the_package_and_its_help_load_nothing_heavy():
    assert loaded("import mdisim") == []
    assert loaded("from mdisim import cli; cli.main(['--help'])") == []
    for command in ("run", "compare", "check", "policies", "profiles", "profile", "schema"):
        assert loaded(f"from mdisim import cli; cli.main(['{command}', '--help'])") == []


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "mdisim", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("mdisim ")
    done = subprocess.run([sys.executable, "-m", "mdisim", "rnu"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "run" in done.stderr


# --- run


def test_run_prints_what_was_achieved_and_where_it_is(scene, capsys):
    code, out, err = told(capsys, "run", "two.yaml", "--out", "out")
    assert (code, err) == (0, "")
    for words in ("mdi-exit in two, seed 3", "throughput", "p50 / p95 / p99", "accuracy in time", "exits 1 to 3",
                  "utilisation", "phone", "edge", "written to out"):  # fmt: skip
        assert words in out
    run = Run.load("out")
    assert (run.seed, run.policy) == (3, "mdi-exit")
    facts = json.loads((scene / "out" / "provenance.json").read_text())
    assert facts["command"] == "mdisim run two.yaml --out out"


def test_run_as_json_is_one_object_with_the_units_in_the_keys(scene, capsys):
    code, out, _ = told(capsys, "run", "two.yaml", "--json")
    (row,) = json.loads(out)
    assert code == 0
    saved = json.loads((scene / row["directory"] / "summary.json").read_text())
    assert saved.items() <= row.items()
    assert row.keys() >= {"policy", "seed", "throughput_per_s", "latency_p95_s", "exit_3_share", "verdict"}


def test_the_default_directory_belongs_to_what_is_asked_for(scene, capsys):
    def directory(*more):
        return json.loads(told(capsys, "run", "two.yaml", "--json", *more)[1])[0]["directory"]

    first = directory()
    assert first.startswith("results/two-")
    assert directory() == first
    others = {directory("--seed", 4), directory("--policy", "local"), directory("--set", "run.duration=6 s")}
    assert len(others | {first}) == 4


def test_the_seed_of_the_command_line_wins_and_the_output_says_so(scene, capsys):
    _, out, _ = told(capsys, "run", "two.yaml", "--set", "run.seed=8", "--seed", 9, "--out", "out")
    assert "seed 9 (--seed wins" in out
    assert Run.load("out").seed == 9
    assert Scenario.load(scene / "out" / "resolved.yaml").spec.run.seed == 9


def test_a_policy_of_the_command_line_replaces_the_scenarios(scene, capsys):
    told(capsys, "run", "two.yaml", "--policy", "local", "--set", "policy.exit_threshold=0.5", "--out", "out")
    run = Run.load("out")
    assert (run.policy, run.parameters["exit_threshold"]) == ("local", 0.5)
    assert run.origin.overrides == ('policy={"name": "local"}', "policy.exit_threshold=0.5")


def test_a_policy_that_the_scenario_states_keeps_its_parameters(scene, capsys):
    told(capsys, "run", "two.yaml", "--policy", "strict", "--out", "out")
    assert Run.load("out").parameters["exit_threshold"] == 0.95


def test_other_results_are_replaced_only_by_force(scene, capsys):
    assert told(capsys, "run", "two.yaml", "--out", "out")[0] == 0
    assert told(capsys, "run", "two.yaml", "--out", "out")[0] == 0
    before = files(scene)
    code, _, err = told(capsys, "run", "two.yaml", "--out", "out", "--seed", 4)
    assert code == 2
    assert "policy mdi-exit; seed 3" in err
    assert files(scene) == before
    assert told(capsys, "run", "two.yaml", "--out", "out", "--seed", 4, "--force")[0] == 0


# --- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "tow.yaml"), "tow.yaml: there is no such file"),
        (("run", "two.yaml", "--set", "run.sed=3"), "did you mean 'seed'?"),
        (("run", "two.yaml", "--set", "network.link.rate=20"), "network.link.rate"),
        (("run", "two.yaml", "--policy", "mdi-exti"), "no policy 'mdi-exti'; did you mean 'mdi-exit'?"),
        (("run", "two.yaml", "--policy", "local", "--set", "policy=no-exit"), "name a policy each"),
        (("run", "two.yaml", "--policy", "local", "--set", "policy.name=no-exit"), "name a policy each"),
        (("run", "two.yaml", "--policy", "local", "--set", "policyx=3"), "--set policyx=3: policyx: unknown key"),
        (("run", "two.yaml", "--out", "u\udcff"), "the argument 'u\\udcff' is not text in UTF-8"),
        (("check", "two.yaml", "--set", "run.seed=\udcff"), "the argument 'run.seed=\\udcff' is not text"),
        (("check", os.devnull), f"{os.devnull}: is no regular file"),
        (("check", "two.yaml", "--set", f"profile={os.devnull}"), "it is no regular file"),
        (("run", "two.yaml", "--set", "policy.rule=mine:Rule", "--set", "policy.name="), "--allow-code"),
        (("run", "two.yaml", "--seed", "-1"), "x>=0"),
        (("run", "two.yaml", "--out", "demo.npz"), "demo.npz: is a file"),
        (("run", "two.yaml", "--out", "."), "not a directory of results"),
        (("run", "two.yaml", "--out", "demo.npz/out"), "cannot write"),
        (("run", "two.yaml", "--sed", "1"), "--seed"),
        (("compare", "two.yaml", "--policies", "local,ddl"), "did you mean 'ddi'?"),
        (("compare", "two.yaml", "--policies", ","), "no policies"),
        (("compare", "two.yaml", "--measures", "acuracy"), "did you mean 'accuracy'?"),
        (("compare", "two.yaml", "--seeds", "0"), "--seeds"),
        (("compare", "two.yaml", "--seeds", "10001"), "--seeds"),
        (("check", "tow.yaml", "two.yaml"), "tow.yaml: there is no such file"),
        (("policies", "mdi-exti"), "did you mean 'mdi-exit'?"),
        (("profiles", "nothing.npz"), "nothing.npz: no such file"),
        (("profiles", "nothing"), "nothing"),
        (("profile", "synth", "--accuracy", "0.5,x", "--out", "a.npz"), "'0.5,x' is not a number"),
        (("profile", "synth", "--accuracy", "0.5,0.6", "--stage-s", "1,2,3", "--out-bytes", "1", "--out", "a.npz"),
         "give one for all, or 2"),
        (("profile", "synth", "--samples", "10000001", "--accuracy", "0.5", "--out", "a.npz"), "--samples"),
        (("profile", "synth", "--accuracy", "0.5", "--stage-s", "1", "--out", "a.npz"), "--out-bytes is needed"),
        (("profile", "synth", "--accuracy", "0.5", "--out", "a.npz"), "--stage-s is needed"),
        (("profile", "synth", "--accuracy", "0.5", "--stage-s", "1", "--out", "demo.npz"), "is there already"),
        (("profile", "synth", "--accuracy", "0.5", "--stage-s", "1", "--out", "no/a.npz"), "there is no folder"),
        (("profile", "import", "two.yaml", "--confidence", "c_{k}", "--out-bytes", "1", "--out", "a.npz"),
         "two.yaml"),
        (("profile", "import", "two.yaml", "--confidence", "c_{k}", "--out", "a.npz"), "or --costs PROFILE"),
    ],
)  # fmt: skip
def test_bad_input_is_told_once_and_nothing_is_written(scene, capsys, arguments, message):
    before = files(scene)
    code, out, err = told(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("Error: ") == 1
    assert "Traceback" not in err
    assert files(scene) == before


def test_check_tells_the_faults_of_all_files(scene, capsys):
    (scene / "a.yaml").write_text("profile: ./demo.npz\n")
    (scene / "b.yaml").write_text("devices: []\n")
    code, out, err = told(capsys, "check", "a.yaml", "two.yaml", "b.yaml")
    assert (code, out) == (2, "")
    assert "a.yaml" in err
    assert "b.yaml" in err


def test_check_prints_a_scenario_with_every_default(scene, capsys):
    code, out, _ = told(capsys, "check", "two.yaml", "--set", "policy.exit_threshold=0.6")
    assert code == 0
    again = Scenario.from_text(out)
    assert again.recipe().exit_threshold == 0.6
    assert again == Scenario.load("two.yaml", {"policy.exit_threshold": 0.6})
    _, out, _ = told(capsys, "check", "two.yaml", "two.yaml", "--json")
    rows = json.loads(out)
    assert [row["policies"] for row in rows] == [["mdi-exit", "local", "strict"]] * 2
    assert (rows[0]["devices"], rows[0]["links"], rows[0]["exits"], rows[0]["duration_s"]) == (2, 2, 3, 5.0)


OWN_RULE = """
from dataclasses import dataclass
from mdisim.policies import OFFER, Place, Policy, Row

@dataclass(frozen=True)
class Careless:
    def build(self, setting):
        n = setting.n_exits
        return Policy("careless", (Row((0.8,) * n, (True,) * n, (-1,) * n),), where=self)

    def where(self, here, peers, task, knobs, rng):
        return Place(OFFER)

@dataclass(frozen=True)
class Broken(Careless):
    def where(self, here, peers, task, knobs, rng):
        return 1 / 0
"""


@pytest.fixture
def own_rules(scene, monkeypatch):
    (scene / "own_rules.py").write_text(OWN_RULE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_rules", raising=False)
    return ("run", "two.yaml", "--set", "compare=[]", "--allow-code", "--set")


def test_a_run_that_fails_is_one_line_and_exit_code_1(scene, own_rules, capsys):
    before = files(scene)
    code, out, err = told(capsys, *own_rules, "policy={rule: 'own_rules:Careless'}")
    assert (code, out) == (1, "")
    assert err == "Error: careless offers tasks but has no rule that sends them\n"
    assert {path for path in files(scene) if "__pycache__" not in path.parts} == set(before)


def test_another_text_of_a_rule_means_another_run(own_rules, scene, capsys):
    """Results of what a rule was before are not those of what it is now."""
    code = (
        "from dataclasses import dataclass\nfrom mdisim.policies import Policy, row\n\n@dataclass(frozen=True)\n"
    )
    code += (
        "class Kept:\n    def build(self, setting):\n        return Policy('kept', (row(setting.n_exits, {}),))\n"
    )
    asked = (*own_rules, "policy={rule: 'own_rules:Kept'}", "--out", "kept")
    for threshold, wanted in ((0.5, 0), (0.5, 0), (0.7, 2)):
        (scene / "own_rules.py").write_text(code.format(threshold))
        sys.modules.pop("own_rules", None)
        found, _, err = told(capsys, *asked)
        assert found == wanted, err
    assert "holds other results" in err


def test_a_fault_of_the_program_keeps_its_traceback(own_rules, capsys):
    with pytest.raises(ZeroDivisionError):
        told(capsys, *own_rules, "policy={rule: 'own_rules:Broken'}")


# --- arrivals that do not fall in the run


@pytest.fixture
def clocked(scene):
    """Two files of arrivals, one in seconds since 1970, and how to name one."""
    (scene / "clock.csv").write_text("time_s\n1700000000.1\n1700000001.2\n")
    (scene / "part.csv").write_text("time_s\n0.2\n0.6\n7\n")
    return "two.yaml", "--set", "workload.arrivals={kind: file, path: FILE}"


@pytest.mark.parametrize("command", ["check", "run", "compare", "sweep", "search"])
def test_arrivals_in_clock_times_are_refused(clocked, capsys, command):
    more = {"sweep": ("--grid", "policy.exit_threshold=0.7,0.9"), "search": ("--target", "accuracy >= 0.5")}
    asked = [part.replace("FILE", "clock.csv") for part in clocked]
    code, out, err = told(capsys, command, *asked, *more.get(command, ()))
    assert (code, out) == (2, "")
    assert (
        "clock.csv: none of its arrivals falls in the run, which ends at 5 s: they come from 1700000000.1 s" in err
    )
    assert err.count("Error") == 1


def test_arrivals_that_are_partly_in_the_run_are_a_warning(clocked, capsys):
    asked = [part.replace("FILE", "part.csv") for part in clocked]
    told_of = "of its 3 arrivals, 2 fall in the run, which ends at 5 s"
    code, out, _ = told(capsys, "check", *asked)
    assert code == 0
    assert out.splitlines()[1].startswith("# warning: workload.0.arrivals.path: part.csv: ")
    assert told_of in out
    assert told_of in json.loads(told(capsys, "check", *asked, "--json")[1])[0]["warnings"][0]
    for command in (("run",), ("sweep", "--seeds", 1, "--jobs", 1), ("compare", "--seeds", 1, "--json")):
        code, _, err = told(capsys, *command[:1], *asked, *command[1:])
        assert code == 0
        assert told_of in err


def test_a_run_without_samples_says_so_in_its_first_line(clocked, capsys):
    code, out, err = told(capsys, "run", *[part.replace("FILE", "part.csv") for part in clocked])
    assert code == 0
    assert out.splitlines()[0].endswith(": no samples")
    assert "no arrival is measured: all come in the warm-up of 1 s" in err


# --- compare


def test_compare_prints_means_with_intervals(scene, capsys):
    code, out, err = told(capsys, "compare", "two.yaml", "--seeds", 2, "--out", "out")
    assert (code, err) == (0, "")
    for words in ("mean over 2 seeds ± half of the 95 % interval", "mean difference to local, paired by seed",
                  "strict", "latency p95", "verdict", "written to out"):  # fmt: skip
        assert words in out
    assert {path.name for path in (scene / "out").iterdir()} == {
        "summary.parquet", "table.json", "provenance.json", "scenario.yaml", "resolved.yaml", "inputs"
    }  # fmt: skip


def test_compare_as_json(scene, capsys):
    arguments = (
        "compare",
        "two.yaml",
        "--policies",
        "local, ddi",
        "--seeds",
        2,
        "--measures",
        "accuracy,exit_2_share",
    )
    code, out, _ = told(capsys, *arguments, "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["policy"] for row in rows] == ["local", "ddi"]
    assert rows[0]["accuracy_difference"] == 0.0
    assert rows[0].keys() >= {"accuracy", "accuracy_low", "accuracy_high", "exit_2_share", "verdict", "seeds"}
    assert told(capsys, *arguments, "--json", "--seeds", 1)[0] == 0


# --- what there is


def test_policies_and_their_parameters(capsys):
    rows = json.loads(told(capsys, "policies", "--json")[1])
    assert {"mdi-exit", "local", "ddi", "no-exit"} <= {row["policy"] for row in rows}
    assert [row["policy"] for row in rows] == sorted(row["policy"] for row in rows)
    assert all(row["what"] and row["source"] and row["reconstructed"] for row in rows)
    said = next(row for row in rows if row["policy"] == "mdi-exit")
    rows = json.loads(told(capsys, "policies", "mdi-exit", "--json")[1])
    by_name = {row["name"]: row for row in rows}
    assert by_name["gossip_s"] == {"name": "gossip_s", "default": 0.1, "unit": "s", "allowed": ">= 0",
                                   "meaning": by_name["gossip_s"]["meaning"], "source": said["source"],
                                   "reconstructed": said["reconstructed"]}  # fmt: skip
    assert all(row["meaning"] for row in rows)
    code, out, _ = told(capsys, "policies", "mdi-exit")
    assert code == 0
    for words in ("gossip_s", "default", "unit", "allowed", "meaning"):
        assert words in out


@pytest.mark.parametrize("name", ["mdi-exit", "no-exit", "split-ee"])
def test_a_policy_says_where_it_comes_from_above_its_parameters(name, capsys):
    said = described(RECIPES[name])
    words = " ".join(told(capsys, "policies", name)[1].split())
    parts = (f"{name}: {said.summary}", said.how, f"Source: {said.source}", f"Reconstructed: {said.reconstructed}")
    text = " ".join(part for part in parts if part)
    assert words.startswith(f"{text} name default unit allowed meaning")


def test_profiles_in_a_list_and_one_by_one(scene, capsys):
    head = told(capsys, "profiles")[1].split("\n")[1]
    assert [word.strip() for word in head.split("  ") if word] == [
        "name", "dataset", "model", "exits", "test accuracy", "cost tables"
    ]  # fmt: skip
    nano = device_kinds()["jetson-nano"].hardware
    assert f"jetson-nano: {nano}; " in told(capsys, "profiles", "fashion-mnist-mobilenetv2")[1].replace("\n", " ")
    assert isinstance(json.loads(told(capsys, "profiles", "--json")[1]), list)
    (row,) = json.loads(told(capsys, "profiles", "./demo.npz", "--json")[1])
    assert (row["name"], row["exits"]) == ("demo", 3)
    assert "cost table native" in told(capsys, "profiles", "./demo.npz")[1]


def test_synthesise_a_profile(scene, capsys):
    arguments = ("profile", "synth", "--samples", 500, "--accuracy", "0.6,0.9", "--stage-s", "0.01,0.02",
                 "--head-s", 0.001, "--out-bytes", "3000,8000", "--kappa", 2, "--name", "x")  # fmt: skip
    code, out, _ = told(capsys, *arguments, "--out", "made.npz")
    assert code == 0
    assert "x: 500 samples, 2 exits" in out
    made = load("made.npz")
    assert made.costs["native"].stage_s.tolist() == [[0.01, 0.02]]
    assert made.costs["native"].out_bytes.tolist() == [3000.0, 8000.0, 0.0]
    told(capsys, *arguments, "--out", "again.npz")
    assert (scene / "again.npz").read_bytes() == (scene / "made.npz").read_bytes()


def test_import_a_table(scene, capsys):
    (scene / "rows.csv").write_text(
        "c1,c2,r1,r2,half\n0.6,0.9,0,1,test\n0.8,0.9,1,1,calibration\n0.7,0.9,1,0,test\n"
    )
    code, out, err = told(capsys, "profile", "import", "rows.csv", "--confidence", "c1,c2", "--correct", "r{k}",
                          "--split", "half", "--stage-s", "0.01", "--out-bytes", 0,
                          "--out", "mine.npz")  # fmt: skip
    assert (code, err) == (0, "")
    assert "test accuracy 50.0 %, 50.0 %" in out
    assert load("./mine.npz").half("test").confidence.tolist() == [[0.6, 0.9], [0.7, 0.9]]


def test_building_a_profile_without_its_extra_says_what_to_install(scene, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("mdisim.profiles.build.")]:
        monkeypatch.delitem(sys.modules, name)
    before = files(scene)
    code, _, err = told(capsys, "profile", "build", "fashion-mnist", "--out", "new.npz")
    assert code == 2
    assert "pip install 'mdisim[torch]'" in err
    assert files(scene) == before


def test_any_missing_extra_is_told_and_other_missing_modules_are_faults(capsys, monkeypatch):
    def lack(name):
        def fail(*_, **__):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setattr(cli.program, "main", fail)

    lack("seaborn")
    assert told(capsys, "policies") == (2, "", "Error: this needs seaborn: pip install 'mdisim[plot]'\n")
    lack("numpy")
    with pytest.raises(ModuleNotFoundError):
        told(capsys, "policies")


def test_a_pipe_that_nobody_reads_is_no_fault():
    command = [sys.executable, "-m", "mdisim", "policies", "mdi-exit", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_output_that_cannot_be_written_is_told():
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here, a disk that is always full")
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "mdisim", "policies", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "Error: standard output: No space left on device\n")


def test_a_closed_output_is_no_fault(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["policies"]) == 0


def test_sigterm_stops_a_command_as_ctrl_c_does(capsys, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli.program, "invoke", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    code, _, err = told(capsys, "policies")
    assert (code, err.strip()) == (1, "Error: stopped")
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_takes_the_started_processes_along(capsys, monkeypatch):
    from multiprocessing import get_context

    child = get_context("spawn").Process(target=signal.pause)
    child.start()
    monkeypatch.setattr(cli.program, "invoke", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert told(capsys, "policies")[0] == 1
    child.join()
    assert child.exitcode == -signal.SIGTERM


def test_the_schema_is_json(capsys):
    code, out, _ = told(capsys, "schema")
    assert code == 0
    assert json.loads(out)["title"] == "mdisim scenario"


def test_a_timeline_is_written_if_asked_for(tmp_path, capsys):
    short = ["--set", "run.duration=5 s", "--set", "run.warmup=1 s", "--out", str(tmp_path / "run")]
    assert cli.main(["run", "mdi-exit-5-mesh", "--timeline", *short]) == 0, capsys.readouterr().err
    events = json.loads(gzip.decompress((tmp_path / "run" / "timeline.json.gz").read_bytes()))["traceEvents"]
    assert {"X", "C", "M", "b", "e"} <= {event["ph"] for event in events}
    assert len(Run.load(tmp_path / "run").events) == sum(event["ph"] == "X" for event in events)
    assert cli.main(["run", "mdi-exit-5-mesh", *short]) == 0, capsys.readouterr().err
    assert not (tmp_path / "run" / "timeline.json.gz").exists()


def test_a_report_does_not_keep_results_from_being_made_again(tmp_path, capsys):
    short = ["--set", "run.duration=5 s", "--set", "run.warmup=1 s", "--out", str(tmp_path / "run")]
    assert cli.main(["run", "mdi-exit-5-mesh", *short]) == 0
    (tmp_path / "run" / "report.html").write_text("of the run before")
    assert cli.main(["run", "mdi-exit-5-mesh", *short]) == 0, capsys.readouterr().err
    assert not (tmp_path / "run" / "report.html").exists()
