"""Throughput over time and recovery from faults, on runs whose answers were counted by hand."""

from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import answers, made_run

from mdisim import metrics
from mdisim.recovery import COLUMNS, RecoveryError, admitted_over_time, recovery, throughput_over_time

CRASH = (40.0, 60.0, "crash", "d1")


def only(run, **options):
    (row,) = recovery(run, **({"window_s": 5.0} | options)).to_dict("records")
    return row


def test_throughput_is_counted_in_whole_windows_by_their_ends():
    run = made_run([0.0, 1.0, 9.9, 10.0, 31.0, 34.0], duration_s=35.0)
    counted = throughput_over_time(run, 10.0)
    assert counted.to_dict() == {10.0: 0.3, 20.0: 0.1, 30.0: 0.0}  # 31 and 34 are in no whole window
    assert throughput_over_time(run, 10.0, start_s=5.0).to_dict() == {15.0: 0.2, 25.0: 0.0, 35.0: 0.2}
    assert throughput_over_time(run, 50.0).empty


def test_only_answers_count():
    run = made_run([1.0], ended=[(1.0, 2.0, "crash", 0), (1.0, nan, "in-flight", 0)], duration_s=10.0)
    assert throughput_over_time(run, 10.0).tolist() == [0.1]
    assert admitted_over_time(run, 10.0).tolist() == [0.3]


def test_windows_that_divide_the_run_are_all_there_whatever_rounding_does():
    assert len(throughput_over_time(made_run(duration_s=0.3), 0.1)) == 3


# fault from 40 s until its end, 10 answers per second but for the slow part
@pytest.mark.parametrize(
    ("end_s", "parts", "lowest", "took_s"),
    [
        (60.0, [(0, 42, 10), (42, 58, 1), (58, 100, 10)], 1.0, 20.0),
        (80.0, [(0, 40, 10), (40, 45, 2), (45, 100, 10)], 2.0, 5.0),  # recovered during the fault
        (80.0, [(0, 40, 10), (40, 45, 2), (45, 60, 10), (60, 65, 4), (65, 100, 10)], 2.0, 25.0),  # twice low
        (50.0, [(0, 45, 10), (45, 70, 4), (70, 100, 10)], 4.0, 30.0),  # and low for long after the fault
        (45.0, [(0, 50, 10), (50, 60, 1), (60, 100, 10)], 10.0, 0.0),  # low later: not of this fault
        (60.0, [(0, 100, 10)], 10.0, 0.0),
        (60.0, [(0, 40, 10), (40, 100, 9)], 9.0, 0.0),  # nine tenths are enough
        (42.0, [(0, 40, 10), (40, 42, 1), (42, 100, 10)], 6.4, 5.0),  # shorter than a window
        (40.000000001, [(0, 40, 10), (40, 42, 1), (42, 100, 10)], 6.4, 5.0),  # hardly any time
        (40.0, [(0, 100, 10)], 10.0, 0.0),
        (60.0, [(0, 40, 10), (50, 100, 8)], 0.0, nan),
        (inf, [(0, 40, 10), (40, 90, 5), (90, 100, 10)], 5.0, 50.0),  # for good, and made good by others
    ],
)
def test_recovery_counted_by_hand(end_s, parts, lowest, took_s):
    row = only(made_run(answers(*parts), [(40.0, end_s, "crash", "d1")]))
    assert row["before_per_s"] == pytest.approx(10.0)
    assert row["lowest_per_s"] == pytest.approx(lowest)
    assert row["recovery_s"] == pytest.approx(took_s, nan_ok=True)


def test_before_is_the_stated_time_without_the_warm_up():
    rising = answers((0, 10, 1), (10, 20, 4), (20, 40, 8), (40, 100, 5))
    assert only(made_run(rising, [CRASH]))["before_per_s"] == pytest.approx((40 + 160) / 30)
    assert only(made_run(rising, [CRASH]), before_s=10.0)["before_per_s"] == pytest.approx(8.0)


@pytest.mark.parametrize("start_s", [0.0, 5.0, 10.0])
def test_of_a_fault_in_the_warm_up_no_recovery_is_known(start_s):
    row = only(made_run(answers((0, 100, 10)), [(start_s, 60.0, "crash", "d1")]))
    assert isnan(row["before_per_s"])
    assert isnan(row["recovery_s"])
    assert row["lowest_per_s"] == pytest.approx(10.0)


def test_of_a_fault_just_before_the_end_no_recovery_is_known():
    row = only(made_run(answers((0, 100, 10)), [(97.0, 99.0, "outage", "d0 -> d1")]))
    assert isnan(row["lowest_per_s"])
    assert isnan(row["recovery_s"])


