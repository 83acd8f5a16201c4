"""Routers that foresee what each tier would lose against the cloud, from features alone.

Where a drop is what is budgeted, the drop is what a router should know. The tier of the least expected loss plus
cost at a price is taken; the price is the one number by which the largest saving within a budget is found
(Lagrange). Pools and thresholds come in only where an unsure answer goes up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdisim.planners.tiers.routers import Scaling, standard
from mdisim.policies.scores import Floats, Ints

RIDGE = 0.01  # of the number of samples, on standardised features
SUREST = 10.0  # the log of the odds beyond which a probe is not surer


@dataclass(frozen=True, eq=False)
class ExpectedLoss:
    """What each tier is expected to lose against the cloud: `weights` [d + 1, 2], the last line a constant."""

    weights: Floats
    scaled: Scaling

    def losses(self, features: Floats) -> Floats:
        """Return the expected losses, [n, 3]; nothing for the cloud."""
        lost = self.scaled(features) @ self.weights[:-1] + self.weights[-1]
        return np.append(lost, np.zeros((len(lost), 1)), axis=1)


def expected_loss(features: Floats, lost: Floats) -> ExpectedLoss:
    """Ridge regression of what mobile and edge lose, [n, 2], on standardised features."""
    scaled = standard(features)
    z = scaled(features)
    middle = lost.mean(axis=0)
    weights = np.linalg.solve(z.T @ z + RIDGE * len(z) * np.eye(z.shape[1]), z.T @ (lost - middle))
    return ExpectedLoss(np.vstack([weights, middle]), scaled)


@dataclass(frozen=True, eq=False)
class ProbedLoss:
    """Expected losses that know besides how sure a linear probe of the class is.

    A sample is easy on either side of a boundary between classes, which no linear function of features can tell;
    the confidence of a small classifier of the features can.
    """

    probe: Any
    scaled: Scaling
    expected: ExpectedLoss

    def losses(self, features: Floats) -> Floats:
        """Return the expected losses, [n, 3]; nothing for the cloud."""
        return self.expected.losses(with_confidence(self.probe, self.scaled(features)))


def probed_loss(features: Floats, label: Ints, lost: Floats) -> ProbedLoss | ExpectedLoss:
    """Logistic regression of the class, [n], and then ridge regression of what mobile and edge lose, [n, 2]."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(label)) == 1:
        return expected_loss(features, lost)  # there is no class to tell
    scaled = standard(features)
    z = scaled(features)
    probe = LogisticRegression(max_iter=1000, tol=1e-3).fit(z, label)
    return ProbedLoss(probe, scaled, expected_loss(with_confidence(probe, z), lost))


def with_confidence(probe: Any, features: Floats) -> Floats:
    """The features, the probe's confidence, and the log of its odds, whole and up to 1 and 2, [n, d + 4]."""
    sure = probe.predict_proba(features).max(axis=1)
    odds = np.minimum(np.log(sure / np.maximum(1.0 - sure, 1e-12)), SUREST)
    return np.column_stack([features, sure, odds, np.minimum(odds, 1.0), np.minimum(odds, 2.0)])
