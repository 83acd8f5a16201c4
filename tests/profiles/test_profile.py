"""The profile in memory: what it computes, what it refuses, and how it comes apart into halves."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdisim.policies import Outputs
from mdisim.profiles import CostTable, Profile, ProfileError, stated_costs

COSTS = stated_costs(2, stage_s=[0.01, 0.02], out_bytes=[3072, 512, 0], kinds={"slow": 10.0, "fast": 1.0})
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (6, 2, 4)).astype(np.float16)
LABEL = np.array([0, 1, 2, 3, 0, 1])
SPLIT = np.array([0, 1, 0, 1, 1, 1])


def profile(**changes):
    kept = {"name": "p", "label": LABEL, "split": SPLIT, "logits": LOGITS, "costs": {"native": COSTS}}
    return Profile(**(kept | changes))


def table(**changes):
    kept = {name: getattr(COSTS, name) for name in ("kinds", "notes", *COSTS.arrays())}
    return CostTable(**(kept | changes))


def edited(array, index, value):
    copy = np.array(array, dtype=float)
    copy[index] = value
    return copy


def test_confidence_is_the_largest_softmax_in_float64():
    made = profile()
    z = np.exp(LOGITS.astype(np.float64))
    np.testing.assert_allclose(made.confidence, z.max(axis=2) / z.sum(axis=2), rtol=1e-12)
    np.testing.assert_array_equal(made.prediction, LOGITS.argmax(axis=2))
    np.testing.assert_array_equal(made.correct, LOGITS.argmax(axis=2) == LABEL[:, None])
    assert (made.n, made.n_exits, made.n_classes) == (6, 2, 4)


def test_large_logits_do_not_overflow_and_the_first_of_equal_ones_predicts():
    made = profile(logits=np.full((6, 2, 4), 65000.0))
    np.testing.assert_array_equal(made.confidence, 0.25)
    np.testing.assert_array_equal(made.prediction, 0)


def test_classes_without_logits_come_from_the_header_or_from_what_is_seen():
    answers = {"logits": None, "confidence": np.full((6, 2), 0.5), "prediction": np.full((6, 2), 2)}
    assert profile(**answers).n_classes == 4
    assert profile(**answers, header={"classes": 7}).n_classes == 7


@given(split=st.lists(st.integers(0, 1), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_halves_are_disjoint_complete_and_in_order(split, seed):
    n = len(split)
    rng = np.random.default_rng(seed)
    whole = profile(
        label=np.zeros(n, int),
        split=np.array(split),
        logits=rng.normal(size=(n, 2, 4)),
        work=np.arange(2.0 * n).reshape(n, 2),
        size=rng.random((n, 3)),
        features=rng.normal(size=(n, 5)),
    )
    halves = [whole.half("calibration"), whole.half("test")]
    assert [set(half.split.tolist()) <= {i} for i, half in enumerate(halves)] == [True, True]
    first = np.concatenate([half.work[:, 0] for half in halves])
    assert sorted(first) == list(whole.work[:, 0])
    for half in halves:
        rows = (half.work[:, 0] / 2).astype(int)
        assert np.all(np.diff(rows) > 0)
        for name in ("label", "logits", "confidence", "prediction", "features", "size"):
            np.testing.assert_array_equal(getattr(half, name), getattr(whole, name)[rows])


def test_a_half_may_be_empty_and_halves_again():
    everything = profile(split=np.ones(6, int))
    assert everything.half("calibration").n == 0
    assert everything.half("calibration").half("test").n == 0
    assert everything.half("test").digest == everything.digest
    with pytest.raises(ProfileError, match="no half 'tests'; did you mean 'test'"):
        everything.half("tests")


def test_arrays_are_copies_that_cannot_be_written():
    label = LABEL.copy()
    made = profile(label=label)
    label[0] = 3
    assert made.label[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        made.label[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        made.costs["native"].stage_s[0, 0] = 1


def test_the_digest_names_the_content():
    made = profile()
    assert len(made.digest) == 64
    assert profile().digest == made.digest
    assert pickle.loads(pickle.dumps(made)).digest == made.digest
    both = {"native": COSTS, "large": table(layers=[4, 5])}
    assert profile(costs=both).digest == profile(costs=dict(reversed(both.items()))).digest
    others = [
        profile(label=LABEL[::-1]),
        profile(name="q"),
        profile(header={"seed": 1}),
        profile(features=np.ones((6, 1))),
        profile(costs=both),
        profile(costs={"native": table(notes={})}),
        profile(logits=edited(LOGITS, (0, 0, 0), 9.0)),
    ]
    assert len({made.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_row_of_a_kind():
    assert COSTS.row("fast") == 1
    with pytest.raises(ProfileError, match="no device kind 'fsat'; did you mean 'fast'"):
        COSTS.row("fsat")


def test_a_cost_table_fills_in_what_may_be_left_out():
    made = CostTable(("a",), [1.0], [0.0], [[0.5]], [[0.0]], [10.0, 0.0])
    np.testing.assert_array_equal(made.stage_spread_s, [[0.0]])
    np.testing.assert_array_equal(made.head_spread_s, [[0.0]])
    np.testing.assert_array_equal(made.layers, [1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logits": edited(LOGITS, (1, 0, 3), np.nan)}, r"logits\[1, 0, 3\] is nan; a number within float16"),
        ({"logits": edited(LOGITS, (5, 1, 0), 1e6)}, r"logits\[5, 1, 0\] is 1e\+06; a number within float16"),
        ({"logits": LOGITS[:5]}, r"logits has shape \(5, 2, 4\); it must be \(n=6, K=2, C=4\)"),
        ({"logits": LOGITS[..., :0]}, "only the number of samples may be 0"),
        ({"logits": LOGITS[:, :1]}, "costs/native has 2 stages, but the samples have 1 exits"),
        ({"label": LABEL + 2}, r"label\[2\] is 4 \(and 1 more\); there are 4 classes, counted from 0"),
        ({"label": -LABEL}, r"label\[1\] is -1 \(and 3 more\); classes are counted from 0"),
        ({"label": LABEL / 2}, r"label holds float64; whole numbers \(int32\) would do"),
        ({"label": np.array(list("abcdef"))}, r"label holds <U1; whole numbers \(int32\) would do"),
        ({"split": SPLIT * 2}, r"split\[1\] is 2 \(and 3 more\); 0 is calibration and 1 is test"),
        ({"split": SPLIT[None]}, r"split has shape \(1, 6\); it must be \(n=6\)"),
        ({"work": np.full((6, 2), -1.0)}, r"work\[0, 0\] is -1 \(and 11 more\); a factor must be finite and 0"),
        ({"size": np.ones((6, 2))}, r"size has shape \(6, 2\); it must be \(n=6, K\+1=3\)"),
        ({"features": np.ones((6, 65))}, "features has 65 columns; at most 64 would do: project them"),
        ({"features": np.full((6, 1), np.inf)}, r"features\[0, 0\] is inf \(and 5 more\)"),
        ({"confidence": np.full((6, 2), 0.5)}, "confidence is not what the logits say; leave it out"),
        ({"logits": None}, "confidence is missing"),
        ({"costs": {}}, "costs is empty; a profile has at least one cost table"),
        ({"costs": {"a/b": COSTS}}, "costs has a table 'a/b'; its name may hold a-z"),
        ({"name": " "}, "name is empty"),
        ({"header": {"x": {1, 2}}}, "header is not plain JSON .*set"),
        ({"header": {"x": float("nan")}}, "header is not plain JSON"),
        ({"header": {"classes": "ten"}}, "header.classes is 'ten'; a whole number from 1 would do"),
        ({"header": {"classes": 9}}, "header.classes is 9, but logits have C=4"),
    ],
)
def test_a_bad_profile_says_what_is_wrong_and_what_would_do(changes, message):
    with pytest.raises(ProfileError, match=message):
        profile(**changes)


@pytest.mark.parametrize(
    ("confidence", "message"),
    [
        (edited(np.full((6, 2), 0.5), (4, 1), 1.2), r"confidence\[4, 1\] is 1.2; .* probability in \[0, 1\]"),
        (edited(np.full((6, 2), 0.5), (4, 1), np.nan), r"confidence\[4, 1\] is nan"),
    ],
)
def test_a_confidence_is_a_probability(confidence, message):
    with pytest.raises(ProfileError, match=message):
        profile(logits=None, confidence=confidence, prediction=np.zeros((6, 2), int))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage_s": -COSTS.stage_s}, r"stage_s\[0, 0\] is -0.1 \(and 3 more\); seconds must be finite and 0"),
        ({"head_s": [[0.0, np.nan]] * 2}, r"head_s\[0, 1\] is nan \(and 1 more\); seconds must be"),
        ({"stage_s": COSTS.stage_s[:1]}, r"stage_s has shape \(1, 2\); it must be \(kinds=2, K=2\)"),
        ({"out_bytes": [1.0, -2.0, 0.0]}, r"out_bytes\[1\] is -2; bytes must be finite and 0 or more"),
        ({"out_bytes": [1.0, 2.0, 3.0]}, r"out_bytes\[2\] is 3; nothing is sent on after the last stage: 0"),
        ({"out_bytes": [1.0, 2.0]}, r"out_bytes has shape \(2,\); it must be \(K\+1=3\)"),
        ({"stage_flops": [1.0, 2.0, 3.0]}, r"stage_s has shape \(2, 2\); it must be \(kinds=2, K=3\)"),
        ({"layers": [1, -1]}, r"layers\[1\] is -1; a stage has 0 layers or more"),
        ({"kinds": ("a", "a")}, r"kinds are \['a', 'a'\]; there must be one device kind or more, each once"),
        ({"notes": {"fsat": "?"}}, "notes: no device kind 'fsat'; did you mean 'fast'"),
    ],
)
def test_a_bad_cost_table_says_what_is_wrong(changes, message):
    with pytest.raises(ProfileError, match=message):
        table(**changes)


def test_all_faults_come_at_once():
    with pytest.raises(ProfileError) as caught:
        profile(name="", label=-LABEL, split=SPLIT + 5, work=np.ones((6, 9)), costs={"A": COSTS})
    assert [fault.split()[0] for fault in caught.value.faults] == ["name", "costs", "label[1]", "split[0]", "work"]
    assert len(str(caught.value).splitlines()) == 5
    assert pickle.loads(pickle.dumps(caught.value)).faults == caught.value.faults


def test_a_profile_can_be_replaced_field_by_field():
    made = replace(profile(), name="other")
    assert made.name == "other"
    np.testing.assert_array_equal(made.confidence, profile().confidence)


# --- probabilities in the place of logits


def softmax(logits):
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def cut(values):
    """Values as bfloat16 has them, without rounding: the last 16 bits of float32 are lost."""
    return (np.asarray(values, np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


MANY = np.random.default_rng(1).normal(0.0, 3.0, (300, 2, 1000))
FEW = np.random.default_rng(2).normal(0.0, 3.0, (300, 2, 4))


def with_logits(logits):
    n = len(logits)
    return Profile(
        name="p", label=np.zeros(n, int), split=np.arange(n) % 2, logits=logits, costs={"native": COSTS}
    )


@pytest.mark.parametrize("logits", [MANY, FEW], ids=["1000 classes", "4 classes"])
@pytest.mark.parametrize("written", [np.float64, np.float32, np.float16, cut], ids=["64", "32", "16", "bfloat16"])
def test_probabilities_are_no_logits(logits, written):
    made = written(softmax(logits))
    with pytest.raises(
        ProfileError, match=r"logits of exit 1, 2 are probabilities.*give what goes into the softmax"
    ):
        with_logits(made)
    with pytest.raises(ValueError, match="logits of exit 1, 2 are probabilities"):
        Outputs(made, made.max(axis=2), made.argmax(axis=2), np.zeros(len(made), int))


def test_one_exit_of_probabilities_is_enough():
    mixed = FEW.copy()
    mixed[:, 1] = softmax(FEW)[:, 1]
    with pytest.raises(ProfileError, match="logits of exit 2 are probabilities"):
        with_logits(mixed)


def test_classes_that_are_certain_are_no_logits():
    with pytest.raises(ProfileError, match="are probabilities"):
        with_logits(np.eye(4)[FEW.argmax(axis=2)])


@pytest.mark.parametrize(
    "logits",
    [
        np.log(softmax(FEW)),  # log-probabilities are logits
        np.log(softmax(40 * FEW) + 1e-9),
        np.random.default_rng(3).random((300, 2, 4)),  # in [0, 1], but they do not add up to 1
        FEW - FEW.mean(axis=2, keepdims=True) + 0.25,  # they add up to 1, but are not in [0, 1]
        np.where(np.arange(300)[:, None, None] < 299, softmax(FEW), FEW),  # one of 300 is none
        np.zeros((300, 2, 4)),
        np.ones((300, 2, 1)),  # one class
        np.zeros((0, 2, 4)),
    ],
    ids=["log", "log of nothing", "in [0, 1]", "sum 1", "all but one", "zeros", "one class", "none"],
)
def test_what_may_be_logits_is_taken(logits):
    assert with_logits(logits).n == len(logits)