def test_the_share_decides():
    run = made_run(answers((0, 40, 10), (40, 60, 7), (60, 100, 10)), [CRASH])
    assert [only(run, share=share)["recovery_s"] for share in (0.7, 0.71, 1.0)] == [0.0, 20.0, 20.0]


def test_lost_and_retried_are_of_the_samples_there_during_the_fault():
    ended = [
        (30.0, 39.0, "crash", 0),  # gone before
        (39.0, 41.0, "crash", 0),  # lost in it
        (50.0, 70.0, "outage", 1),  # born in it, tried again in vain
        (55.0, 55.0, "source-down", 0),
        (45.0, 50.0, "queue-full", 0),  # lost to no fault
        (59.0, nan, "in-flight", 2),
        (20.0, 30.0, "answered", 1),  # tried again before
        (39.0, 80.0, "answered", 3),
        (60.0, 61.0, "crash", 1),  # after it
    ]
    row = only(made_run([], [CRASH], ended=ended))
    assert (row["lost"], row["retried"]) == (3, 3)


def test_a_run_without_faults_has_no_rows_but_all_columns():
    table = recovery(made_run(answers((0, 100, 10))))
    assert table.empty
    assert tuple(table.columns) == COLUMNS
    assert isnan(metrics.recovery_max_s(made_run([])))


def test_the_longest_recovery_is_a_measure():
    parts = answers((0, 30, 10), (30, 40, 1), (40, 60, 10), (60, 80, 1), (80, 100, 10))
    run = made_run(parts, [(30.0, 35.0, "crash", "d1"), (60.0, 75.0, "crash", "d1")])
    assert recovery(run)["recovery_s"].tolist() == [10.0, 20.0]
    assert metrics.recovery_max_s(run) == 20.0
    unsettled = made_run(
        answers((0, 30, 10), (30, 40, 1), (40, 60, 10)), run.faults.iloc[:, :4].to_numpy().tolist()
    )
    assert isnan(metrics.recovery_max_s(unsettled))


def test_what_is_made_up_for_after_an_earlier_fault_is_not_what_is_normal():
    """Ten a second are born; nothing is answered from 40 s to 50 s, and all of that in the 10 s after."""
    born = answers((0, 100, 10))
    ended = [(t, t if not 40 <= t < 50 else 50 + (t - 40), "answered", 0) for t in born]
    run = made_run([], [(40.0, 50.0, "outage", "d0 -> d1"), (60.0, 65.0, "crash", "d1")], ended=ended)
    first, second = recovery(run, window_s=5.0, before_s=10.0).to_dict("records")
    assert (first["before_per_s"], first["recovery_s"]) == (10.0, 10.0)
    assert (second["before_per_s"], second["recovery_s"]) == (10.0, 0.0)  # 20 a second, and never again so many


def test_of_a_fault_while_a_run_drains_no_recovery_is_asked():
    faults = [(40.0, 60.0, "crash", "d1"), (101.0, 102.0, "crash", "d1")]
    run = made_run(answers((0, 40, 10), (40, 50, 1), (50, 100, 10)), faults)
    assert metrics.recovery_max_s(run) == 10.0


@pytest.mark.parametrize("window_s", [0.0, -1.0, nan, inf])
def test_windows_without_a_width_are_refused(window_s):
    with pytest.raises(RecoveryError, match="seconds above 0 would"):
        throughput_over_time(made_run(), window_s)


@pytest.mark.parametrize("share", [0.0, 1.1, nan])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(RecoveryError, match="above 0 and at most 1 would"):
        recovery(made_run([], [CRASH]), share=share)


@given(
    st.lists(st.floats(0.0, 100.0), max_size=30), st.floats(0.5, 30.0), st.floats(0.0, 90.0), st.floats(0.1, 40.0)
)
def test_recovery_is_told_by_the_windows(done_s, window_s, start_s, for_s):
    run = made_run(sorted(done_s), [(start_s, start_s + for_s, "crash", "d1")])
    row = only(run, window_s=window_s)
    rates = throughput_over_time(run, window_s, start_s)
    took_s = row["recovery_s"]
    if len(rates):
        assert row["lowest_per_s"] >= rates.min()
    if not isnan(took_s):
        assert took_s / window_s == pytest.approx(round(took_s / window_s))
        low = rates < 0.9 * row["before_per_s"]
        before = round(took_s / window_s)
        if before:
            assert low.iloc[before - 1]
            assert before == len(low) or not low.iloc[before]
