"""Someone else's table becomes a profile, or one message with the lines at fault."""

import numpy as np
import pytest

from mdisim.profiles import ProfileError, import_csv, synthesise, write

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


def test_costs_come_from_a_profile_with_as_many_exits(csv, tmp_path):
    two, three = (tmp_path / f"{k}.npz" for k in (2, 3))
    for exits, path in ((2, two), (3, three)):
        write(synthesise(n=4, exits=exits, accuracy=0.9, stage_s=0.5, out_bytes=9, seed=0), path)
    columns = {key: value for key, value in BOTH.items() if key != "stage_s"}
    made = import_csv(csv(GOOD), **columns, costs=str(two))
    np.testing.assert_array_equal(made.costs["native"].stage_s, [[0.5, 0.5]])
    with pytest.raises(ProfileError, match="has 2 exits, but the costs of synthetic are for 3; state stage_s"):
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
        (GOOD, {"stage_s": [1, 2, 3]}, r"stage_s: has shape \(3,\); one number, or 2 of them, would do"),
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
