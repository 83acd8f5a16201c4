"""Score and answer matrices: every early-exit criterion is a table computed from logits before the run.

A score says how sure an exit is of a sample (leave if it reaches the threshold); an answer says which exit's
prediction is given when the sample stops at k. Both are [n, K] for n samples and K exits, and both belong to the
set of exits that are evaluated: an exit that is not evaluated says nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mdisim.errors import InputError, PolicyError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Heads = tuple[bool, ...]


OFF = 0.01  # of a sum of probabilities: what 16 bits may take from it, even those of bfloat16 cut short


class _Outputs(NamedTuple):
    logits: NDArray[np.floating] | None
    confidence: Floats
    prediction: Ints
    label: Ints


class Outputs(_Outputs):
    """What a network says of n samples at K exits: logits [n, K, C] or None, confidence and prediction
    [n, K], and the true label [n].

    Raises an InputError where the logits of an exit are probabilities.
    """

    __slots__ = ()

    def __new__(
        cls, logits: NDArray[np.floating] | None, confidence: Floats, prediction: Ints, label: Ints
    ) -> Self:
        """Make them of what was measured."""
        if logits is not None and (wrong := no_logits(logits)):
            raise InputError(wrong)
        return super().__new__(cls, logits, confidence, prediction, label)


def no_logits(logits: NDArray[Any]) -> str:
    """What is wrong with logits [n, K, C], or [n, C] of one exit, if all of an exit are probabilities; else "".

    A softmax of probabilities is nearly flat, so that no exit would ever be sure. Some logits may look like
    probabilities by chance; those of all samples do not. Without samples, or with one class, nothing can tell.
    """
    if not len(logits) or logits.shape[-1] < 2 or not _add_up(logits[:1]).any():
        return ""
    every = _add_up(logits).all(axis=0)
    if not every.any():
        return ""
    exits = ", ".join(str(k + 1) for k in np.flatnonzero(every))
    what = f"logits{f' of exit {exits}' * every.ndim} are probabilities: every row is in [0, 1] and adds up to 1"
    return f"{what}; give what goes into the softmax, or the logarithms, such as np.log(p + 1e-9)"


def _add_up(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows [..., C] are in [0, 1] and add up to one."""
    values = rows.astype(np.float64)
    return np.asarray((values >= 0.0).all(axis=-1) & (np.abs(values.sum(axis=-1) - 1.0) <= OFF))


class Score(Protocol):
    """A criterion for leaving early.

    `cumulative` is True if the score of an exit depends on other exits, as a count of exits that agree does.
    Then it is computed anew for each set of evaluated exits, else once for all of them.
    """

    cumulative: ClassVar[bool]

    def score(self, outputs: Outputs, heads: Heads) -> Floats:
        """Return the scores, [n, K].

        `heads` [K] says which exits are evaluated: the others must not count, and their columns are not used.
        """


class Answer(Protocol):
    """A rule for which evaluated exit answers."""

    def answer(self, outputs: Outputs, heads: Heads) -> Ints:
        """Return the exit (from 0) whose prediction is given on stopping at each exit, [n, K].

        `heads` [K] are the exits that are evaluated: only these can answer, and be stopped at.
        """


def softmax(logits: NDArray[np.floating]) -> Floats:
    """Probabilities over the last axis, in double precision."""
    z = logits.astype(np.float64)
    z = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(z / z.sum(axis=-1, keepdims=True))


def _logits(outputs: Outputs, who: str) -> NDArray[np.floating]:
    if outputs.logits is None:
        raise PolicyError(
            f"score {who!r} needs logits, which this profile does not hold; use 'max-softmax', or a profile "
            "with logits",
            "score",
        )
    if outputs.logits.shape[-1] < 2:
        raise PolicyError(
            f"score {who!r} compares classes, and this profile has only one; use 'max-softmax'", "score"
        )
    return outputs.logits


@dataclass(frozen=True)
class MaxSoftmax:
    """The confidence: the largest softmax probability (MDI-Exit, SPINN, most others)."""

    cumulative: ClassVar[bool] = False

    def score(self, outputs: Outputs, heads: Heads) -> Floats:
        """Return the confidences, [n, K]."""
        return outputs.confidence


@dataclass(frozen=True)
class Certainty:
    """One minus the entropy over its largest value, ln C (BranchyNet and DDNN, turned so that more is surer)."""

    cumulative: ClassVar[bool] = False

    def score(self, outputs: Outputs, heads: Heads) -> Floats:
        """Return the certainties, [n, K], in [0, 1]."""
        p = softmax(_logits(outputs, "certainty"))
        entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=-1)
        return np.asarray(1.0 - entropy / np.log(p.shape[-1]))


@dataclass(frozen=True)
class Margin:
    """The gap between the two largest softmax probabilities."""

    cumulative: ClassVar[bool] = False

    def score(self, outputs: Outputs, heads: Heads) -> Floats:
        """Return the margins, [n, K], in [0, 1]."""
        top = np.sort(softmax(_logits(outputs, "margin")), axis=-1)
        return np.asarray(top[..., -1] - top[..., -2])


@dataclass(frozen=True)
class Patience:
    """How many evaluated exits in a row, up to this one, gave the same prediction (PABEE).

    Use thresholds of 2, 3, ...
    """

    cumulative: ClassVar[bool] = True

    def score(self, outputs: Outputs, heads: Heads) -> Floats:
        """Return the run lengths, [n, K], from 1."""
        runs = np.ones(outputs.prediction.shape)
        for before, k in _steps(heads):
            same = outputs.prediction[:, k] == outputs.prediction[:, before]
            runs[:, k] = np.where(same, runs[:, before] + 1, 1)
        return runs


