"""Broken files: a reader answers with a trace that works or with one message, never with a traceback.

Each reader was tried for five minutes, all with about 1.24 million files; what was found is mended, and below as
`BROKE`. FUZZ_FILES and FUZZ_SEED in the environment make it more files, and others.
"""

import os

import numpy as np
import pytest
from made_files import KNOWN
from mutations import mutated, tried

FILES, SEED = int(os.environ.get("FUZZ_FILES", 120)), int(os.environ.get("FUZZ_SEED", 7))
HEAD = b"time_s,rate_bps,latency_s\n"
BROKE = {
    "a separator that strips but is no blank": HEAD + b"0,1\x1c,.1\n2,3,.2\n",
    "a duration beyond all milliseconds": b"# duration_s: 1e308\n" + HEAD + b"0,1,.1\n",
    "a latency beyond all milliseconds": HEAD + b"0,1,.11e308\n2,3,.2\n",
    "an empty line above two columns": b"\n\n9000 100\n2700 100\n2700 100\n2700 100\n",
    "ten thousand empty lines": b"1\n" * 10_000 + b"\n" * 20_000 + b"2\n",
    "lists in lists, as deep as can be read": b"[" * 800 + b"]" * 800,
    "bits that a second lap makes infinite": b"time_s,rate_bps\n0,8e6\n1.5,1e308\n",
}


@pytest.mark.parametrize("form", KNOWN)
def test_broken_files_are_read_or_refused(form, tmp_path):
    rng, path = np.random.default_rng(SEED), tmp_path / "broken"
    read = 0
    for k in range(FILES):
        path.write_bytes(mutated(KNOWN[form][0].encode(), rng))
        read += tried(path, form if k % 3 else None)
    assert 0 < read < FILES


@pytest.mark.parametrize("content", BROKE.values(), ids=BROKE)
def test_what_once_broke_a_reader_does_so_no_more(content, tmp_path):
    path = tmp_path / "broken"
    path.write_bytes(content)
    tried(path, None)
