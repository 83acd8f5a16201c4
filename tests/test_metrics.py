"""Every measure against a table small enough to count by hand."""

from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import fixed, line

from mdisim import metrics, promises
from mdisim.engine import run
from mdisim.results import STATUSES, Run
from mdisim.world import Arrivals

# The window is [10, 20): ten seconds. Devices d0 and d1, a source at each; two exits.
#        source born  admitted done  status      exit  device correct hops bytes cost energy
ROWS = [
    ("d0", 9.0, 9.0, 11.0, "answered", 1, "d0", True, 0, 0, 1.0, 1.0),  # born before the window
    ("d0", 10.0, 10.0, 11.0, "answered", 1, "d0", True, 0, 0, 1.0, 2.0),
    ("d0", 11.0, 11.0, 15.0, "answered", 2, "d1", True, 2, 1100, 5.0, 4.0),  # late for its deadline
    ("d0", 12.0, 12.0, 14.0, "answered", 2, "d0", False, 2, 2000, 3.0, 3.0),  # went and came back
    ("d1", 13.0, 13.0, 14.0, "answered", 1, "d1", True, 0, 0, 1.0, 1.0),
    ("d1", 14.0, nan, 14.0, "refused", 0, None, False, 0, 0, 0.0, 0.0),
    ("d0", 15.0, 15.0, 16.0, "queue-full", 0, None, False, 1, 500, 0.0, 0.0),
    ("d0", 16.0, 16.0, nan, "in-flight", 0, None, False, 0, 0, 0.0, 0.0),
    ("d1", 19.0, 19.0, 21.0, "answered", 2, "d1", True, 0, 0, 2.0, 2.0),  # answered after the window
    ("d1", 20.0, 20.0, 21.0, "answered", 1, "d1", True, 0, 0, 1.0, 1.0),  # born after the window
]
NAMES = ("source", "born_s", "admitted_s", "done_s", "status", "exit", "device", "correct", "hops", "bytes_sent",
         "cost", "energy_j")  # fmt: skip


def by_hand(rows: list[tuple[object, ...]] = ROWS, names: tuple[str, ...] = ("d0", "d1")) -> Run:
    tasks = pd.DataFrame(rows, columns=list(NAMES))
    numbers = ("born_s", "admitted_s", "done_s", "cost", "energy_j")
    tasks = tasks.astype(dict.fromkeys(numbers, float) | {"exit": "int8", "hops": "int16", "correct": bool})
    tasks["status"] = pd.Categorical(tasks["status"], list(STATUSES))
    for column in ("source", "device"):
        tasks[column] = pd.Categorical(tasks[column], names)
    for part in ("wait_s", "compute_s", "transfer_s"):
        tasks[part] = 0.5
    times = [5.0, 5.0, 12.0, 12.0, 18.0, 18.0, 20.0, 20.0]
    timeline = pd.DataFrame({"time_s": times, "device": pd.Categorical(["d0", "d1"] * 4)})
    timeline["queue"], timeline["out_queue"] = [9, 9, 1, 2, 3, 5, 9, 9], [9, 9, 0, 1, 1, 1, 9, 9]
    devices = pd.DataFrame({"device": ["d0", "d1"], "utilisation": [0.5, 0.75], "energy_j": [10.0, 20.0]})
    links = pd.DataFrame({"link": ["d0 -> d1", "d1 -> d0"], "channel": [0, 0], "utilisation": [0.25, 0.125]})
    links["sender"] = [0, 1]
    sources = pd.DataFrame({"source": names, "deadline_s": [3.0] + [inf] * (len(names) - 1)})
    sources = sources.assign(device=names, arrivals="poisson", offered_per_s=1.0)
    rates = pd.DataFrame({"time_s": [], "link": [], "rate_bps": []})
    faults = pd.DataFrame({"start_s": [], "end_s": [], "kind": [], "target": [], "factor": []})
    return Run(tasks, timeline, devices, links, sources, rates, faults, "by-hand", {}, 1, 20.0, 10.0, 2)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        (metrics.offered_per_s, 8 / 10),
        (metrics.admitted_per_s, 7 / 10),
        (metrics.throughput_per_s, 5 / 10),
        (metrics.goodput_per_s, 3 / 10),  # the wrong one and the late one do not count
        (metrics.accuracy, 4 / 5),
        (metrics.in_time_accuracy, 3 / 8),
        (metrics.offload_share, 2 / 5),
        (metrics.in_flight_share, 1 / 7),
        (metrics.bytes_per_sample, 3100 / 5),
        (metrics.cost_mean, 12 / 5),
        (metrics.energy_per_sample_j, 12 / 5),
        (metrics.devices_energy_j, 30.0),
        (metrics.fairness, (4 + 1) ** 2 / (2 * (16 + 1))),
        # 1 s of the first, 1, 4, 2, 1, none, 1, 4 to the end, 1 to the end
        (metrics.in_system_mean, (1 + 1 + 4 + 2 + 1 + 1 + 4 + 1) / 10),
    ],
)
def test_a_measure_counted_by_hand(measure, value):
    assert measure(by_hand()) == pytest.approx(value, rel=1e-12)


def test_exit_shares_are_of_the_answers_and_add_up():
    shares = metrics.exit_shares(by_hand())
    assert shares.to_dict() == {1: 2 / 5, 2: 3 / 5}


def test_losses_tell_reasons_apart():
    shares = metrics.losses(by_hand())
    assert shares[shares > 0.0].to_dict() == {"refused": 1 / 8, "queue-full": 1 / 8}


