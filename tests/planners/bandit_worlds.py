"""A source, an edge and a cloud in a row, and what a bandit would see there of samples, without a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from worlds import drawn, line

from mdisim.policies import Here, Knobs, Outcome, Outputs, Policy, Seen
from mdisim.policies.protocols import Memory
from mdisim.policies.views import CONTINUE, FREE, INPUT, Task
from mdisim.world import Arrivals, World

TIERS = {"edge": "d1", "cloud": "d2"}
NOTHING = Seen(np.zeros(0), 0.0)
INPUT_BYTES, HIDDEN_BYTES = 200.0, 2000.0
STEADILY = Arrivals("constant", 40.0)


def three(K: int = 6, outputs: Outputs | None = None, **changes: Any) -> World:
    """d0, the source, - d1 - d2, each hop for a price of 1.5, and K stages of one layer; 400 samples in 10 s.

    They come so slowly that none waits for a core, and go through the samples in order.
    """
    given: dict[str, Any] = {
        "stage_s": np.full(K, 0.003),
        "arrivals": STEADILY,
        "out_bytes": [INPUT_BYTES, *[HIDDEN_BYTES] * (K - 1), 0.0],
        "rate": 1e7,
        "outputs": drawn(400, K) if outputs is None else outputs,
        "order": "sequential",
        "label_bytes": 0.0,
        "offload_cost": 1.5,
        "duration_s": 10.0,
        "drain": True,
    }
    return line(3, **(given | changes))


def said(
    confidence: ArrayLike, prediction: ArrayLike | None = None, label: NDArray[np.int64] | None = None
) -> Outputs:
    """Outputs without logits; class 0 is predicted, and true, where nothing else is given."""
    sure = np.asarray(confidence, dtype=float)
    guess = np.zeros(sure.shape, dtype=np.int64) if prediction is None else np.asarray(prediction, dtype=np.int64)
    return Outputs(None, sure, guess, np.zeros(len(sure), dtype=np.int64) if label is None else label)


def here(queue: int = 0, device: int = 0) -> Here:
    """A device of one core where so many tasks wait."""
    return Here(device, queue, 0, 0, 0.0, 0.0, 1, True)


def picked(policy: Policy, memory: Memory, rng: Generator, queue: int = 0) -> int:
    """The row of the next sample, where so many wait at its source."""
    assert policy.picks is not None
    return policy.picks.picks(here(queue), (), NOTHING, policy.knobs, memory, rng)


def outcome(policy: Policy, outputs: Outputs, sample: int, row: int) -> Outcome:
    """What a source hears of a sample that took this row: the exits evaluated up to the one where it stopped."""
    plan = policy.plan[row]
    scores = policy.score.score(outputs, plan.heads)[sample]
    stop = int((scores >= np.array(plan.stamped())).argmax())
    seen = np.array(plan.heads) & (np.arange(len(scores)) <= stop)
    predictions = np.where(seen, outputs.prediction[sample], -1)
    return Outcome(row, stop, np.where(seen, scores, np.nan), predictions, 0.1, 1.0, NOTHING)


def stages_at(policy: Policy, row: int = 0) -> list[int]:
    """How many stages each of d0, d1, d2 computes of a sample that never leaves early, by the plan or the rule."""
    placement = policy.plan[row].placement
    counts, at, stage = [0, 0, 0], 0, 0
    rng = np.random.default_rng(0)
    while stage < len(placement):
        if placement[stage] != FREE:
            at = placement[stage]
        elif policy.where is not None:
            task = Task(row, stage, HIDDEN_BYTES, INPUT_BYTES, 0.0, 0, 0.0)
            place = policy.where.where(here(device=at), (), task, Knobs((), 0.05, 0), rng)
            if place.device != CONTINUE:
                at, stage = place.device, 0 if place.payload == INPUT else stage
        counts[at] += 1
        stage += 1
    return counts


def play(
    policy: Policy, outputs: Outputs, rounds: int, seed: int = 0, late: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], Memory]:
    """Samples drawn one by one, the rows picked for them, and the memory after the last.

    The answer to a sample is heard of when `late` more rows have been picked.
    """
    assert policy.learns is not None
    rng, memory = np.random.default_rng(seed), policy.memory.copy()
    samples, rows = rng.integers(0, len(outputs.label), rounds), np.empty(rounds, dtype=np.int64)
    for t in range(rounds):
        rows[t] = picked(policy, memory, rng)
        if t >= late:
            heard = outcome(policy, outputs, int(samples[t - late]), int(rows[t - late]))
            memory = policy.learns.learns(heard, memory)
    return samples, rows, memory
