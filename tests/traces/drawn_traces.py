"""Random traces for the tests of traces."""

import numpy as np
from hypothesis import strategies as st

from mdisim.traces import ENDS, Trace


@st.composite
def traces(draw, ends=ENDS, columns=None, most=8):
    """Traces of ordinary numbers, with outages; with latency and loss, without, or as it comes."""
    n = draw(st.integers(1, most))
    widths = draw(st.lists(st.floats(0.01, 100), min_size=n, max_size=n))
    rates = draw(st.lists(st.one_of(st.just(0.0), st.floats(1, 1e9)), min_size=n, max_size=n))
    known = draw(st.booleans()) if columns is None else columns
    latency = draw(st.lists(st.floats(0, 1), min_size=n, max_size=n)) if known else None
    loss = draw(st.lists(st.floats(0, 0.9), min_size=n, max_size=n)) if known else None
    edges = np.concatenate(([0.0], np.cumsum(widths)))
    return Trace(edges[:-1], rates, edges[-1], draw(st.sampled_from(ends)), latency, loss)


@st.composite
def dyadic_traces(draw, ends=ENDS):
    """Traces whose times are eighths of a second and whose rates are powers of two: no rounding anywhere."""
    n = draw(st.integers(1, 6))
    widths = draw(st.lists(st.integers(1, 40), min_size=n, max_size=n))
    rates = draw(st.lists(st.sampled_from((0.0, 1.0, 2.0, 4.0, 8.0)), min_size=n, max_size=n))
    edges = np.concatenate(([0.0], np.cumsum(widths))) / 8.0
    return Trace(edges[:-1], rates, edges[-1], draw(st.sampled_from(ends)))


eighths = st.integers(0, 800).map(lambda k: k / 8.0)
