"""Vector, matrix and Dirichlet scaling: linear maps of logits or log-probabilities before the softmax.

They can mend what one temperature cannot, a class that is preferred or two that are mixed up, and they may
change the prediction. They have many parameters, so that they need thousands of samples, and the matrix ones a
penalty on what lies off the diagonal and on the bias (ODIR).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from mdisim.calibration.checks import FEWEST, CalibrationError, Floats, Ints, RefusalError, checked, refuse_too_few
from mdisim.calibration.fitted import Fitted, Report, log_softmax, report_of
from mdisim.policies.scores import softmax

STEPS = 2000


@dataclass(frozen=True, eq=False)
class FittedLinear(Fitted):
    """softmax(W f(z) + b), weights [C, C] and bias [C]; f is the identity or the log-softmax."""

    weights: Floats
    bias: Floats
    of_log_probabilities: bool = False

    def __call__(self, logits: NDArray[np.floating]) -> Floats:
        """Return softmax(W f(z) + b), [..., C]."""
        x = logits.astype(np.float64)
        x = log_softmax(x) if self.of_log_probabilities else x
        return softmax(x @ self.weights.T + self.bias)


@dataclass(frozen=True)
class VectorScaling:
    """softmax(w * z + b) with a weight and a bias for each class (Guo et al. 2017); 2C parameters.

    Every class must occur among the labels, else its bias has no best value, unless `bias_penalty` (of
    penalty x mean b^2) is above 0.
    """

    bias_penalty: float = 0.0
    fewest: int = FEWEST
    name: ClassVar[str] = "vector"

    def fit(self, logits: NDArray[np.floating], labels: ArrayLike) -> FittedLinear:
        """Return the map that fits logits [n, C] and labels [n] best."""
        return _Linear(self.name, self.fewest, 0.0, self.bias_penalty, diagonal=True).fit(logits, labels)


@dataclass(frozen=True)
class MatrixScaling:
    """softmax(W z + b) (Guo et al. 2017), with off-diagonal and bias penalties as in `Dirichlet`."""

    off_diagonal_penalty: float = 1.0
    bias_penalty: float = 1.0
    fewest: int = FEWEST
    name: ClassVar[str] = "matrix"

    def fit(self, logits: NDArray[np.floating], labels: ArrayLike) -> FittedLinear:
        """Return the map that fits logits [n, C] and labels [n] best."""
        return _Linear(self.name, self.fewest, self.off_diagonal_penalty, self.bias_penalty).fit(logits, labels)


@dataclass(frozen=True)
class Dirichlet:
    """softmax(W ln p + b) for the network's probabilities p (Kull et al., NeurIPS 2019); C^2 + C parameters.

    Off-diagonal and intercept regularisation (ODIR) adds penalty x mean of w_ij^2 over i != j, and penalty x
    mean of b_i^2, to the mean NLL.
    """

    off_diagonal_penalty: float = 1.0
    bias_penalty: float = 1.0
    fewest: int = FEWEST
    name: ClassVar[str] = "dirichlet"

    def fit(self, logits: NDArray[np.floating], labels: ArrayLike) -> FittedLinear:
        """Return the map that fits logits [n, C] and labels [n] best."""
        method = _Linear(
            self.name, self.fewest, self.off_diagonal_penalty, self.bias_penalty, of_log_probabilities=True
        )
        return method.fit(logits, labels)


@dataclass(frozen=True)
class _Linear:
    """The fit that the three have in common: a convex objective, minimised by L-BFGS from the identity."""

    name: str
    fewest: int
    off_diagonal_penalty: float
    bias_penalty: float
    diagonal: bool = False
    of_log_probabilities: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.off_diagonal_penalty < np.inf and 0 <= self.bias_penalty < np.inf):
            raise CalibrationError(f"{self.name} scaling has a negative penalty; 0 or more would do")

    def fit(self, logits: NDArray[np.floating], labels: ArrayLike) -> FittedLinear:
        z, y = checked(logits, labels)
        refuse_too_few(z.argmax(axis=1) == y, self.fewest)
        self._refuse_missing_classes(y, z.shape[1])
        x = log_softmax(z) if self.of_log_probabilities else z
        weights, bias, converged = self._best(x, y)
        bare = FittedLinear(Report(self.name), weights, bias, self.of_log_probabilities)
        off = weights[~np.eye(len(bias), dtype=bool)]
        shown = {
            "diagonal_mean": float(np.diag(weights).mean()),
            "off_diagonal_rms": float(np.sqrt(np.mean(off**2))),
        }
        flag = "" if converged else f"stopped after {STEPS} steps, short of the best"
        return replace(bare, report=report_of(self.name, bare, z, y, shown, flag))

    def _refuse_missing_classes(self, y: Ints, classes: int) -> None:
        missing = classes - len(np.unique(y))
        if missing and not self.bias_penalty:
            raise RefusalError(
                f"{missing} of {classes} classes have no sample; some of each, or a bias_penalty, would do"
            )

    def _best(self, x: Floats, y: Ints) -> tuple[Floats, Floats, bool]:
        """Weights [C, C], bias [C], and whether the search came to its end."""
        n, C = x.shape
        eye = np.eye(C)
        free = eye.astype(bool) if self.diagonal else np.ones((C, C), dtype=bool)
        off_scale = 0.0 if self.diagonal else self.off_diagonal_penalty / (C * (C - 1))
        rows = np.arange(n)

        def objective(theta: Floats) -> tuple[float, Floats]:
            weights, bias = np.zeros((C, C)), theta[-C:]
            weights[free] = theta[:-C]
            log_p = log_softmax(x @ weights.T + bias)
            off = weights * (1 - eye)
            value = -log_p[rows, y].mean() + off_scale * np.sum(off**2) + self.bias_penalty * np.mean(bias**2)
            error = np.exp(log_p)
            error[rows, y] -= 1.0
            slope = error.T @ x / n + 2 * off_scale * off
            return float(value), np.append(slope[free], error.mean(axis=0) + 2 * self.bias_penalty * bias / C)

        start = np.append(eye[free], np.zeros(C))
        found = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": STEPS, "maxfun": 2 * STEPS, "ftol": 1e-9, "gtol": 1e-6},
        )
        weights = np.zeros((C, C))
        weights[free] = found.x[:-C]
        return weights, np.asarray(found.x[-C:]), bool(found.success)
