"""All named policies have a family, and say what they are, where they come from and what of them does not."""

from __future__ import annotations

import re
from inspect import cleandoc

import pytest

from mdisim import planners
from mdisim.planners import FAMILIES, RECIPES, catalogue
from mdisim.policies import described

FEW = 5  # words, below which nothing is said
VALUES = {"join", "offer", "drawn", "guarded"}  # of parameters, quoted without their names


def test_every_policy_is_in_one_family() -> None:
    assert list(FAMILIES) == ["mesh", "partitions", "tiers", "bandits"]
    assert sorted(name for names in FAMILIES.values() for name in names) == sorted(RECIPES)
    assert FAMILIES["mesh"] == ("ddi", "local", "mdi-exit", "no-exit", "oracle", "random", "remote")
    assert FAMILIES["partitions"] == ("branchynet-partition", "calibrated-partition", "popex")
    assert {"dimee", "cascade", "all-cloud"} < set(FAMILIES["tiers"])
    assert {"split-ee", "cee-bert-2", "queue-aware"} < set(FAMILIES["bandits"])


def test_the_catalogue_is_what_the_docstrings_say() -> None:
    rows = catalogue()
    assert [(row["family"], row["policy"]) for row in rows] == [
        (f, name) for f in FAMILIES for name in FAMILIES[f]
    ]
    for row in rows:
        said = described(RECIPES[row["policy"]])
        parts = (row["what"], row["how"], row["source"], row["reconstructed"])
        assert parts == (said.summary, said.how, said.source, said.reconstructed)
    assert len({row["what"] for row in rows}) == len(rows)
    assert all(name in planners.__all__ for name in ("FAMILIES", "RECIPES", "catalogue"))


@pytest.mark.parametrize("name", RECIPES)
def test_every_policy_says_where_it_comes_from(name: str) -> None:
    said = described(RECIPES[name])
    for part in (said.summary, said.source, said.reconstructed):
        assert len(part.split()) > FEW
        assert part.endswith((".", "?"))
    assert re.search(r"\b(19|20)\d\d\b|\barXiv \d{4}\.\d{5}\b|^no paper;", said.source)


@pytest.mark.parametrize("name", RECIPES)
def test_docstrings_are_plain_paragraphs_in_markdown_and_restructuredtext(name: str) -> None:
    text = cleandoc(RECIPES[name].__doc__ or "")
    summary, gap, *lines = text.split("\n")
    assert (summary[-1] in ".?", gap) == (True, "")
    for line in lines:
        assert not line.startswith(" ")
        assert not re.match(r"([-+*#>=|]|\d+[.)] |\.\. )", line), "begins like a list or a heading"
    assert all(paragraph.count("`") % 2 == 0 for paragraph in text.split("\n\n"))
    assert not re.search(r"[*|\\]|``|\w_\b(?!\()", text), "would be markup"


@pytest.mark.parametrize("name", RECIPES)
def test_policies_named_in_docstrings_exist(name: str) -> None:
    quoted = set(re.findall(r"`([^`]+)`", RECIPES[name].__doc__ or ""))
    fields = set(RECIPES[name].__dataclass_fields__)  # type: ignore[attr-defined]
    for word in quoted:
        assert word in RECIPES or word.partition(":")[0] in fields | VALUES, word
