"""Samples of one group stay together: in a profile's halves, and in the parts of a set of phrases."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdisim.profiles import Profile, ProfileError, read, stated_costs, write
from mdisim.profiles.build.sentences import (
    MOVIE_FILE,
    Labelled,
    TextError,
    divide,
    parents_of,
    read_movies,
    read_sst2,
)
from mdisim.profiles.halves import divided, two_parts

COSTS = stated_costs(2, stage_s=0.01, out_bytes=[8, 4, 0])
WORDS = ["good", "bad", "film", "the", "a", "dull"]
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)


def profile(group, **changes):
    n = len(group)
    rng = np.random.default_rng(0)
    kept = {
        "name": "p",
        "label": rng.integers(0, 3, n),
        "split": np.arange(n) % 2,
        "logits": rng.normal(size=(n, 2, 3)),
        "group": np.array(group),
        "costs": {"native": COSTS},
    }
    return Profile(**(kept | changes))


@given(
    group=st.lists(st.integers(0, 8), min_size=1, max_size=60),
    cut=st.tuples(st.floats(0.05, 0.6), st.floats(0.05, 0.35)),
    seed=st.integers(0, 99),
)
def test_a_division_keeps_groups_whole_and_comes_near_the_shares(group, cut, seed):
    group, shares = np.array(group), (*cut, 1 - sum(cut))
    part = divided(group, shares, np.random.default_rng(seed))
    assert all(len(set(part[group == name])) == 1 for name in group)
    largest = np.bincount(group).max()
    counts = np.bincount(part, minlength=3)
    assert np.all(np.abs(counts - np.array(shares) * len(group)) <= largest + 1e-9)
    np.testing.assert_array_equal(part, divided(group, shares, np.random.default_rng(seed)))


@given(group=st.lists(st.integers(0, 8), min_size=2, max_size=40), seed=st.integers(0, 99))
def test_new_halves_share_no_group_and_change_nothing_else(group, seed):
    whole = profile(group)
    new = whole.resplit(seed)
    halves = [set(new.half(name).group.tolist()) for name in ("calibration", "test")]
    assert not halves[0] & halves[1]
    assert halves[0] | halves[1] == set(group)
    for name in ("label", "logits", "group", "confidence"):
        np.testing.assert_array_equal(getattr(new, name), getattr(whole, name))
    assert new.digest == whole.resplit(seed).digest
    assert new.header["resplit_seed"] == seed


def test_without_groups_the_halves_keep_their_sizes_and_seeds_differ():
    whole = replace(profile(range(100), split=(np.arange(100) >= 30) * 1), group=None)
    first, second = whole.resplit(1), whole.resplit(2)
    assert (first.half("test").n, second.half("test").n) == (70, 70)
    assert np.any(first.split != second.split)
    assert np.any(first.split != whole.split)


def test_two_parts_share_no_group():
    group = np.random.default_rng(0).integers(0, 60, 500)
    one, other = two_parts(500, group, np.random.default_rng(1))
    assert not {*group[one]} & {*group[other]}
    assert sorted([*one, *other]) == list(range(500))
    assert abs(len(one) - 250) < 20
    alone = two_parts(501, None, np.random.default_rng(1))
    assert [len(part) for part in alone] == [251, 250]


def test_groups_are_kept_in_the_file_and_in_halves(tmp_path):
    whole = profile([3, 3, 7, 0])
    write(whole, tmp_path / "p.npz")
    kept = read(tmp_path / "p.npz")
    assert kept.digest == whole.digest != replace(whole, group=None).digest
    assert kept.group.dtype == np.int32
    np.testing.assert_array_equal(kept.half("test").group, [3, 0])


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ([0, -1, 2], r"group\[1\] is -1; groups are numbered from 0"),
        ([0.5, 1, 2], r"group holds float64; whole numbers \(int32\) would do"),
        ([[0, 1, 2]], r"group has shape \(1, 3\); it must be \(n=3\)"),
    ],
)
def test_bad_groups_are_refused(group, message):
    with pytest.raises(ProfileError, match=message):
        replace(profile([0, 1, 2]), group=np.array(group))


# ---- phrases and their parents


def labelled(texts, label=None):
    label = np.arange(len(texts)) % 2 if label is None else np.array(label)
    return Labelled("sst2", "made up", "none", tuple(texts), label.astype(np.int64))


def inside(phrase, text):
    """Whether the words of `phrase` are in `text` in a row, told word by word."""
    few, many = phrase.split(), text.split()
    return any(many[i : i + len(few)] == few for i in range(len(many) - len(few) + 1))


def test_parents_are_the_phrases_inside_no_other():
    texts = ["a dull film", "dull", "A Dull", "a good film", "good films", "film"]
    found = parents_of(texts)
    parents = ["a dull film", "a good film", "good films"]
    assert len({tuple(found[parent]) for parent in parents}) == len(parents)
    assert found["dull"] == found["A Dull"] == found["a dull film"]
    assert sorted(found["film"]) == sorted(found["a dull film"] + found["a good film"])
    assert len(found["good films"]) == 1  # 'films' is another word


@given(st.lists(words, min_size=1, max_size=25, unique=True))
def test_parents_are_those_that_word_by_word_comparison_finds(texts):
    found = parents_of(texts)
    tops = [t for t in texts if not any(inside(t, other) for other in texts if other != t)]
    assert len({tuple(found[t]) for t in tops}) == len(tops)
    for text in texts:
        assert sorted(found[text]) == sorted(found[t][0] for t in tops if inside(text, t))


@given(st.lists(words, min_size=3, max_size=40), st.integers(0, 50))
def test_no_phrase_of_one_part_lies_in_a_text_of_another(texts, seed):
    data = labelled(texts)
    try:
        made = divide(data, (0.4, 0.3, 0.3), seed)
    except TextError:
        return  # too few texts for three parts
    assert len(set(made.texts)) == len(made.texts)
    for i, text in enumerate(made.texts):
        for j, other in enumerate(made.texts):
            if inside(text, other):
                assert made.part[i] == made.part[j]
                assert made.group[i] == made.group[j]
    counts = made.counts
    left_out = counts["repeated"] + counts["of both labels"] + counts["in several parents"]
    assert counts["read"] == len(texts) == left_out + len(made.texts)
    assert [counts[name] for name in ("train", "calibration", "test")] == np.bincount(made.part).tolist()
    truth = dict(zip(data.texts, data.label, strict=True))
    assert [truth[text] for text in made.texts] == made.label.tolist()


def test_a_text_of_both_labels_and_one_said_twice_are_left_out():
    texts = ["one", "two", "two", "three", "three", "four", "five", "six", "seven"]
    made = divide(labelled(texts, [0, 1, 1, 0, 1, 0, 1, 0, 1]), (0.4, 0.3, 0.3), 0)
    assert sorted(made.texts) == sorted({"one", "two", "four", "five", "six", "seven"})
    assert (made.counts["repeated"], made.counts["of both labels"]) == (2, 1)


def test_sst2_is_read_with_its_columns_in_either_order(tmp_path):
    for header, row in (("label\tsentence", "1\ta good film "), ("sentence\tlabel", "a good film \t1")):
        (tmp_path / "train.tsv").write_text(f"{header}\n{row}\n", encoding="utf-8")
        data = read_sst2(tmp_path)
        assert (data.texts, data.label.tolist()) == (("a good film",), [1])
    with pytest.raises(TextError, match="no such file; GLUE's SST-2 has it"):
        read_sst2(tmp_path / "none")
    (tmp_path / "train.tsv").write_text("label\tsentence\n2\twhat\n", encoding="utf-8")
    with pytest.raises(TextError, match=r"train.tsv, line 2: a phrase and 0 or 1 with a tab between would do"):
        read_sst2(tmp_path)
    (tmp_path / "train.tsv").write_text("nothing\n", encoding="utf-8")
    with pytest.raises(TextError, match="its first line must name two columns"):
        read_sst2(tmp_path)


def test_movie_snippets_that_nobody_is_sure_about_are_left_out(tmp_path):
    path = tmp_path / MOVIE_FILE
    path.write_text("1\t2.5\tA joy\n2\t-0.4\tHm\n3\t-0.5\tA bore\n", encoding="utf-8")
    data = read_movies(path)
    assert (data.texts, data.label.tolist()) == (("A joy", "A bore"), [1, 0])
    path.write_text("1\tx\tA joy\n", encoding="utf-8")
    with pytest.raises(TextError, match="line 1: a number, a rating and a text with tabs would do"):
        read_movies(path)
