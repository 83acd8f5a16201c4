"""Every public name has one place in the site."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from pathlib import Path

import pytest
from public_names import public_names, thing

ROOT = Path(__file__).parents[2]
OURS = re.compile(r"^(mdisim\.\S+) py:(?:class|exception|function|data) (-?\d) ", re.MULTILINE)
ANOTHER_NAME = "-1"  # the priority of a name that only leads to where the object stands under another


def objects(inventory: Path) -> list[str]:
    """The names of classes, functions and data in an inventory (four lines, then packed ones)."""
    *_, packed = inventory.read_bytes().split(b"\n", 4)
    return [name for name, priority in OURS.findall(zlib.decompress(packed).decode()) if priority != ANOTHER_NAME]


@pytest.mark.site
def test_the_site_names_everything_once():
    """Of the site that `make docs` has built; that Sphinx warns of nothing is a matter of its option -W."""
    there = Counter(thing(name) for name in objects(ROOT / "build" / "site" / "objects.inv"))
    assert [name for name in public_names() if not there[thing(name)]] == []
    assert [name for name, times in there.items() if times > 1] == []
