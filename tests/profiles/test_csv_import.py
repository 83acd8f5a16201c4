"""Someone else's table becomes a profile, or one message with the lines at fault."""

import re
from dataclasses import replace

import numpy as np
import pytest

from mdisim.cli import main
from mdisim.engine import run
from mdisim.planners import RECIPES
from mdisim.policies.parameters import REQUIRED, parameters
from mdisim.profiles import ProfileError, import_csv, load, synthesise, write
from mdisim.scenario import Scenario
from mdisim.world import setting

GOOD = """id,truth,conf_1,conf_2,pred_1,pred_2,ok_1,ok_2,half
a,0,0.5,0.9,0,0,1,yes,calibration
b,1,0.6,0.8,2,1,0,TRUE,test
c,2,0.7,1.0,2,0,true,no,test
"""
BOTH = {"label": "truth", "confidence": "conf_{k}", "prediction": "pred_{k}", "stage_s": 0.01}


@pytest.fixture
def csv(tmp_path):
    def make(text):
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_columns_become_arrays(csv):
    made = import_csv(csv(GOOD), **BOTH, split="half", out_bytes=100)
    np.testing.assert_array_equal(made.label, [0, 1, 2])
    np.testing.assert_array_equal(made.confidence, [[0.5, 0.9], [0.6, 0.8], [0.7, 1.0]])
    np.testing.assert_array_equal(made.prediction, [[0, 0], [2, 1], [2, 0]])
    np.testing.assert_array_equal(made.split, [0, 1, 1])
    np.testing.assert_array_equal(made.costs["stated"].stage_s, [[0.01, 0.01]])
    assert (made.name, made.n_classes, made.header["dataset"]) == ("table", 3, "table.csv")
    assert len(made.header["sha256"]) == 64


def test_a_list_of_columns_does_as_well_and_in_its_order(csv):
    path = csv(GOOD)
    named = BOTH | {"confidence": ["conf_2", "conf_1"], "prediction": ["pred_2", "pred_1"]}
    np.testing.assert_array_equal(import_csv(path, **named).confidence[0], [0.9, 0.5])


def test_a_template_may_count_from_0(csv):
    text = GOOD.replace("conf_1,conf_2,pred_1,pred_2", "conf_0,conf_1,pred_0,pred_1")
    np.testing.assert_array_equal(import_csv(csv(text), **BOTH).confidence[0], [0.5, 0.9])


def test_with_correctness_alone_correct_is_exact(csv):
    right = [[True, True], [False, True], [True, False]]
    columns = {"confidence": "conf_{k}", "correct": "ok_{k}", "stage_s": 0.01}
    bare = import_csv(csv(GOOD), **columns)
    np.testing.assert_array_equal(bare.correct, right)
    assert bare.n_classes == 2
    labelled = import_csv(csv(GOOD), **columns, label="truth")
    np.testing.assert_array_equal(labelled.correct, right)
    np.testing.assert_array_equal(labelled.label, [0, 1, 2])
    assert labelled.n_classes == 3
    assert "stand-ins" in labelled.header["predictions"]


def test_rounding_and_empty_lines_at_the_end_are_forgiven(csv):
    made = import_csv(csv(GOOD.replace("1.0", "1.0000001") + "\n\n"), **BOTH)
    assert made.n == 3
    assert made.confidence[2, 1] == 1.0


def test_columns_that_are_not_asked_for_do_not_matter(csv):
    assert import_csv(csv(GOOD.replace("ok_1,ok_2", ",")), **BOTH).n == 3


def test_classes_may_have_names(csv):
    text = "truth,c1,p1\ncat,0.5,dog\n dog ,0.5,dog\ncat,0.5,cat\n"
    made = import_csv(csv(text), label="truth", confidence=["c1"], prediction=["p1"], stage_s=1)
    np.testing.assert_array_equal(made.correct[:, 0], [False, True, True])
    assert made.header["class_names"] == ["cat", "dog"]


def test_three_and_three_point_zero_are_one_class(csv):
    made = import_csv(csv("y,c,p\n3,0.5,3.0\n1,0.5,3\n"), label="y", confidence="c", prediction="p", stage_s=1)
    np.testing.assert_array_equal(made.correct[:, 0], [True, False])
    assert made.n_classes == 4


