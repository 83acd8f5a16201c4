"""The verdict against queueing theory: queues of known load, by Lindley's recursion and by the engine."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from queues import one_server, queue
from worlds import fixed, line

from mdisim import bounds, growth, metrics
from mdisim.engine import run
from mdisim.world import Arrivals


def told(kind: str, load: float, n: int, seeds: int, **more) -> Counter[str]:
    """How many of so many queues get which verdict."""
    return Counter(metrics.verdict(queue(kind, load, n, seed, **more)) for seed in range(seeds))


# --- how often it is wrong


@pytest.mark.parametrize("kind", ["M/D", "M/M", "D/M"])
@pytest.mark.parametrize(("n", "load"), [(100, 0.3), (1000, 0.5), (1000, 0.8), (10_000, 0.9), (10_000, 0.95)])
def test_what_keeps_up_is_never_called_overloaded(kind, n, load):
    found = told(kind, load, n, 25)
    assert found["overloaded"] == 0
    assert found["stable"] >= 22


@pytest.mark.parametrize("kind", ["M/D", "M/M", "D/M"])
@pytest.mark.parametrize(("n", "load"), [(1000, 1.05), (10_000, 1.02), (10_000, 1.05)])
def test_what_does_not_keep_up_is_never_called_stable(kind, n, load):
    assert told(kind, load, n, 25)["stable"] <= 1


@pytest.mark.parametrize(("kind", "load"), [("M/D", 1.05), ("D/M", 1.1), ("M/M", 1.1)])
def test_growth_beyond_chance_is_overload(kind, load):
    assert told(kind, load, 10_000, 25)["overloaded"] >= 24


def test_what_is_at_its_capacity_is_left_open():
    found = told("M/D", 1.0, 5000, 40)
    assert found["backlogged"] >= 32
    assert found["overloaded"] <= 4


def test_99_percent_of_what_can_be_done_is_not_waved_through():
    """Its 95 % latency is above a hundred service times, and ten minutes of it are no proof that it settles."""
    runs = [queue("M/D", 0.995, 50_000, seed) for seed in range(8)]
    assert np.median([metrics.latency_quantile_s(one, 0.95) for one in runs]) > 1.0
    assert sum(metrics.verdict(one) == "stable" for one in runs) <= 3


@pytest.mark.parametrize("load", [1.005, 1.01, 1.019, 1.05])
@pytest.mark.parametrize("n", [6000, 50_000])
def test_equal_gaps_a_little_too_short_are_overload(load, n):
    assert told("D/D", load, n, 1) == {"overloaded": 1}


@pytest.mark.parametrize("load", [0.5, 0.9, 0.999, 1.0])
def test_equal_gaps_that_are_long_enough_are_stable(load):
    assert told("D/D", load, 5000, 1) == {"stable": 1}


def test_bursts_that_are_worked_off_are_no_overload():
    assert told("on-off/D", 0.6, 20_000, 20)["overloaded"] == 0


# --- what else decides


def test_more_is_offered_than_can_be_answered():
    assert told("M/D", 1.02, 500, 10, oversubscribed=True) == {"overloaded": 10}


def test_ten_samples_and_one_sample():
    ten = np.arange(1.0, 11.0)
    assert metrics.verdict(one_server(ten, ten + 0.1, 0.0, 11.0, 1.0)) == "stable"
    assert metrics.verdict(one_server(ten, ten + 0.1, 0.0, 10.05, 1.0)) == "stable"  # the last one is in flight
    assert metrics.verdict(one_server(ten, 2.0 * ten, 0.0, 11.0, 11.0)) == "overloaded"
    assert metrics.verdict(one_server(ten[:1], ten[:1] + 0.1, 0.0, 11.0, 0.1)) == "stable"


def test_a_window_in_which_nothing_is_born_has_no_samples():
    times = np.array([1.0, 2.0])
    assert metrics.verdict(one_server(times, times + 0.1, 5.0, 11.0, 0.0)) == "no samples"
    assert metrics.verdict(one_server(times[:0], times[:0], 5.0, 11.0, 0.0)) == "no samples"


def test_latencies_that_are_long_beside_the_window_are_a_backlog():
    times = np.arange(0.05, 100.0, 0.1)
    assert metrics.verdict(one_server(times, times + 20.0, 30.0, 100.0, 1.0)) == "backlogged"
    assert metrics.verdict(one_server(times, times + 0.5, 30.0, 100.0, 1.0)) == "stable"


def test_a_start_from_empty_is_no_growth():
    times = np.arange(0.05, 100.0, 0.1)
    assert metrics.verdict(one_server(times, times + 30.0, 0.0, 100.0, 1.0)) == "backlogged"


@pytest.mark.parametrize(("population", "think_s"), [(1, 0.0), (100, 0.0), (100, 5.0)])
def test_a_closed_loop_never_grows(population, think_s):
    loop = Arrivals("closed", population=population, think_s=think_s)
    crowd = line(stage_s=(0.1,), arrivals=loop, duration_s=60.0, warmup_s=20.0)
    assert metrics.verdict(run(crowd, fixed(crowd), 1)) == "stable"


def test_a_full_queue_that_throws_samples_away():
    def lossy(load):
        world = line(arrivals=Arrivals("poisson", 100 * load), queue_limit=5, duration_s=60.0, warmup_s=10.0)
        return metrics.verdict(run(world, fixed(world), 1))

    assert (lossy(1.2), lossy(0.5)) == ("overloaded", "stable")


def test_one_of_many_devices_counts_though_the_others_idle():
    """d0 has 99.5 % of what it can do, and seven others next to nothing: all in all there is time to spare."""
    world = line(8, arrivals=[Arrivals("poisson", 99.5)] * 8, duration_s=40.0, warmup_s=10.0)
    world = replace(world, stage_s=np.array([[0.01]] + [[0.0001]] * 7))
    found = [metrics.verdict(run(world, fixed(world), seed)) for seed in range(3)]
    assert found.count("stable") <= 1


def test_a_sender_that_is_never_idle_counts_as_a_device_does():
    """d1 sends to d0 or to d2, each on a channel of its own that idles half of the time."""
    rate = Arrivals("poisson", 49.5)
    world = line(3, 1e-4, arrivals=rate, out_bytes=1250.0, rate=1e6, duration_s=60.0, label_bytes=0.0)
    both = replace(world, sources=(replace(world.sources[0], device=1),) * 2)
    plans = (fixed(both, placement=0).plan[0], fixed(both, placement=2).plan[0])
    done = run(both, replace(fixed(both), plan=plans, picks=EitherRow()), 1)
    assert done.links.groupby("channel")["utilisation"].sum().max() < 0.7
    assert metrics.busiest(done) == ("d1", pytest.approx(0.99, abs=0.03))


class EitherRow:
    """Picks one of two rows at random."""

    def picks(self, here, peers, seen, knobs, memory, rng):
        """Return the row."""
        return int(rng.integers(2))


# --- the throughput bound


def at(per_s, **more):
    """Two devices of 100 answers per second each, the first of which is offered so many."""
    arrivals = Arrivals("poisson", per_s)
    return line(2, arrivals=arrivals, duration_s=30.0, warmup_s=5.0, label_bytes=0.0, **more)


def flag(world, policy):
    return run(world, policy, 1).oversubscribed


def test_a_rate_above_the_bound_is_too_much_whatever_came():
    """A plan that names one device can do 100/s; who may use both, 200/s."""
    for per_s, place, expected in ((99.0, 0, False), (101.0, 0, True), (99.0, 1, False), (101.0, 1, True)):
        world = at(per_s, rate=1e9)
        assert flag(world, fixed(world, placement=place)) == expected, (per_s, place)
    either = at(1.0, rate=1e9)
    assert bounds.throughput_bound(either).per_s == pytest.approx(200.0)
    assert bounds.throughput_bound(either, only=np.array([[True], [False]])).per_s == pytest.approx(100.0)


def test_a_link_bounds_what_a_plan_sends_over_it():
    for per_s, expected in ((49.0, False), (51.0, True)):  # 2,500 bytes at 1 Mbit/s take 20 ms
        world = at(per_s, rate=1e6, out_bytes=2500.0)
        assert flag(world, fixed(world, placement=1)) == expected


def test_closed_loops_are_never_too_much():
    world = line(arrivals=Arrivals("closed", population=50), duration_s=30.0)
    assert not flag(world, fixed(world))


def test_the_plan_says_which_stages_run_where():
    world = line(3, (0.01, 0.01), arrivals=Arrivals("poisson", 1.0))
    stays = bounds.planned_stages(world, fixed(world))
    cut = bounds.planned_stages(world, fixed(world, placement=(-1, 2)))
    assert stays.tolist() == [[True, True], [False, False], [False, False]]
    assert cut.tolist() == [[True, False], [False, False], [False, True]]


# --- chance


def test_chance_is_that_of_a_random_walk():
    rng = np.random.default_rng(0)
    walks = np.cumsum(rng.normal(0.1, 2.0, (400, 201)), axis=1)
    found = np.array([growth.chance(walk) for walk in walks])
    assert float(np.median(found)) == pytest.approx(2.0 * 200**0.5, rel=0.15)  # the largest of three estimates
    alike = np.repeat(rng.normal(0.0, 1.0, (400, 20)), 10, axis=1)  # ten steps alike: each weighs ten times
    longer = [growth.chance(np.append(0.0, np.cumsum(steps))) for steps in alike]
    assert float(np.median(longer)) == pytest.approx(10.0 * 20**0.5, rel=0.2)


def test_nothing_moves_a_constant_and_a_line():
    assert growth.chance(np.full(201, 7)) == 0.0
    assert growth.chance(np.arange(201)) == pytest.approx(0.0, abs=1e-9)
    assert growth.grows(np.arange(201))
    assert not growth.grows(np.full(201, 7))
    assert not growth.grows(np.minimum(np.arange(201), 60))  # it filled up, and then stood
