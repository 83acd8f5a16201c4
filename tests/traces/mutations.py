"""Files of traces, broken at random, and what must hold of reading them: a trace that works, or one message."""

from pathlib import Path

import numpy as np

from mdisim.traces import TraceError, read, resampled, shifted, statistics, write
from mdisim.traces.formats import WRITTEN

_WORDS = b"""nan inf -inf -1 -0.0 0 1e400 1e-400 1e308 5e-324 1_0 0x10 1. .5 +3 1d5 1e17 9007199254740993 - NaT
null true [ {} " # , time_s 2020.02.30_00.00.00 0000.01.01_00.00.00 9999.12.31_23.59.60"""
_BLANKS = (b"", b" ", b"\t", b"\n", b"\n\n", b"\r", b"\0", b"\x0b", b"\x1c", b"\xc2\x85", b"\xe2\x80\xa8")
_BYTES = (b"9" * 400, b"\xff\xfe", b"\xef\xbb\xbf", b"\xd9\xa1", b"# end: stop\n", b"# duration_s: 1e308\n")
NASTY = (*_WORDS.split(), *_BLANKS, *_BYTES)


def mutated(content, rng):
    """The same bytes with one to four things done to them."""
    for _ in range(rng.integers(1, 5)):
        content = CHANGES[rng.integers(len(CHANGES))](content, rng)
    return content


def _flipped(content, rng):
    flipped = bytearray(content)
    for place in rng.integers(0, max(len(content), 1), rng.integers(1, 4)) if content else ():
        flipped[place] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def _truncated(content, rng):
    return content[: rng.integers(len(content) + 1)]


def _beheaded(content, rng):
    return content[rng.integers(len(content) + 1) :]


def _lines_moved(content, rng):
    lines = content.split(b"\n")
    one, other = rng.integers(len(lines), size=2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _lines_repeated(content, rng):
    lines = content.split(b"\n")
    at = rng.integers(len(lines))
    return b"\n".join([*lines[:at], *[lines[at]] * int(rng.integers(0, 4)), *lines[at + 1 :]])


def _inserted(content, rng):
    at = rng.integers(len(content) + 1)
    return content[:at] + NASTY[rng.integers(len(NASTY))] + content[at:]


def _replaced(content, rng):
    """Another value in the place of one between two separators."""
    marks = [-1, *(k for k, byte in enumerate(content) if byte in b" \t,\n:{}[]"), len(content)]
    k = rng.integers(len(marks) - 1)
    return content[: marks[k] + 1] + NASTY[rng.integers(len(NASTY))] + content[marks[k + 1] :]


CHANGES = (_flipped, _truncated, _beheaded, _lines_moved, _lines_repeated, _inserted, _replaced, _replaced)


def tried(path: Path, form: str | None) -> bool:
    """Whether the file could be read; whatever else than a short TraceError is raised comes through."""
    trace, refusal = _answer(lambda: read(path, form))
    if trace is None:
        assert refusal.startswith(f"{path}: "), refusal
        return False
    assert np.isfinite(trace.mean_bps())
    assert trace.finish_s(0.0, 1.0) >= 0.0
    assert trace.finish_s(0.3 * trace.duration_s, 1.5 * trace.bits(trace.duration_s)) >= 0.0
    for ask in (statistics, lambda t: resampled(t, t.duration_s / 7), lambda t: shifted(t, t.duration_s / 3)):
        _answer(lambda ask=ask: ask(trace))
    out = path.with_suffix(".out")
    for target in WRITTEN:
        _, refusal = _answer(lambda target=target: write(trace, out, target))
        assert not refusal or refusal.startswith(f"{out}: "), refusal
        assert refusal or target != "mdisim" or read(out) == trace
    return True


def _answer(ask):
    """What is returned and the message of a TraceError, one of them empty."""
    try:
        return ask(), ""
    except TraceError as error:
        message = str(error)
    assert 0 < len(message) < 2000, message
    return None, message
