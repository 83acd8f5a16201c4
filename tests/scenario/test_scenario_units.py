import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdisim.scenario.units import BANDWIDTH, DATA, DIMENSIONS, ENERGY_PER_BIT, POWER, RATE, TIME, parse, text


@pytest.mark.parametrize(
    ("written", "dimension", "si"),
    [
        ("5 ms", TIME, 0.005),
        ("9ms", TIME, 0.009),
        ("250 us", TIME, 250e-6),
        ("250 µs", TIME, 250e-6),
        ("1.5 min", TIME, 90.0),
        (" 2 h ", TIME, 7200.0),
        ("1e3 s", TIME, 1000.0),
        ("40/s", RATE, 40.0),
        ("40 /min", RATE, 40 / 60),
        ("2 Hz", RATE, 2.0),
        ("1.5 MB", DATA, 1.5e6),
        ("1 KiB", DATA, 1024.0),
        ("8 kbit", DATA, 1000.0),
        ("20 Mbps", BANDWIDTH, 20e6),
        ("20 Mbit/s", BANDWIDTH, 20e6),
        ("20 Mb/s", BANDWIDTH, 20e6),
        ("1 Gb/s", BANDWIDTH, 1e9),
        ("56 kb/s", BANDWIDTH, 56e3),
        ("20 fps", RATE, 20.0),
        ("1 MB/s", BANDWIDTH, 8e6),
        ("100 mW", POWER, 0.1),
        ("2 uJ/bit", ENERGY_PER_BIT, 2000.0),
        ("+.5 s", TIME, 0.5),
    ],
)
def test_quantities_become_si_numbers(written, dimension, si):
    assert parse(written, dimension) == si


@pytest.mark.parametrize(
    ("written", "dimension", "said"),
    [
        (20, BANDWIDTH, "20 has no unit; this key needs a bandwidth such as '20 Mbps' (units: kbps, "),
        ("20", TIME, "'20' has no unit; this key needs a time such as '5 ms' (units: ms, s, min, h)"),
        (True, TIME, "expected a time such as '5 ms', not true"),
        (None, TIME, "expected a time such as '5 ms', not nothing"),
        ([1], TIME, "expected a time such as '5 ms', not a list"),
        ("20 MB", BANDWIDTH, "'20 MB' is a data size, but this key needs a bandwidth such as '20 Mbps'"),
        ("2 nJ/bit", TIME, "'2 nJ/bit' is an energy per bit, but this key needs a time"),
        ("20 mbps", BANDWIDTH, "unknown unit 'mbps' in '20 mbps': this key needs a bandwidth such as '20 Mbps'; "
         "did you mean 'Mbps'?"),
        ("20 Mb", DATA, "did you mean 'Mbit' or 'MB'?"),
        ("20 MBps", BANDWIDTH, "did you mean 'MB/s' or 'Mbps'?"),
        ("20 KB", DATA, "did you mean 'kB'?"),
        ("3 fortnights", TIME, "it can be ms, s, min, h"),
        ("five ms", TIME, "'five ms' is not a number with a unit"),
        ("1,000 ms", TIME, "'1,000 ms' is not a number with a unit"),
        ("-5 ms", TIME, "'-5 ms' is negative; a time here must be greater than zero"),
        ("0 s", TIME, "'0 s' is zero; a time here must be greater than zero"),
        ("nan s", TIME, "is not a finite number"),
        ("inf s", TIME, "is not a finite number"),
        ("1e999 s", TIME, "is not a finite number"),
        ("٣ s", TIME, "is not a number with a unit"),
    ],
)  # fmt: skip
def test_what_is_no_quantity_is_told_what_would_do(written, dimension, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse(written, dimension)


def test_zero_is_refused_only_where_it_means_nothing():
    assert parse("0 s", TIME, zero=True) == 0.0
    with pytest.raises(ValueError, match="must be zero or more"):
        parse("-1 s", TIME, zero=True)


@given(st.sampled_from(DIMENSIONS), st.data())
def test_what_is_written_reads_back_to_the_same_bits(dimension, data):
    si = data.draw(st.just(0.0) | st.floats(dimension.limit.least, dimension.limit.most))
    assert parse(text(si, dimension), dimension, zero=True) == si


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda dimension: dimension.name)
def test_every_kind_of_quantity_has_its_limits(dimension):
    limit = dimension.limit
    assert parse(limit.least_told, dimension) == limit.least
    assert parse(limit.most_told, dimension) == limit.most
    for beyond, said in (
        (limit.least * 0.99, f"at least {limit.least_told}"),
        (limit.most * 1.01, f"at most {limit.most_told}"),
        (1e-300, "at least"),
        (1e300, "at most"),
    ):
        with pytest.raises(ValueError, match=said):
            parse(text(beyond, dimension), dimension, zero=True)


def test_no_unit_belongs_to_two_dimensions():
    units = [unit for dimension in DIMENSIONS for unit in dimension.units]
    assert len(units) == len(set(units))
    assert all(math.isclose(dimension.units[dimension.si], 1) for dimension in DIMENSIONS)


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda d: d.name)
def test_examples_and_usual_units_are_valid(dimension):
    assert parse(dimension.example, dimension) > 0
    assert set(dimension.usual) <= set(dimension.units)
