"""Time: as SimPy lets it pass, and not for ever at one instant."""

from dataclasses import dataclass, replace
from math import inf

import pytest
from simpy import Environment
from worlds import drawn, fixed, line

from mdisim.engine import run, simulation
from mdisim.engine.clock import run_until, run_while
from mdisim.engine.later import Later
from mdisim.errors import RunError
from mdisim.policies.views import Knobs
from mdisim.world import Arrivals


def ticking(env, gap_s, seen):
    def tick(_):
        seen.append(env.now)
        Later(env, env.now + gap_s, tick)

    tick(None)


def test_what_is_due_before_the_end_is_done_and_no_more():
    ours, theirs, seen, expected = Environment(), Environment(), [], []
    ticking(ours, 0.3, seen)
    ticking(theirs, 0.3, expected)
    run_until(ours, 3.0, most=2)  # looked at often, which changes nothing
    theirs.run(until=3.0)
    assert seen == expected
    assert ours.now == theirs.now == 3.0


@pytest.mark.parametrize("gap_s", [0.0, 1e-300])
def test_an_instant_without_end_is_told(gap_s):
    env, seen = Environment(), []
    Later(env, 2.0, lambda _: ticking(env, gap_s, seen))
    with pytest.raises(RunError, match="at 2 s more than 100 events come at one instant"):
        run_until(env, 3.0, most=100)
    assert 100 < len(seen) <= 200
    with pytest.raises(RunError, match="at 2 s"):
        run_while(env, lambda: True, most=100)


def test_what_goes_on_only_for_a_while():
    env, seen = Environment(), []
    ticking(env, 1.0, seen)
    run_while(env, lambda: env.now < 5.0, most=3)
    assert seen == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


@dataclass(frozen=True)
class Hurries:
    def turns(self, load, knobs, rng):
        return Knobs(knobs.thresholds, 1e-300, knobs.row)


def test_a_rule_whose_gap_is_no_time_ends_the_run(monkeypatch):
    monkeypatch.setattr(simulation, "EVENTS_AT_ONCE", 1000)
    world = line(1, (0.01,), outputs=drawn(50, 1), duration_s=3.0, arrivals=Arrivals("policy", phase_s=0.0))
    policy = fixed(world, inf, (0,))
    policy = replace(policy, turns=Hurries(), knobs=Knobs((), 0.1, 0))
    with pytest.raises(RunError, match="events come at one instant"):
        run(world, policy, 1)


def test_a_closed_loop_may_begin_with_all_it_has_at_once(monkeypatch):
    monkeypatch.setattr(simulation, "EVENTS_AT_ONCE", 10)
    world = line(1, (0.001,), outputs=drawn(50, 1), duration_s=1.0, arrivals=Arrivals("closed", population=2000))
    assert len(run(world, fixed(world, inf, (0,)), 1).tasks) > 2000