def test_the_random_halves_have_the_asked_share_and_one_seed_gives_one_division(csv):
    text = "y,c,p\n" + "0,0.5,0\n" * 100
    columns = {"label": "y", "confidence": "c", "prediction": "p", "stage_s": 1, "calibration_share": 0.3}
    first, same, other = (import_csv(csv(text), **columns, seed=seed) for seed in (1, 1, 2))
    assert first.half("calibration").n == 30
    np.testing.assert_array_equal(first.split, same.split)
    assert np.any(first.split != other.split)


def test_a_half_that_is_drawn_has_all_of_a_group_or_none(csv):
    text = "y,c,p,parent\n" + "".join(f"0,0.5,0,s{i // 10}\n" for i in range(200))
    columns = {"label": "y", "confidence": "c", "prediction": "p", "stage_s": 1, "group": "parent"}
    first, same, other = (import_csv(csv(text), **columns, seed=seed) for seed in (1, 1, 2))
    shares = first.split.reshape(20, 10).mean(axis=1)
    assert sorted(set(shares)) == [0, 1]
    assert shares.mean() == 0.5
    assert len(np.unique(first.group)) == 20
    np.testing.assert_array_equal(first.split, same.split)
    assert np.any(first.split != other.split)


def test_costs_come_from_a_profile_with_as_many_exits(csv, tmp_path):
    two, three = (tmp_path / f"{k}.npz" for k in (2, 3))
    for exits, path in ((2, two), (3, three)):
        write(synthesise(n=4, exits=exits, accuracy=0.9, stage_s=0.5, out_bytes=9, seed=0), path)
    columns = {key: value for key, value in BOTH.items() if key != "stage_s"}
    made = import_csv(csv(GOOD), **columns, costs=str(two))
    np.testing.assert_array_equal(made.costs["native"].stage_s, [[0.5, 0.5]])
    with pytest.raises(ProfileError, match="costs of synthetic: has 3 exits, but the table has 2; state stage_s"):
        import_csv(csv(GOOD), **columns, costs=str(three))
    with pytest.raises(ProfileError, match="costs of stages are needed"):
        import_csv(csv(GOOD), **columns)


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("", {}, "is empty"),
        ("truth,conf_1,pred_1\n", {}, "has column names but no samples"),
        (GOOD, {"label": "trueth"}, "no column 'trueth'; did you mean 'truth'"),
        (GOOD, {"confidence": ["conf_1", "cofn_2"]}, "no column 'cofn_2'; did you mean 'conf_2'"),
        (GOOD, {"confidence": "score_{k}"}, "no column fits 'score_{k}'; there are id, truth, conf_1"),
        (GOOD, {"split": "fold"}, "no column 'fold'"),
        (GOOD, {"prediction": ["pred_1"]}, "there are 2 confidence and 1 prediction columns; each exit has one"),
        (GOOD.replace("conf_1", "conf_3"), {}, "no column 'conf_1'; did you mean 'conf_"),
        (GOOD.replace("0.6", "1.6"), {}, r"line 3: conf_1 is '1.6'; a confidence is a number in \[0, 1\]"),
        (GOOD.replace("0.6", "nan"), {}, "line 3: conf_1 is 'nan'; a confidence"),
        (GOOD.replace("0.6", ""), {}, "line 3: conf_1 is empty; a confidence"),
        (GOOD.replace("0.6", "high"), {}, "line 3: conf_1 is 'high'; a confidence"),
        (GOOD.replace("b,1,", "b,,"), {}, "line 3: truth is empty; a class is a number or a name"),
        (GOOD.replace("c,2,", "c,NaN,"), {}, "line 4: truth is 'NaN'; a class"),
        (GOOD.replace(",test\n", ",train\n", 1), {"split": "half"}, "line 3: half is 'train'; 0, calibration"),
        (GOOD + "d,1,0.5\n", {}, "line 5: conf_2 is empty"),
        (GOOD + "\n" + "e,1,0.5,0.5,1,1,1,1,test\n", {}, "line 5: conf_1 is empty"),
        (GOOD + "d,1,0.5,0.5,1,1,1,1,test,extra\n", {}, "no readable CSV table: .*line 5"),
        (GOOD.replace("conf_2", "conf_1"), {}, "names the column 'conf_1' more than once"),
        (GOOD, {"prediction": None}, "name either the prediction or the correct column"),
        (GOOD, {"correct": "ok_{k}"}, "name either the prediction or the correct column"),
        (GOOD, {"label": None}, "predictions need the label column"),
        (GOOD, {"prediction": None, "correct": "pred_{k}"}, "line 3: pred_1 is '2'; 1, true, yes, 0, false, no"),
        (GOOD, {"calibration_share": 1.0}, "calibration_share: is 1.0; from 0 to below 1 would do"),
        (GOOD, {"stage_s": [1, 2, 3]}, r"stage_s: 3 numbers for 2 exits; give one for all, or 2"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_with_its_line(csv, text, changes, message):
    with pytest.raises(ProfileError, match=message):
        import_csv(csv(text), **(BOTH | changes))


def test_faults_come_together_and_not_too_many(csv):
    with pytest.raises(ProfileError) as caught:
        import_csv(csv(GOOD.replace("0.6", "x").replace("1.0", "2")), **BOTH)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["line 3", "line 4"]
    with pytest.raises(ProfileError) as caught:
        import_csv(csv("y,c,p\n" + "0,9,0\n" * 50), label="y", confidence="c", prediction="p", stage_s=1)
    assert len(caught.value.faults) == 11
    assert caught.value.faults[-1] == "and 40 more"


def test_no_file(tmp_path):
    with pytest.raises(ProfileError, match="no such file"):
        import_csv(tmp_path / "none.csv", **BOTH)


def test_what_is_not_text(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ProfileError, match="no readable CSV table"):
        import_csv(tmp_path / "x.csv", **BOTH)


# --- tables as the early-exit literature publishes them


def twelve(n=300):
    """A network of twelve exits that nobody measured, and a long way to write what it says."""
    return synthesise(
        n=n, exits=12, accuracy=np.linspace(0.75, 0.92, 12), classes=2, stage_s=0.01, out_bytes=0, seed=3
    )


def table_of(made, exits, confidence, other, what):
    """CSV text: the label, then for each exit its confidence and its prediction or correctness."""
    values = made.prediction if what == "prediction" else made.correct.astype(int)
    lines = [",".join(["truth", *(f"{c},{o}" for c, o in zip(confidence, other, strict=True))])]
    for i in range(made.n):
        cells = [f"{made.confidence[i, k]:.6f},{values[i, k]}" for k in exits]
        lines.append(",".join([str(made.label[i]), *cells]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("what", ["prediction", "correct"])
@pytest.mark.parametrize("first", [0, 1])
def test_twelve_exits_by_template(csv, what, first):
    made = twelve()
    names = [[f"{word}_{k}" for k in range(first, first + 12)] for word in ("layer", "out")]
    path = csv(table_of(made, range(12), *names, what))
    got = import_csv(path, label="truth", confidence="layer_{k}", **{what: "out_{k}"}, stage_s=0.01)
    np.testing.assert_array_equal(got.correct, made.correct)
    np.testing.assert_allclose(got.confidence, made.confidence, atol=1e-6)
    assert got.n_exits == 12
    assert ("stand-ins" in got.header["predictions"]) == (what == "correct")
    if what == "correct":  # two classes: the wrong one is known
        np.testing.assert_array_equal(got.prediction, made.prediction)


def test_three_of_the_exits_under_names_of_their_own_with_their_layers(csv):
    made = twelve()
    confidence = ["thi_conf", "six_conf", "fin_conf"]
    label = ["thi_label", "six_label", "fin_label"]
    path = csv(table_of(made, (2, 5, 11), confidence, label, "prediction"))
    got = import_csv(
        path, label="truth", confidence=confidence, prediction=label, stage_s=[0.03, 0.03, 0.06], layers=[3, 3, 6],
        out_bytes=[512, 393216, 393216, 0], kinds={"mobile": 1.0, "edge": 0.03, "cloud": 0.006},
    )  # fmt: skip
    np.testing.assert_array_equal(got.correct, made.correct[:, [2, 5, 11]])
    costs = got.costs["stated"]
    assert (costs.layers.tolist(), costs.kinds) == ([3, 3, 6], ("mobile", "edge", "cloud"))
    np.testing.assert_allclose(costs.stage_s[1], [0.0009, 0.0009, 0.0018])


LONG = """Sample_ID,Exit,Confidence,Prediction,Label
7,0,0.5,1,0
7,2,0.9,0,0
7,1,0.6,1,0
3,0,0.5,1,1
3,1,0.7,1,1
3,2,0.8,1,1
"""
BY_EXIT = {"sample": "Sample_ID", "stop": "Exit", "label": "Label", "stage_s": 0.01}
BY_EXIT |= {"confidence": "Confidence", "prediction": "Prediction"}


def test_a_line_for_each_exit_of_each_sample(csv):
    made = import_csv(csv(LONG), **BY_EXIT)
    np.testing.assert_array_equal(made.label, [0, 1])
    np.testing.assert_array_equal(made.confidence, [[0.5, 0.6, 0.9], [0.5, 0.7, 0.8]])
    np.testing.assert_array_equal(made.prediction, [[1, 1, 0], [1, 1, 1]])
    assert made.header["columns"] == {"confidence": ["Confidence"], "prediction": ["Prediction"]}


def test_exits_may_have_names_and_columns_other_separators(csv):
    named = LONG.replace(",0,0.", ",early,0.").replace(",1,0.", ",mid,0.").replace(",2,0.", ",last,0.")
    for text in (named, named.replace(",", ";"), named.replace(",", "\t")):
        made = import_csv(csv(text), **BY_EXIT, exits=["early", "mid", "last"])
        np.testing.assert_array_equal(made.confidence, [[0.5, 0.6, 0.9], [0.5, 0.7, 0.8]])
    with pytest.raises(ProfileError, match="line 4: Exit is 'mid'; the exits are early, last"):
        import_csv(csv(named), **BY_EXIT, exits=["early", "last"])


def test_percentages_are_told_what_to_do(csv):
    with pytest.raises(ProfileError, match="divide per cent by 100"):
        import_csv(csv(LONG.replace(",0.", ",")), **BY_EXIT)


def test_exits_with_lines_of_their_own_may_be_numbered_by_their_layers(csv):
    text = LONG.replace(",0,0.", ",3,0.").replace(",1,0.", ",6,0.").replace(",2,0.", ",12,0.")
    np.testing.assert_array_equal(import_csv(csv(text), **BY_EXIT).confidence[0], [0.5, 0.6, 0.9])


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (LONG, {"stop": None}, "needs both columns, of the sample and of the exit"),
        (LONG, {"stop": "Exti"}, "no column 'Exti'; did you mean 'Exit'"),
        (LONG.replace("3,2,0.8,1,1\n", ""), {}, "sample '3' has no line for exit 2"),
        (LONG + "3,2,0.8,1,1\n", {}, "line 8: Exit '2' of sample '3' comes again"),
        (LONG.replace("7,1,", "7,one,"), {}, "line 4: Exit is 'one'; an exit is a whole number from 0"),
        (LONG.replace("0.7,1,1", "0.7,1,0"), {}, "line 6: Label '0' of sample '3' is not that of its first line"),
        (LONG.replace("0.6", "1.6"), {}, "line 4: Confidence of exit 1 is '1.6'; a confidence is a number"),
        (LONG, {"confidence": ["Confidence", "Prediction"], "prediction": ["Prediction", "Label"]},
         "2 confidence columns; with a line for each exit, one would do"),
    ],
)  # fmt: skip
def test_a_bad_table_with_a_line_for_each_exit_is_refused_with_its_line(csv, text, changes, message):
    with pytest.raises(ProfileError, match=message):
        import_csv(csv(text), **(BY_EXIT | changes))


def test_faults_of_the_table_and_of_the_costs_come_together(csv):
    with pytest.raises(ProfileError) as caught:
        import_csv(csv(GOOD.replace("0.6", "x")), **(BOTH | {"layers": [1, 2, 3]}))
    assert [fault[:15] for fault in caught.value.faults] == ["line 3: conf_1 ", "cost table: lay"]
    with pytest.raises(ProfileError) as caught:
        import_csv(csv(GOOD), **(BOTH | {"correct": "ok_{k}", "split": "fold"}))
    assert len(caught.value.faults) == 2


def test_layers_are_those_of_the_costs_unless_stated(csv, tmp_path):
    path = tmp_path / "two.npz"
    made = synthesise(n=4, exits=2, accuracy=0.9, stage_s=0.5, out_bytes=9, seed=0)
    write(replace(made, costs={"native": replace(made.costs["native"], layers=np.array([3, 9]))}), path)
    columns = {key: value for key, value in BOTH.items() if key != "stage_s"}
    given = import_csv(csv(GOOD), **columns, costs=str(path))
    assert given.costs["native"].layers.tolist() == [3, 9]
    assert import_csv(csv(GOOD), **columns, costs=str(path), layers=6).costs["native"].layers.tolist() == [6, 6]
    with pytest.raises(ProfileError, match="kinds go with stated times"):
        import_csv(csv(GOOD), **columns, costs=str(path), kinds={"mobile": 1.0})


# --- what runs on someone else's confidences

TIERS = """\
profile: ./theirs.npz
devices:
  phone: {kind: mobile}
  edge: {kind: edge, cores: 2}
  cloud: {kind: cloud, cores: 4}
network:
  topology: edges
  links:
    - {from: phone, to: edge, rate: 20 Mbps, latency: 5 ms, offload_cost: 3}
    - {from: phone, to: cloud, rate: 20 Mbps, latency: 40 ms, offload_cost: 5}
workload: {at: phone, arrivals: {kind: constant, rate: 2/s}}
policy: local
run: {duration: 10 s, drain: true}
"""
REQUIRED_VALUES = {"device": "cloud", "cloud": "cloud", "edge": "edge", "p_tar": 0.8, "latency_s": 1.0}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("theirs")
    made = twelve()
    names = [[f"{word}_{k}" for k in range(12)] for word in ("conf", "pred")]
    (folder / "theirs.csv").write_text(table_of(made, range(12), *names, "prediction"))
    profile = import_csv(
        folder / "theirs.csv", label="truth", confidence="conf_{k}", prediction="pred_{k}", stage_s=0.06,
        out_bytes=[512.0, *[393216.0] * 11, 0.0], kinds={"mobile": 1.0, "edge": 0.03, "cloud": 0.006},
    )  # fmt: skip
    write(profile, folder / "theirs.npz")
    (folder / "tiers.yaml").write_text(TIERS)
    return Scenario.load(folder / "tiers.yaml").build()


def outcome(world, name):
    """The statuses of the samples, or what the policy says that it lacks."""
    needed = [p.name for p in parameters(RECIPES[name]) if p.default == REQUIRED]
    recipe = RECIPES[name](**{parameter: REQUIRED_VALUES[parameter] for parameter in needed})
    try:
        return set(run(world, recipe.build(setting(world)), 1).tasks["status"]), ""
    except ValueError as error:
        return set(), str(error)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_policy_runs_on_an_imported_table_or_says_in_a_line_what_the_table_lacks(world, name):
    statuses, lacks = outcome(world, name)
    assert statuses == ({"answered"} if not lacks else set())
    assert not lacks or re.fullmatch(".*(features|logits).*", lacks)  # which no line break fits


def test_the_command_imports_what_has_a_line_for_each_exit(csv, tmp_path, capsys):
    out = tmp_path / "theirs.npz"
    words = [
        "profile",
        "import",
        str(csv(LONG)),
        "--sample",
        "Sample_ID",
        "--exit",
        "Exit",
        "--confidence",
        "Confidence",
    ]
    words += [
        "--prediction",
        "Prediction",
        "--label",
        "Label",
        "--stage-s",
        "0.06",
        "--out-bytes",
        "512,1024,1024",
    ]
    words += ["--layers", "3,3,6", "--kinds", "mobile=1,edge=0.03", "--out", str(out)]
    assert main(words) == 0
    assert "2 samples, 3 exits" in capsys.readouterr().out
    costs = load(out).costs["stated"]
    assert (costs.kinds, costs.layers.tolist()) == (("mobile", "edge"), [3, 3, 6])
    assert main([*words, "--force", "--kinds", "mobile:1"]) == 2
    assert "mobile=1,edge=0.03" in capsys.readouterr().err