def test_latencies_are_of_samples_born_in_the_window():
    assert sorted(metrics.latency_s(by_hand())) == [1.0, 1.0, 2.0, 2.0, 4.0]
    summary = metrics.summary(by_hand())
    assert summary["latency_mean_s"] == 2.0
    assert summary["latency_p50_s"] == 2.0
    assert summary["latency_p95_s"] == pytest.approx(3.6)  # linear between the 4th and the 5th


def test_queues_are_averaged_within_the_window():
    queues = metrics.queue_lengths(by_hand())
    assert queues.loc["d0"].to_dict() == {"queue": 2.0, "out_queue": 0.5}
    assert queues.loc["d1"].to_dict() == {"queue": 3.5, "out_queue": 1.0}


def test_links_of_one_channel_add_up():
    assert metrics.channel_utilisation(by_hand()).to_dict() == {0: 0.375}
    assert metrics.device_utilisation(by_hand()).to_dict() == {"d0": 0.5, "d1": 0.75}


def test_saving_against_the_cloud():
    assert metrics.cost_saving(by_hand(), 4.8) == pytest.approx(0.5)


def test_number_in_the_system_over_time():
    counted = metrics.in_system(by_hand(), np.array([8.0, 9.0, 10.5, 12.5, 16.5, 20.5]))
    assert counted.tolist() == [0, 1, 2, 2, 1, 3]


@pytest.mark.filterwarnings("error")
def test_nothing_to_count_is_nan_and_no_warning():
    empty = metrics.summary(by_hand(ROWS[:1]))
    assert empty["offered_per_s"] == 0.0
    assert empty["throughput_per_s"] == 0.1  # born before, answered within
    for key in ("accuracy", "in_time_accuracy", "latency_mean_s", "latency_p99_s", "exit_1_share", "offload_share",
                "in_flight_share", "refused_share", "cost_mean"):  # fmt: skip
        assert isnan(empty[key]), key
    assert isnan(metrics.summary(by_hand([]))["fairness"])


def test_a_summary_is_flat_and_json_can_say_it():
    summary = by_hand().summary()
    assert all(isinstance(value, float | str) for value in summary.values())
    assert set(summary) == {*metrics.names(2), "verdict"}
    assert (summary["refused_share"], summary["lost_share"]) == (1 / 8, 1 / 8)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=9))
def test_fairness_is_jains_index(counts):
    names = tuple(f"s{i}" for i in range(len(counts)))
    rows = [(name, 12.0, 12.0, 13.0, "answered", 1, None, True, 0, 0, 0.0, 0.0)
            for name, count in zip(names, counts, strict=True) for _ in range(count)]  # fmt: skip
    index = metrics.fairness(by_hand(rows, names))
    if not any(counts):
        assert isnan(index)
    else:
        x = np.array(counts, dtype=float)
        assert index == pytest.approx(x.sum() ** 2 / (len(x) * (x**2).sum()))
        assert 1 / len(x) <= index + 1e-12 <= 1 + 2e-12


def md1(load: float, seed: int, **more) -> Run:
    """One device of 10 ms a sample and Poisson arrivals, 5,000 of them in the window."""
    end_s = 5000 * 0.01 / load
    world = line(stage_s=(0.01,), arrivals=Arrivals("poisson", load / 0.01), duration_s=1.2 * end_s,
                 warmup_s=0.2 * end_s, **more)  # fmt: skip
    return run(world, fixed(world), seed)


def test_little_and_utilisation_on_a_queue_of_known_load():
    summary = md1(0.8, 3).summary()
    through = summary["admitted_per_s"] * summary["latency_mean_s"]
    assert summary["in_system_mean"] == pytest.approx(through, rel=0.02)
    assert summary["device_utilisation_max"] == pytest.approx(0.01 * summary["throughput_per_s"], rel=1e-3)
    waiting = summary["in_system_mean"] - summary["device_utilisation_max"]
    assert summary["queued_mean"] == pytest.approx(waiting, rel=0.15)  # 500 looks at it


# --- deadlines


@pytest.mark.parametrize("rate_per_s", [1.0, 7.0, 9.99])
def test_an_answer_at_its_deadline_is_in_time(rate_per_s):
    """A service of 100 ms and a deadline of 100 ms: instants are sums of many gaps, and no two round alike."""
    world = line(stage_s=(0.1,), arrivals=Arrivals("constant", rate_per_s), duration_s=600.0, warmup_s=60.0,
                 deadline_s=0.1)  # fmt: skip
    done = run(world, fixed(world), 1)
    offered = metrics.born(done).sum()
    assert metrics.in_time_accuracy(done) == pytest.approx(1.0, abs=1.01 / offered)  # one may be in flight
    assert promises.missed_deadline_probability(done, 0.1, 0.5, batch=1).value == 0.0
    sooner = replace(done, sources=done.sources.assign(deadline_s=0.1 * (1 - 1e-6)))
    assert metrics.in_time_accuracy(sooner) == 0.0
    assert promises.missed_deadline_probability(done, 0.1 * (1 - 1e-6), 0.5, batch=1).value == 1.0


@given(st.floats(0.0, 1e7), st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=12), st.floats(1e-6, 1.0))
def test_rounding_makes_nothing_late_and_lets_nothing_pass(born_s, delays_s, late_by):
    done_s = born_s
    for delay_s in delays_s:
        done_s += delay_s
    deadline_s = float(np.sum(delays_s))
    slack_s = float(metrics.slack_s(deadline_s, done_s))
    assert done_s - born_s <= deadline_s + slack_s
    assert slack_s < 1e-9 * deadline_s + 1e-7
    assert done_s + late_by - born_s > deadline_s + slack_s
