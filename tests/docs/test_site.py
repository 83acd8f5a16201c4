"""The site is built without a warning, and every public name has one place in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import pytest
from public_names import public_names, thing

ROOT = Path(__file__).parents[2]
LIBRARIES = ("sphinx", "furo", "myst_nb", "sphinx_click", "sphinx_copybutton", "matplotlib")
OURS = re.compile(r"^(mdisim\.\S+) py:(?:class|exception|function|data) (-?\d) ", re.MULTILINE)
ANOTHER_NAME = "-1"  # the priority of a name that only leads to where the object stands under another


def objects(inventory: Path) -> list[str]:
    """The names of classes, functions and data in an inventory (four lines, then packed ones)."""
    *_, packed = inventory.read_bytes().split(b"\n", 4)
    return [name for name, priority in OURS.findall(zlib.decompress(packed).decode()) if priority != ANOTHER_NAME]


def test_the_site_is_built_without_a_warning_and_names_everything_once(tmp_path):
    for library in LIBRARIES:
        pytest.importorskip(library, reason="the site needs its libraries: pip install 'mdisim[docs]'")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", "docs"]
    where = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, "-D", "nb_execution_mode=off", ".", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": where, "JUPYTER_PLATFORM_DIRS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    there = Counter(thing(name) for name in objects(tmp_path / "site" / "objects.inv"))
    assert [name for name in public_names() if not there[thing(name)]] == []
    assert [name for name, times in there.items() if times > 1] == []