@dataclass(frozen=True)
class Beem:
    """The weighted confidences of the exits that agree with the one before each, added up; 0 where one does not.

    S_k = S_j + w_k C_k where exit k predicts the same as j, the evaluated exit before it, else 0; 0 at the first
    (BEEM, arXiv 2502.00745, as in its authors' code). `weights` [K]; if empty, they grow by `step` from exit to
    exit, from 0.
    """

    cumulative: ClassVar[bool] = True

    weights: tuple[float, ...] = ()
    step: float = 0.1

    def score(self, outputs: Outputs, heads: Heads) -> Floats:
        """Return the sums, [n, K], from 0; a PolicyError where there are not as many weights as exits."""
        n, K = outputs.prediction.shape
        weights = self.weights or tuple(self.step * k for k in range(K))
        if len(weights) != K:
            raise PolicyError(
                f"score 'beem' has {len(weights)} weights for {K} exits; give {K} weights, or none", "score"
            )
        sums = np.zeros((n, K))
        for before, k in _steps(heads):
            same = outputs.prediction[:, k] == outputs.prediction[:, before]
            sums[:, k] = np.where(same, sums[:, before] + weights[k] * outputs.confidence[:, k], 0.0)
        return sums


def _steps(heads: Heads) -> Iterator[tuple[int, int]]:
    """Each evaluated exit but the first, after the evaluated exit before it."""
    evaluated = [k for k, head in enumerate(heads) if head]
    return pairwise(evaluated)


@dataclass(frozen=True)
class Hindsight:
    """One where the exit is right, else zero: what no policy can know. The bound for every criterion."""

    cumulative: ClassVar[bool] = False

    def score(self, outputs: Outputs, heads: Heads) -> Floats:
        """Return 1.0 where the prediction equals the label, [n, K]."""
        return np.asarray(outputs.prediction == outputs.label[:, None], dtype=np.float64)


@dataclass(frozen=True)
class OwnExit:
    """The exit at which a sample stops gives the answer."""

    def answer(self, outputs: Outputs, heads: Heads) -> Ints:
        """Return k in column k, [n, K]."""
        n, K = outputs.prediction.shape
        return np.broadcast_to(np.arange(K), (n, K)).copy()


@dataclass(frozen=True)
class MostConfident:
    """The most confident of the exits evaluated so far gives the answer; the earliest of equals.

    The fallback of calibration-aided offloading (papers of Pacheco, Couto and Simeone).
    """

    def answer(self, outputs: Outputs, heads: Heads) -> Ints:
        """Return the evaluated exit of the largest confidence among 0..k in column k, [n, K]."""
        best = np.maximum.accumulate(np.where(heads, outputs.confidence, -1.0), axis=1)
        first = np.zeros(best.shape, dtype=np.int64)
        for k in range(1, best.shape[1]):
            first[:, k] = np.where(best[:, k] > best[:, k - 1], k, first[:, k - 1])
        return first


def counted(score: Score, heads: Heads) -> Heads:
    """The exits on which scores depend where these are evaluated, [K]: all, where each is scored by itself."""
    return heads if score.cumulative else (True,) * len(heads)


def scored(score: Score, outputs: Outputs, heads: Heads) -> Floats:
    """The scores where these exits [K] are evaluated, [n, K]; the columns of others mean nothing.

    Raises a PolicyError where the shape is another one, or a score of an evaluated exit is not a number.
    """
    found = np.asarray(score.score(outputs, counted(score, heads)), dtype=np.float64)
    name, shape = type(score).__name__, outputs.prediction.shape
    if found.shape != shape:
        raise PolicyError(
            f"score {name} returned the shape {found.shape}; return one number per sample and exit, {shape}"
        )
    unknown = [k + 1 for k, head in enumerate(heads) if head and np.isnan(found[:, k]).any()]
    if unknown:
        raise PolicyError(
            f"score {name} is not a number for some samples at exit {unknown[0]}; return a number for every "
            "evaluated exit"
        )
    return found


def need_score(score: object) -> None:
    """Raise a PolicyError unless this is a `Score`: before a run, and not in the midst of it."""
    name = type(score).__name__
    if isinstance(score, type):
        raise PolicyError(f"score {score.__name__} is a class; give an object, such as {score.__name__}()")
    if not callable(getattr(score, "score", None)):
        known = f"; write SCORES[{score!r}]" if isinstance(score, str) and score in SCORES else ""
        raise PolicyError(f"{score!r} is not a score: it has no method score(outputs, heads){known}")
    try:
        inspect.signature(score.score).bind((), ())  # type: ignore[attr-defined]
    except TypeError:
        raise PolicyError(
            f"{name}.score does not take (outputs, heads): define score(self, outputs, heads), where heads [K] "
            "says which exits are evaluated"
        ) from None
    if not isinstance(getattr(score, "cumulative", None), bool):
        raise PolicyError(
            f"{name} does not say whether it is cumulative: add cumulative: ClassVar[bool] = True if the score of "
            "an exit depends on other exits, else False"
        )


SCORES: dict[str, Score] = {
    "max-softmax": MaxSoftmax(),
    "certainty": Certainty(),
    "margin": Margin(),
    "patience": Patience(),
    "beem": Beem(),
    "hindsight": Hindsight(),
}
ANSWERS: dict[str, Answer] = {"own-exit": OwnExit(), "most-confident": MostConfident()}
