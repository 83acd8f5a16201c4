"""Bandits with one decision on the device: which split, or which threshold, pays best is learned during the run.

After the public code of the groups of M. K. Hanawal (SplitEE, I-SplitEE, CeeBERT, UEE-UCB, queue-aware thresholds)
and of R. G. Pacheco (AdaEE); rules and constants are theirs unless a docstring says otherwise. None needs a
label: a reward is a confidence gained less a price, in units of confidence. Two tiers, the source and the cloud,
are all that the papers know; the edge is passed by unless it is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Interval

from mdisim.planners.bandits.gains import SplitGains, ThresholdGains
from mdisim.planners.bandits.ucb import FIRST, UpperConfidence, blank
from mdisim.planners.tiers.chains import FORWARD, Chain, Forward, chain_row, need_chain, rule_of, whole_cost
from mdisim.planners.tiers.prefixes import TierError
from mdisim.policies.parameters import Meaning
from mdisim.policies.plan import Row
from mdisim.policies.policy import Policy, Setting
from mdisim.policies.protocols import Learns
from mdisim.policies.scores import ANSWERS, Answer, Floats
from mdisim.policies.views import FREE

Unit = Interval(ge=0, le=1)
First = Literal["in-order", "drawn"]
Thresholds = tuple[Annotated[float, Ge(0)], ...]


@dataclass(frozen=True, kw_only=True)
class Offloading:
    """What bandits of two tiers have in common: the first layers on a device, the rest in the cloud."""

    name: ClassVar[str]
    family: ClassVar[str] = "bandits"

    cloud: Annotated[str, Meaning("the device that computes the rest")] = "cloud"
    forward: Annotated[Forward, Meaning(FORWARD)] = "hidden"
    exploration: Annotated[float, Ge(0), Meaning("c of the index: mean + c sqrt(ln(rounds) / plays)")] = 1.0
    first: Annotated[First, Meaning(FIRST)] = "in-order"

    def chain(self, setting: Setting, layers: int, device: str = "") -> Chain:
        """So many stages on the device, the source if it has no name; a TierError where that cannot be."""
        cloud, K = setting.device(self.cloud, "cloud"), setting.n_exits
        at = (FREE,) if not device else (FREE, setting.device(device, "device"))
        if cloud in (*setting.sources, *at):
            say = f"{self.name}: the cloud, {self.cloud!r}, computes the first layers; another would do"
            raise TierError(say, "cloud")
        chain = Chain((*at, cloud), (*(0,) * (len(at) - 1), layers, K))
        need_chain(self.name, setting, chain, self.forward)
        return chain

    def laid_out(
        self,
        setting: Setting,
        chains: Sequence[Chain],
        plan: Sequence[Row],
        picks: UpperConfidence,
        learns: Learns,
        *,
        answer: Answer = ANSWERS["own-exit"],
        **found: Any,
    ) -> Policy:
        """The policy of these rows."""
        levels = 1 if picks.common else picks.levels
        return Policy(
            self.name,
            tuple(plan),
            where=rule_of(chains, self.forward),
            picks=picks,
            learns=learns,
            answer=answer,
            memory=blank(levels * picks.arms, levels),
            details=asdict(self) | {"all_cloud_cost": whole_cost(setting, setting.device(self.cloud)), **found},
        )


@dataclass(frozen=True, kw_only=True)
class SplitEe(Offloading):
    """SplitEE (D. J. Bajpai et al., arXiv 2309.09195): a UCB over the layer after which the network is split.

    The source picks an arm at birth and learns when the answer is back, without labels. Arm i computes i stages on
    the device and asks exit i alone. If C_i reaches alpha, or no layer is left, it answers, and r = C_i - mu
    lambda i, else the cloud does, and r = C_L - mu (o + lambda i); i counts layers in the prices (a stage may hold
    several).

    Source: D. J. Bajpai, V. K. Trivedi, S. L. Yadav, M. K. Hanawal, "SplitEE: Early Exit in Deep Neural Networks
    with Split Computing", AIMLSystems 2023, arXiv 2309.09195, and the authors' public code (Div290/SplitEE on
    GitHub). Rule and reward are theirs; their constants are lambda 0.1, o from 0.1 to 0.6, alpha 0.7 to 0.85 by
    data set, c 1.

    Reconstructed: alpha 0.7 and o 0.1 are defaults of ours within their ranges, and mu is that of I-SplitEE. Their
    charge of 0.8 lambda i + 0.2 lambda, where an exit costs two tenths of a layer, is no part of their reward;
    `exit_share` takes it in. That the paper shares lambda otherwise, with a sixth for the exit, is recalled. That
    answers take their time, what is sent (`forward`) and the order `drawn` are ours.
    """

    name: ClassVar[str] = "split-ee"
    every_exit: ClassVar[bool] = False

    exploration: Annotated[float, Ge(0), Meaning("c of the index: mean + c sqrt(ln(rounds + 1) / plays)")] = 1.0
    alpha: Annotated[float, Unit, Meaning("answer on the device from this confidence on", "confidence")] = 0.7
    layer_cost: Annotated[float, Ge(0), Meaning("lambda: price of a layer in the reward", "confidence")] = 0.1
    offload_cost: Annotated[float, Ge(0), Meaning("o: price of an offload in the reward", "confidence")] = 0.1
    mu: Annotated[float, Ge(0), Meaning("weight of all prices in the reward")] = 1.0
    exit_share: Annotated[
        float, Unit, Meaning("part of lambda that is an exit's, paid for each exit evaluated; 0.2 in their charge",
                             "share")
    ] = 0.0  # fmt: skip
    deepest: Annotated[
        int | None, Ge(1), Meaning("the last exit that is an arm, from 1; all if left out", "exits")
    ] = None

    def build(self, setting: Setting) -> Policy:
        """Lay out an arm per exit; a TierError where the devices do not allow it."""
        K = setting.n_exits
        arms = K if self.deepest is None else self.deepest
        if not 2 <= arms <= K:
            would_do = f"deepest from 2 to {K}" if K > 1 else "a profile of 2 exits or more"
            say = f"{self.name}: {arms} of {K} exits are no choice of splits; {would_do} would do"
            raise TierError(say, "deepest")
        chains = [self.chain(setting, arm + 1) for arm in range(arms)]
        alphas = [-inf if arm == K - 1 else self.alpha for arm in range(arms)]
        plan = [
            self._row(chain, alpha, arm, K) for arm, (chain, alpha) in enumerate(zip(chains, alphas, strict=True))
        ]
        prices = self._prices(setting)[:arms]
        return self.laid_out(
            setting,
            chains,
            plan,
            UpperConfidence(arms, self.exploration, rounds_plus=1.0, first=self.first),
            SplitGains(tuple(alphas), tuple(prices.tolist()), self.mu * self.offload_cost, self.every_exit),
            arms=tuple(range(1, arms + 1)),
        )

    def _row(self, chain: Chain, alpha: float, arm: int, K: int) -> Row:
        heads = [k in (arm, K - 1) or (self.every_exit and k < arm) for k in range(K)]
        return chain_row(chain, [alpha if k == arm else inf for k in range(K)], heads, self.forward)

    def _prices(self, setting: Setting) -> Floats:
        """mu times the price of computing up to each exit, [K]; layers by the abstract price at the sources."""
        layers = np.cumsum(setting.stage_cost[list(setting.sources)].mean(axis=0))
        asked = np.arange(1.0, len(layers) + 1.0) if self.every_exit else np.ones(len(layers))
        return self.mu * self.layer_cost * ((1.0 - self.exit_share) * layers + self.exit_share * asked)


@dataclass(frozen=True, kw_only=True)
class SplitEeS(SplitEe):
    """SplitEE-S: the same, but every exit up to the split is evaluated, and every arm up to it learns.

    A sample still leaves at the arm's own exit only.

    Source: the variant SplitEE-S in D. J. Bajpai, V. K. Trivedi, S. L. Yadav, M. K. Hanawal, "SplitEE: Early Exit
    in Deep Neural Networks with Split Computing", AIMLSystems 2023, arXiv 2309.09195, and the authors' public code
    (Div290/SplitEE on GitHub).

    Reconstructed: what a shallower arm would have got from the cloud is not known of a sample that stayed; their
    code takes it from its table of all confidences, here the confidence of the exit that answered stands for it.
    The rest is as in `split-ee`.
    """

    name: ClassVar[str] = "split-ee-s"
    every_exit: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class ISplitEe(SplitEeS):
    """I-SplitEE (arXiv 2401.10541): SplitEE-S for images, with alpha 0.5, o 0.5, mu 1, lambda 0.1, c 1.

    Source: D. J. Bajpai, A. Jaiswal, M. K. Hanawal, "I-SplitEE: Image classification in Split Computing DNNs with
    Early Exits", ICC 2024, arXiv 2401.10541, and the authors' public code (Div290/I-SplitEE on GitHub), whose
    constants these are. It is published for MobileNet-V2 with exits after layers 3, 6, ..., 18 and 19, so 0.3 from
    exit to exit; here the layers of the profile's stages count.

    Reconstructed: their code counts an arm more than once for one sample, which we took for a slip: here each arm
    up to the chosen one learns once. What a shallower arm would have got from the cloud is replaced as in
    `split-ee-s`.
    """

    name: ClassVar[str] = "i-split-ee"

    alpha: Annotated[float, Unit, Meaning("answer on the device from this confidence on", "confidence")] = 0.5
    offload_cost: Annotated[float, Ge(0), Meaning("o: price of an offload in the reward", "confidence")] = 0.5


@dataclass(frozen=True, kw_only=True)
class OneExit(Offloading):
    """One exit on a device; what is below the threshold goes to the cloud, and the threshold is the arm."""

    positive: ClassVar[bool] = False
    fallback: ClassVar[str] = "own-exit"

    device: Annotated[str, Meaning("the device with the exit; the source if left empty")] = ""
    exit: Annotated[
        int | None, Ge(1), Meaning("the exit there, from 1; a quarter of all if left out", "exits")
    ] = None
    thresholds: Annotated[Thresholds, Meaning("the arms: from which confidence on the exit answers",
                                                     "confidence")] = (0.5, 1.0)  # fmt: skip
    offload_cost: Annotated[float, Ge(0), Meaning("o: price of an offload in the reward", "confidence")] = 0.1

    def build(self, setting: Setting) -> Policy:
        """Lay out an arm per threshold; a TierError where the devices or the network do not allow it."""
        at = exit_of(self.name, setting, self.exit, 4)
        if len(self.thresholds) < 2:
            say = f"{self.name}: {len(self.thresholds)} thresholds are no choice; two or more would do"
            raise TierError(say, "thresholds")
        chain = self.chain(setting, at + 1, self.device)
        return self.laid_out(
            setting,
            [chain] * len(self.thresholds),
            [one_exit_row(chain, at, threshold, self.forward, setting.n_exits) for threshold in self.thresholds],
            UpperConfidence(len(self.thresholds), self.exploration, first=self.first),
            ThresholdGains(at, self.thresholds, self.offload_cost, self.positive),
            answer=ANSWERS[self.fallback],
            arms=self.thresholds,
        )


def exit_of(name: str, setting: Setting, wanted: int | None, part: int) -> int:
    """The number of the early exit wanted, from 0; at one of `part` parts of the network if None."""
    K = setting.n_exits
    at = -(-K // part) if wanted is None else wanted
    if not 1 <= at < K:
        would_do = f"1 to {K - 1}" if K > 1 else "a profile of 2 exits or more"
        raise TierError(f"{name}: exit {at} is no early exit of {K}; {would_do} would do", "exit")
    return at - 1


def one_exit_row(chain: Chain, at: int, threshold: float, forward: Forward, K: int) -> Row:
    """The plan row of one early exit."""
    thresholds = [threshold if k == at else inf for k in range(K)]
    return chain_row(chain, thresholds, [k in (at, K - 1) for k in range(K)], forward)


@dataclass(frozen=True, kw_only=True)
class AdaEe(OneExit):
    """AdaEE (R. G. Pacheco et al., ICC 2023): a UCB over the threshold of one exit.

    The source picks an arm at birth and learns when the answer is back, without labels. r = max(C_L - C_i, 0) - o
    where the sample was offloaded, else 0. If the cloud is less sure than the device was, the device's prediction
    is the answer.

    Source: R. G. Pacheco, M. Shifrin, R. S. Couto, D. S. Menasché, M. K. Hanawal, M. E. M. Campista, "AdaEE:
    Adaptive Early-Exit DNN Inference Through Multi-Armed Bandits", ICC 2023, doi 10.1109/ICC45041.2023.10279243,
    and the authors' public code (pachecobeto95/UCBEE on GitHub), whose thresholds 0, 0.2, ..., 1 and c 1 these
    are; another program of theirs has steps of 0.1.

    Reconstructed: known from the code, not from the paper's text. Their exit stands at the edge, which `device`
    may name; here it is at the source by default, a quarter of the way, which is ours. They try o from 0 to 1; 0.1
    is ours. Their bandit knows the level of distortion of an image, ours does not.
    """

    name: ClassVar[str] = "ada-ee"
    positive: ClassVar[bool] = True
    fallback: ClassVar[str] = "most-confident"

    thresholds: Annotated[Thresholds, Meaning("the arms: from which confidence on the exit answers",
                                                     "confidence")] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CeeBert(OneExit):
    """CeeBERT with one exit (D. J. Bajpai, M. K. Hanawal, arXiv 2405.15039): a UCB over its threshold.

    The source picks an arm at birth and learns when the answer is back, without labels. r = C_L - C_i - o where
    the sample was offloaded, else 0.

    Source: D. J. Bajpai, M. K. Hanawal, "CeeBERT: Cross-Domain Inference in Early Exit BERT", Findings of ACL
    2024, arXiv 2405.15039, and the authors' public code (Div290/CeeBERT on GitHub), whose constants these are:
    thresholds 0.5, 0.55, ..., 0.95, o 0.1, c 2, exit 3 of 12.

    Reconstructed: known from the code, not from the paper's text. What is sent to the cloud is a choice of ours. A
    quarter of the way stands for exit 3 of 12.
    """

    name: ClassVar[str] = "cee-bert"

    exploration: Annotated[float, Ge(0), Meaning("c of the index: mean + c sqrt(ln(rounds) / plays)")] = 2.0
    thresholds: Annotated[Thresholds, Meaning("the arms: from which confidence on the exit answers",
                                                     "confidence")] = (
        0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95,
    )  # fmt: skip
