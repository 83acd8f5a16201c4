"""Cascades over three tiers: the mobile computes, and what its exits are not sure of goes on to edge and cloud.

The rivals of DIMEE that decide after computing. `cascade` asks the confidence (two thresholds, as in the 3/6/12
notebook of CeeBERT's authors, arXiv 2405.15039), `patience` how many exits in a row agree (PABEE, W. Zhou et al.,
NeurIPS 2020, arXiv 2006.04152), `beem` how sure those are that agree (BEEM, arXiv 2502.00745). Thresholds left out
are planned on the calibration half: the largest saving that keeps the drop of accuracy within a budget. That
search is ours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval

from mdisim.planners.tiers.chains import FORWARD, Chain, Forward, chain_row, need_chain, rule_of, stop_costs
from mdisim.planners.tiers.pools import Aim, groups
from mdisim.planners.tiers.prefixes import Prefixes, Tiered, TierError
from mdisim.planners.tiers.thresholds import Bools, Planned, Shown, best_one, best_pair
from mdisim.policies.parameters import Meaning
from mdisim.policies.policy import Policy, Setting
from mdisim.policies.scores import SCORES, Beem, Floats, Heads, Score, scored


@dataclass(frozen=True, kw_only=True)
class Chained(Tiered):
    """Three tiers, each of which goes on where the one before was not sure."""

    forward: Annotated[Forward, Meaning(FORWARD)] = "hidden"

    def chain(self, setting: Setting) -> tuple[Prefixes, Chain]:
        """The tiers, and how far each computes; a TierError where they do not fit."""
        prefixes = self.prefixes(setting)
        chain = Chain(prefixes.devices, tuple(last + 1 for last in prefixes.exits))
        need_chain(self.name, setting, chain, self.forward)
        return prefixes, chain


@dataclass(frozen=True, kw_only=True)
class Cascading(Chained, ABC):
    """What all cascades with fixed thresholds have in common."""

    drop_budget: Annotated[
        float,
        Interval(ge=0, le=1),
        Meaning("accuracy that planned thresholds may lose against the cloud, on the calibration half", "share"),
    ] = 0.003
    budget_confidence: Annotated[
        float | None,
        Interval(gt=0.5, lt=1),
        Meaning(
            "how surely they keep it: by an upper bound of what is lost; by its estimate if left out", "share"
        ),
    ] = None

    def need(self, setting: Setting) -> None:
        """Raise what `build` would, without the search."""
        self.chain(setting)
        if self.plans() and not len(setting.calibration.label):
            raise TierError(
                f"{self.name} plans on the calibration half, which is empty: give thresholds, or take a profile "
                "with a calibration half"
            )
        self.scores(setting)

    def plans(self) -> bool:
        """Whether anything is left to the calibration half."""
        return True

    @abstractmethod
    def criterion(self, setting: Setting) -> Score:
        """What is compared with the thresholds."""

    def heads(self, setting: Setting) -> Heads:
        """Which exits are evaluated, [K]."""
        return (True,) * setting.n_exits

    def scores(self, setting: Setting) -> Floats:
        """The scores of the calibration half, [n, K]; a PolicyError where it lacks what they need."""
        return scored(self.criterion(setting), setting.calibration, self.heads(setting))

    def aim(self) -> Aim:
        """What planned thresholds are to achieve."""
        return Aim(self.drop_budget, confidence=self.budget_confidence)

    def shown(self, setting: Setting) -> Shown:
        """What the calibration half shows."""
        _, chain = self.chain(setting)
        costs = stop_costs(setting, chain, self.forward)
        return Shown(self.scores(setting), right(setting), costs, groups(setting))

    def laid_out(
        self, setting: Setting, thresholds: Sequence[float], chosen: Planned | tuple[float, ...]
    ) -> Policy:
        """The policy of one row; `chosen` are the thresholds as they were planned, or given."""
        _, chain = self.chain(setting)
        return Policy(
            self.name,
            (chain_row(chain, thresholds, self.heads(setting), self.forward),),
            where=rule_of((chain,), self.forward),
            score=self.criterion(setting),
            details=self.details(setting) | self._found(setting, chosen),
        )

    def of_one(self, setting: Setting, chosen: Planned | tuple[float, ...]) -> Policy:
        """The policy of one threshold for all exits."""
        (threshold,) = chosen.thresholds if isinstance(chosen, Planned) else chosen
        return self.laid_out(setting, (threshold,) * setting.n_exits, chosen)

    def _found(self, setting: Setting, chosen: Planned | tuple[float, ...]) -> dict[str, Any]:
        if not isinstance(chosen, Planned):
            return {"thresholds": list(chosen)}
        whole = self.details(setting)["all_cloud_cost"]
        return {
            "thresholds": list(chosen.thresholds),
            "calibration_saving": 1.0 - chosen.cost / whole if whole else nan,
            "calibration_drop": chosen.drop,
        }


def right(setting: Setting) -> Bools:
    """Whether each exit is right about each sample of the calibration half, [n, K]."""
    return np.asarray(setting.calibration.prediction == setting.calibration.label[:, None])


@dataclass(frozen=True, kw_only=True)
class Cascade(Cascading):
    """A sample leaves at the mobile's exit if its score reaches alpha, at the edge's if it reaches beta.

    Else the cloud answers. Tiers decide after computing, each by its own exits. A threshold left out is planned
    before the run, the best of all scores that calibration samples have. The pools of DIMEE are cut by the same
    two thresholds, and with perfect routing, equal layer prices and additive hops both cost the same.

    Source: two thresholds on exits 3 and 6 of 12, as in a public notebook of D. J. Bajpai, M. K. Hanawal,
    "CeeBERT: Cross-Domain Inference in Early Exit BERT", Findings of ACL 2024, arXiv 2405.15039 (Div290/CeeBERT on
    GitHub). There a bandit chooses them, as in `cee-bert-2`.

    Reconstructed: nothing in the rule. The search is ours: the largest saving on the calibration half that keeps
    the drop of accuracy within a budget, whose default of 0.3 points is what DIMEE's abstract claims (arXiv
    2410.05338). That the mobile's exit is a quarter and the edge's half of the way stands for 3 and 6 of 12. What
    an unsure tier sends on is a choice of ours.
    """

    name: ClassVar[str] = "cascade"

    alpha: Annotated[
        float | None, Interval(ge=0, le=1), Meaning("leave at the mobile from this score on; planned if left out",
                                                    "score")
    ] = None  # fmt: skip
    beta: Annotated[
        float | None, Interval(ge=0, le=1), Meaning("leave at the edge from this score on; planned if left out",
                                                    "score")
    ] = None  # fmt: skip
    exits: Annotated[
        Literal["tiers", "all"],
        Meaning("which are asked: the last exit of mobile and edge, or every exit there; in the cloud the last"),
    ] = "tiers"
    score: Annotated[
        Literal["max-softmax", "certainty", "margin"], Meaning("what is compared with the thresholds")
    ] = "max-softmax"

    def plans(self) -> bool:
        """Whether a threshold is left out."""
        return self.alpha is None or self.beta is None

    def build(self, setting: Setting) -> Policy:
        """Plan what is left out, and lay out; a PolicyError where the tiers or the profile do not allow it."""
        self.need(setting)
        asked = self._asked(setting)
        chosen: Planned | tuple[float, ...]
        if self.alpha is not None and self.beta is not None:
            chosen = alpha, beta = self.alpha, self.beta
        else:
            tried = tuple(None if given is None else (given,) for given in (self.alpha, self.beta))
            chosen = best_pair(self.shown(setting), asked, self.aim(), (tried[0], tried[1]))
            alpha, beta = chosen.thresholds
        thresholds = np.full(setting.n_exits, inf)
        thresholds[list(asked[0])], thresholds[list(asked[1])] = alpha, beta
        return self.laid_out(setting, thresholds.tolist(), chosen)

    def criterion(self, setting: Setting) -> Score:
        """What is compared with the thresholds."""
        return SCORES[self.score]

    def heads(self, setting: Setting) -> Heads:
        """Which exits are evaluated, [K]: those asked, and the last."""
        asked = {setting.n_exits - 1}.union(*self._asked(setting))
        return tuple(k in asked for k in range(setting.n_exits))

    def _asked(self, setting: Setting) -> tuple[Sequence[int], Sequence[int]]:
        """The exits that are asked at the mobile, and at the edge, from 0."""
        mobile, edge, _ = self.prefixes(setting).exits
        if self.exits == "all":
            return range(mobile + 1), range(mobile + 1, edge + 1)
        return (mobile,), (edge,)


@dataclass(frozen=True, kw_only=True)
class PatienceCascade(Cascading):
    """PABEE over three tiers: a sample leaves once as many exits as `patience` agreed with the one before each.

    All exits are asked, on whichever tier they stand; only the prediction counts, not how sure it is. A patience
    left out is planned before the run.

    Source: W. Zhou, C. Xu, T. Ge, J. McAuley, K. Xu, F. Wei, "BERT Loses Patience: Fast and Robust Inference with
    Early Exit", NeurIPS 2020, arXiv 2006.04152. With `patience` p the last p + 1 exits agree, as in the authors'
    public code (JetRunner/PABEE on GitHub), which counts from 0.

    Reconstructed: nothing in the rule. Ours are the three tiers it runs on, and the search for a patience: the
    largest saving on the calibration half that keeps the drop of accuracy within a budget of 0.3 points by
    default.
    """

    name: ClassVar[str] = "patience"

    patience: Annotated[
        int | None, Ge(1), Meaning("exits that must agree with the one before; planned if left out", "exits")
    ] = None

    def plans(self) -> bool:
        """Whether the patience is left out."""
        return self.patience is None

    def build(self, setting: Setting) -> Policy:
        """Plan the patience if it is left out, and lay out."""
        self.need(setting)
        if self.patience is not None:
            return self.of_one(setting, (self.patience + 1.0,))
        tried = (*range(2, setting.n_exits), inf)
        return self.of_one(setting, best_one(self.shown(setting), self.aim(), tried))

    def criterion(self, setting: Setting) -> Score:
        """What is compared with the thresholds."""
        return SCORES["patience"]


@dataclass(frozen=True, kw_only=True)
class BeemCascade(Cascading):
    """BEEM over three tiers: exits that agree with the one before add their weighted confidences up.

    S_k = S_(k-1) + w_k C_k if exit k predicts what exit k-1 does, else 0, and 0 at the first exit; a sample leaves
    where S_k reaches the threshold. Weights w grow by `step` from exit to exit (BEEM-C), or are the exits'
    accuracies on the calibration half (BEEM-A). A threshold left out is planned before the run.

    Source: D. J. Bajpai, M. K. Hanawal, "BEEM: Boosting Performance of Early Exit DNNs using Multi-Exit
    Classifiers as Experts", ICLR 2025, arXiv 2502.00745. The sum, its return to 0 and steps of 0.1 for BERT and
    0.4 for ALBERT are those of the authors' public code (Div290/BEEM1 on GitHub), in which weights begin at 0. Its
    file for BERT adds the sum up but leaves by patience; that the sum decides is the paper's.

    Reconstructed: the paper derives its threshold from the exits' error rates, which we could not recover: ours is
    the largest saving on the calibration half that keeps the drop of accuracy within a budget of 0.3 points by
    default. The three tiers are ours as well.
    """

    name: ClassVar[str] = "beem"

    weights: Annotated[
        Literal["depth", "accuracy"], Meaning("w: the exit's depth, or its accuracy on the calibration half")
    ] = "depth"
    step: Annotated[float, Gt(0), Meaning("by how much w grows from exit to exit, with weights by depth")] = 0.1
    threshold: Annotated[float | None, Ge(0), Meaning("leave from this sum on; planned if left out", "score")] = (
        None
    )

    def plans(self) -> bool:
        """Whether the threshold is left out, or the weights come of the calibration half."""
        return self.threshold is None or self.weights == "accuracy"

    def build(self, setting: Setting) -> Policy:
        """Weigh, plan the threshold if it is left out, and lay out."""
        self.need(setting)
        if self.threshold is not None:
            return self.of_one(setting, (self.threshold,))
        return self.of_one(setting, best_one(self.shown(setting), self.aim()))

    def criterion(self, setting: Setting) -> Score:
        """What is compared with the threshold."""
        if self.weights == "depth":
            return Beem(step=self.step)
        return Beem(tuple(right(setting).mean(axis=0).tolist()))
