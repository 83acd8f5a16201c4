"""Whoever cites mdisim finds its version, and the entry of every policy, profile and trace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import mdisim
from mdisim import profiles, traces
from mdisim.planners import RECIPES, catalogue

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "cite.md").read_text(encoding="utf-8")
CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
BIBTEX = "".join(re.findall(r"^```bibtex\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
ENTRIES = dict(re.findall(r"^@\w+\{([\w-]+),\n(.*?)^\}", BIBTEX, re.MULTILINE | re.DOTALL))
ROWS = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", PAGE, re.MULTILINE)
ARXIV = re.compile(r"\b(\d{4}\.\d{5})\b")


def cited(name: str) -> set[str]:
    """The keys of entries in the table's row of a policy, a profile or a trace."""
    return {key for row, cells in ROWS if row == name for key in re.findall(r"`([\w-]+)`", cells)}


def test_the_version_is_that_of_the_package():
    assert CFF["version"] == mdisim.__version__
    assert f"{{{mdisim.__version__}}}" in ENTRIES["mdisim"]


def test_the_file_is_what_the_format_asks_for():
    """CFF 1.2.0: four required keys; an entity has a name. Nothing is stated that is not there."""
    assert CFF["cff-version"] == "1.2.0"
    assert CFF["type"] == "software"
    assert CFF["authors"] == [{"name": "The mdisim authors"}]
    assert all(isinstance(CFF[key], str) and CFF[key] for key in ("message", "title", "abstract", "license"))
    assert not CFF.keys() & {"doi", "identifiers", "repository", "repository-code", "url", "date-released"}
    assert CFF["title"] in ENTRIES["mdisim"]


def test_every_policy_profile_and_trace_has_one_row():
    names = [name for name, _ in ROWS]
    assert sorted(names) == sorted([*RECIPES, *profiles.shipped(), *traces.shipped()])


def test_rows_and_entries_fit():
    keys = set().union(*(cited(name) for name, _ in ROWS))
    assert keys | {"mdisim", "cario1996arta"} == set(ENTRIES)
    assert len(ENTRIES) == BIBTEX.count("\n@") + BIBTEX.startswith("@")
    assert all(cited(name) for name, _ in ROWS)


@pytest.mark.parametrize("policy", catalogue(), ids=lambda policy: policy["policy"])
def test_a_paper_that_a_policy_comes_from_is_cited(policy):
    eprints = ARXIV.findall("".join(ENTRIES[key] for key in cited(policy["policy"])))
    assert set(ARXIV.findall(policy["source"])) <= set(eprints)


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_is_well_formed(key):
    fields = re.findall(r"^  (\w+) += \{(.*)\},?$", ENTRIES[key], re.MULTILINE)
    assert len(fields) == ENTRIES[key].count("\n")
    assert all(value.count("{") == value.count("}") for _, value in fields)
    assert "title" in dict(fields)
    assert dict(fields).get("archiveprefix", "arXiv") == "arXiv"
    assert ("archiveprefix" in dict(fields)) == ("eprint" in dict(fields))
