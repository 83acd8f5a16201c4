"""Every rule against tables worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from mdisim.policies import CONTINUE, INPUT, KEEP, NOBODY, OFFER, Here, Knobs, Load, Peer, Place, Task
from mdisim.policies.rules import (
    Anywhere,
    DelayRatio,
    KeepOrOffer,
    RateByQueue,
    ThresholdByQueue,
    WholeOffered,
    WholeToShortest,
)
from mdisim.policies.views import moved

KNOBS = Knobs((), 0.05, 0)
HERE = Here(device=0, queue=4, busy=1, out_queue=3, service_s=0.1, backlog_s=0.9, cores=1, holds=True)
PEER = Peer(
    device=1, queue=1, busy=1, out_queue=0, service_s=0.1, backlog_s=0.05, cores=1, delay_s=0.05, rate_bps=8e4,
    latency_s=0.01,
)  # fmt: skip
TASK = Task(row=0, stage=1, feature_bytes=1000.0, input_bytes=300.0, age_s=0.0, source=0, score=0.5)
LOAD = Load(
    device=0, queue=0, busy=0, out_queue=0, service_s=0.1, backlog_s=0.0, cores=1, offered=0, admitted=0,
    answered=0, period_s=0.5, peers=(PEER,),
)  # fmt: skip


class Dice:
    """A generator whose numbers are known; it fails when more are drawn than expected."""

    def __init__(self, randoms: Iterable[float] = (), integers: Iterable[int] | None = None) -> None:
        self._randoms = iter(tuple(randoms))
        self._integers = None if integers is None else iter(tuple(integers))

    def random(self) -> float:
        return next(self._randoms)

    def integers(self, low: int, high: int) -> int:
        drawn = low if self._integers is None else next(self._integers)
        assert low <= drawn < high
        return drawn


# --- Alg 1


@pytest.mark.parametrize(
    ("rule", "here", "stage", "answer"),
    [
        ({}, {}, 1, OFFER),
        ({}, {}, 0, KEEP),  # the first stage stays at its source
        ({"offload_first": True}, {}, 0, OFFER),
        ({}, {"queue": 0, "busy": 0}, 1, KEEP),  # I_n = 0
        ({}, {"queue": 0, "busy": 1}, 1, OFFER),  # another task is running on the only core
        ({}, {"queue": 0, "busy": 1, "cores": 2}, 1, KEEP),
        ({"keep_when_empty": False}, {"queue": 0, "busy": 0}, 1, OFFER),
        ({"out_queue_limit": 3}, {"out_queue": 3}, 1, OFFER),
        ({"out_queue_limit": 3}, {"out_queue": 4}, 1, KEEP),  # O_n > T_O
        ({"out_queue_limit": 0}, {"out_queue": 1, "holds": False}, 1, OFFER),  # what cannot run here must go
        ({}, {"holds": False}, 0, OFFER),
    ],
)
def test_keep_or_offer(rule: dict[str, Any], here: dict[str, Any], stage: int, answer: int) -> None:
    task = TASK._replace(stage=stage)
    assert KeepOrOffer(**rule).where(HERE._replace(**here), (PEER,), task, KNOBS, Dice()) == Place(answer)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", [KeepOrOffer(offload_first=True), WholeOffered()])
def test_a_task_that_no_known_neighbour_can_take_is_kept(rule: KeepOrOffer | WholeOffered) -> None:
    task = TASK._replace(stage=0)
    assert rule.where(HERE, (PEER,), task, KNOBS, Dice()).device == OFFER  # type: ignore[arg-type]
    assert rule.where(HERE, (), task, KNOBS, Dice()) == Place(KEEP)  # type: ignore[arg-type]


# --- Alg 2. Here W_n = 5 x 0.1 = 0.5 s; there D + W_m = 0.05 + 2 x 0.1 = 0.25 s; O_n = 3 > I_m = 2.


@pytest.mark.parametrize(
    ("rule", "here", "peer", "randoms", "sent"),
    [
        ({}, {}, {}, [], True),  # W_n > D + W_m: sure, and nothing is drawn
        ({}, {"out_queue": 2}, {}, [], False),  # the gate: O_n > I_m is asked strictly
        ({"gated": False}, {"out_queue": 0}, {}, [], True),
        ({}, {"queue": 1}, {}, [0.79], True),  # p = 0.2 / 0.25 = 0.8
        ({}, {"queue": 1}, {}, [0.81], False),
        ({"random_part": False}, {"queue": 1}, {}, [], False),
        ({"random_part": False}, {}, {}, [], True),
        ({}, {"queue": 0, "busy": 0}, {}, [], False),  # W_n = 0: p = 0
        ({"sum_weight": 1.0}, {}, {}, [0.66], True),  # p = 0.5 / (0.5 + 0.25) = 2/3
        ({"sum_weight": 1.0}, {}, {}, [0.67], False),
        ({"count_in_service": False}, {"queue": 1}, {}, [0.66], True),  # 0.1 / (0.05 + 0.1)
        ({"count_in_service": False}, {"queue": 1}, {}, [0.67], False),
        ({"count_in_service": False}, {"out_queue": 2}, {}, [], True),  # then I_m = 1
        ({"queued_work": True}, {"backlog_s": 0.05}, {}, [0.74], True),  # (0.05 + 0.1) / (0.05 + 0.05 + 0.1)
        ({"queued_work": True}, {"backlog_s": 0.05}, {}, [0.76], False),
        ({"queued_work": True, "count_in_service": False}, {"backlog_s": 0.05}, {}, [0.51], False),  # 0.05 / 0.1
        ({"queued_work": True}, {"backlog_s": 0.05, "cores": 2}, {}, [0.38], False),  # half of 0.15 / 0.2
        ({"per_task_delay": True}, {"queue": 1}, {}, [0.64], True),  # 0.2 / (8000 / 8e4 + 0.01 + 0.2) = 0.645
        ({"per_task_delay": True}, {"queue": 1}, {}, [0.65], False),
        ({}, {"cores": 2}, {}, [0.999], True),  # W_n halves to 0.25: as much as D + W_m, and p = 1
        ({"random_part": False}, {"cores": 2}, {}, [], False),  # sends only where W_n > D + W_m
        ({}, {}, {"delay_s": 0.0, "service_s": 0.0}, [], True),  # nothing to wait for there
        ({}, {"queue": 1}, {"cores": 2}, [], True),  # W_m halves: 0.2 > 0.15
    ],
)
def test_delay_ratio(
    rule: dict[str, Any], here: dict[str, Any], peer: dict[str, Any], randoms: list[float], sent: bool
) -> None:
    answer = DelayRatio(**rule).sends(HERE._replace(**here), (PEER._replace(**peer),), TASK, Dice(randoms))  # type: ignore[arg-type]
    assert answer == (1 if sent else NOBODY)


BUSY = PEER._replace(device=2, queue=2, busy=0, delay_s=0.2)  # D + W_m = 0.4: the ratio is 1.25, that of PEER is 2
FULL = PEER._replace(device=3, queue=9)


@pytest.mark.parametrize(
    ("rule", "peers", "integers", "randoms", "sent"),
    [
        ({}, (PEER, BUSY), [0], [], 1),  # the first that is asked is willing: no second question
        ({}, (PEER, BUSY), [1], [], 2),
        ({}, (FULL, BUSY), [0, 1], [], 2),  # the gate shuts FULL out, the next is asked
        ({}, (FULL, FULL), [1, 1], [], NOBODY),
        ({"best_first": True}, (BUSY._replace(delay_s=0.8), PEER), None, [], 1),  # p = 0.5 and 1
        ({"best_first": True}, (BUSY, PEER), None, [], 1),  # both are sure, and the larger ratio is first
        ({"best_first": True}, (PEER._replace(device=2), PEER), None, [], 2),  # the first of equals
        ({"best_first": True, "sum_weight": 1.0}, (BUSY, PEER), None, [0.9, 0.5], 2),  # 2/3 refused, then 5/9
        ({}, (), [], [], NOBODY),
    ],
)
def test_delay_ratio_asks_neighbours_in_order(
    rule: dict[str, Any], peers: tuple[Peer, ...], integers: list[int] | None, randoms: list[float], sent: int
) -> None:
    assert DelayRatio(**rule).sends(HERE, peers, TASK, Dice(randoms, integers)) == sent  # type: ignore[arg-type]


# --- Alg 3 and 4


@pytest.mark.parametrize(
    ("waiting", "gap_s"),
    [(0, 0.045), (9, 0.045), (10, 0.049), (29, 0.049), (30, 0.055), (99, 0.055)],
)
def test_the_gap_shrinks_while_queues_are_short(waiting: int, gap_s: float) -> None:
    rule = RateByQueue(low=10, high=30, alpha=0.1, beta=0.02, gamma=0.1)
    for load in (LOAD._replace(queue=waiting), LOAD._replace(out_queue=waiting), LOAD._replace(busy=waiting)):
        assert rule.turns(load, Knobs((0.8,), 0.05, 2), Dice()) == ((0.8,), pytest.approx(gap_s), 2)  # type: ignore[arg-type]


def test_the_gap_by_switches() -> None:
    steps = {"low": 10, "high": 30, "alpha": 0.1, "beta": 0.02, "gamma": 0.1}
    knobs = Knobs((), 0.2, 0)

    def gap_s(load: Load, **switches: Any) -> float:
        return RateByQueue(**steps, **switches).turns(load, knobs, Dice()).gap_s  # type: ignore[arg-type]

    assert gap_s(LOAD, additive=True, unit_s=0.05) == pytest.approx(0.195)
    assert gap_s(LOAD._replace(queue=50), additive=True, unit_s=0.05) == pytest.approx(0.205)
    assert gap_s(LOAD._replace(queue=9, busy=1)) == pytest.approx(0.196)
    assert gap_s(LOAD._replace(queue=9, busy=1), count_in_service=False) == pytest.approx(0.18)
    assert gap_s(LOAD, least_s=0.19) == 0.19


@pytest.mark.parametrize(
    ("waiting", "additive", "before", "after"),
    [
        (9, False, 0.5, 0.55),
        (10, False, 0.5, 0.51),
        (30, False, 0.5, 0.45),
        (9, True, 0.5, 0.6),
        (29, True, 0.5, 0.52),
        (30, True, 0.5, 0.4),
        (0, False, 0.94, 0.95),  # T_e^max
        (99, False, 0.31, 0.3),  # T_e^min
    ],
)
def test_thresholds_fall_while_queues_are_long(waiting: int, additive: bool, before: float, after: float) -> None:
    rule = ThresholdByQueue(10, 30, 0.1, 0.02, 0.1, 0.3, 0.95, additive=additive)
    knobs = rule.turns(LOAD._replace(queue=waiting), Knobs((before, before), 0.05, 1), Dice())  # type: ignore[arg-type]
    assert knobs == ((pytest.approx(after), pytest.approx(after)), 0.05, 1)


def test_moved_keeps_within_bounds() -> None:
    assert moved((0.5, 0.9), 1.1, 0.0, 0.3, 0.95) == (pytest.approx(0.55), 0.95)
    assert moved((), 1.1, 0.0, 0.3, 0.95) == ()


# --- whole samples


def test_a_sample_joins_the_shortest_expected_delay() -> None:
    """Here (4 + 1 + 1) x 0.1 = 0.6 s; there 2400 bits / 8e4 + 0.01 + (1 + 1 + 1) x 0.1 = 0.34 s."""
    birth = TASK._replace(stage=0)
    rule = WholeToShortest()

    def goes(here: Here, *peers: Peer, stages: float = 1.0) -> Place:
        return WholeToShortest(stages).where(here, peers, birth, KNOBS, Dice())  # type: ignore[arg-type]

    assert goes(HERE, PEER) == Place(1, INPUT)
    assert goes(HERE._replace(queue=1), PEER) == Place(0, INPUT)
    assert goes(HERE, PEER._replace(latency_s=0.28)) == Place(0, INPUT)
    assert goes(HERE._replace(out_queue=9), PEER) == Place(0, INPUT)  # ten inputs of 0.03 s, 0.01, 0.3: over 0.5
    assert goes(HERE, PEER._replace(device=2), PEER) == Place(2, INPUT)  # the first of equals
    assert goes(HERE, PEER._replace(latency_s=0.35), stages=2.0) == Place(1, INPUT)  # 1.2 against 0.98
    assert goes(HERE) == Place(0, INPUT)
    assert rule.where(HERE, (PEER,), TASK, KNOBS, Dice()) == Place(CONTINUE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("here", "stage", "answer"),
    [
        ({}, 0, Place(OFFER, INPUT)),
        ({}, 1, Place(CONTINUE)),
        ({"queue": 0, "busy": 0}, 0, Place(KEEP)),
        ({"out_queue": 11}, 0, Place(KEEP)),
        ({"out_queue": 10}, 0, Place(OFFER, INPUT)),
    ],
)
def test_a_whole_sample_is_offered(here: dict[str, Any], stage: int, answer: Place) -> None:
    task = TASK._replace(stage=stage)
    assert WholeOffered().where(HERE._replace(**here), (PEER,), task, KNOBS, Dice()) == answer  # type: ignore[arg-type]


@pytest.mark.parametrize(("drawn", "answer"), [(0, 1), (1, 2), (2, KEEP)])
def test_anywhere(drawn: int, answer: int) -> None:
    peers = (PEER, BUSY)
    assert Anywhere().where(HERE, peers, TASK, KNOBS, Dice(integers=[drawn])) == Place(answer)  # type: ignore[arg-type]
    birth = TASK._replace(stage=0)
    assert Anywhere().where(HERE, peers, birth, KNOBS, Dice(integers=[])) == Place(KEEP)  # type: ignore[arg-type]
    assert Anywhere(True).where(HERE, peers, birth, KNOBS, Dice(integers=[drawn])) == Place(answer)  # type: ignore[arg-type]
